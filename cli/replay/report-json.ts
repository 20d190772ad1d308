/** The report for programs: a JSON object a line (NDJSON), told apart by `type`. */
import type { PacketEvent, TimerEvent } from './decision.js'
import type { Print, Report } from './report.js'
import type { Summary } from './summary.js'

export class JsonReport implements Report {
  readonly #print: Print
  readonly #quiet: boolean

  constructor(print: Print, quiet: boolean) {
    this.#print = print
    this.#quiet = quiet
  }

  packet({ timeNs, ...event }: PacketEvent): void {
    if (!this.#quiet) this.#write('packet', { time: timestamp(timeNs), ...event })
  }

  timers({ timeNs, ...event }: TimerEvent): void {
    if (!this.#quiet) this.#write('timers', { time: timestamp(timeNs), ...event })
  }

  warning(detail: string): void {
    if (!this.#quiet) this.#write('warning', { detail })
  }

  summary(summary: Summary): void {
    this.#write('summary', summary)
  }

  #write(type: string, fields: object): void {
    this.#print(JSON.stringify({ type, ...fields }))
  }
}

/** RFC 3339 with nanoseconds. */
export function timestamp(timeNs: bigint): string {
  const seconds = timeNs / 1_000_000_000n
  const date = new Date(Number(seconds) * 1000).toISOString().slice(0, -5)
  return `${date}.${String(timeNs % 1_000_000_000n).padStart(9, '0')}Z`
}
