/** When checkers run and what they count as: each statement of a checker, its server, its service. */
import { mark } from '../report.js'
import type { Node } from './tree.js'
import { numberOf } from './values.js'

/** What a block says itself; the block around it says the rest. */
export interface Timing {
  intervalMs?: number
  timeoutMs?: number
  retries?: number
  retryDelayMs?: number
  isAlpha?: boolean
  host?: string
}

const DAY_MS = 86_400_000
/** Sluice counts to 100 failures, the first of which is no retry. */
const RETRIES_MAX = 99
const TIMERS = {
  delay_loop: { name: 'intervalMs', leastMs: 100 },
  connect_timeout: { name: 'timeoutMs', leastMs: 10 },
  delay_before_retry: { name: 'retryDelayMs', leastMs: 10 },
} as const
export const TIMING: readonly string[] = [
  ...['delay_loop', 'connect_timeout', 'delay_before_retry'],
  ...['retry', 'nb_get_retry', 'alpha', 'virtualhost'],
]

/** Whether the statement is one of TIMING; what is wrong with it is in the report then. */
export function readTiming({ keyword, args, entry }: Node, timing: Timing): boolean {
  if (!TIMING.includes(keyword)) return false
  const [word] = args
  if (keyword === 'alpha') {
    const isAlpha = flagOf(word)
    if (isAlpha === null) mark(entry, 'refused', `'${word ?? ''}' is neither yes nor no.`)
    else timing.isAlpha = isAlpha
  } else if (keyword === 'virtualhost') {
    if (word !== undefined && /^[\x21-\x7e]{1,259}$/.test(word)) timing.host = word
    else mark(entry, 'refused', 'It is the name of a host.')
  } else if (Object.hasOwn(TIMERS, keyword)) {
    const { name, leastMs } = TIMERS[keyword as keyof typeof TIMERS]
    const ms = millisecondsOf(word)
    if (ms === null) mark(entry, 'refused', `'${word ?? ''}' is not a number of seconds.`)
    else {
      timing[name] = Math.min(Math.max(ms, leastMs), DAY_MS)
      if (timing[name] !== ms) mark(entry, 'changed', `It is ${timing[name] / 1000} seconds here.`)
    }
  } else {
    const retries = numberOf(word, 0, 0xffffffff)
    if (retries === null) mark(entry, 'refused', `'${word ?? ''}' is not a number of retries.`)
    else timing.retries = Math.min(retries, RETRIES_MAX)
    if (retries !== null && retries > RETRIES_MAX)
      mark(entry, 'changed', `There are at most ${RETRIES_MAX} retries.`)
  }
  return true
}

/** A word for yes or no, nothing for yes; null when it is neither. */
export function flagOf(word: string | undefined): boolean | null {
  if (word === undefined || ['yes', 'true', 'on'].includes(word.toLowerCase())) return true
  return ['no', 'false', 'off'].includes(word.toLowerCase()) ? false : null
}

/** Seconds with decimals, as keepalived's timers are. */
export function millisecondsOf(word: string | undefined): number | null {
  return word !== undefined && /^\d{1,9}(?:\.\d{1,6})?$/.test(word)
    ? Math.round(Number(word) * 1000)
    : null
}
