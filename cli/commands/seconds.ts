/** Spans of time as people write them. */
import { UsageError } from './context.js'

const UNIT_S: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86400 }

/** `300`, `90s`, `30m`, `2h` or `1d`; `option` is for the message. */
export function secondsOf(option: string, text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? []
  if (count === undefined)
    throw new UsageError(`${option}: '${text}' is not like 300, 90s, 30m or 2h`)
  return Number(count) * UNIT_S[unit!]!
}
