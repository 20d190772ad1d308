/** What somebody outside says of a server; between two reports the last one counts, for a time. */
import type { Timers } from '../timers.js'
import type { Probe } from './probe.js'

export interface Report {
  state: 'up' | 'down'
  detail: string
  /** For so long; else for as long as the check says. */
  expiryMs?: number
}

interface Kept extends Report {
  atMs: number
}

/** Reports by server and check. */
export class ReportBook {
  readonly #reports = new Map<string, Kept>()
  readonly #timers: Timers

  constructor(timers: Timers) {
    this.#timers = timers
  }

  set(key: string, report: Report): void {
    this.#reports.set(key, { ...report, atMs: this.#timers.now() })
  }

  get(key: string): (Report & { ageMs: number }) | undefined {
    const report = this.#reports.get(key)
    return report && { ...report, ageMs: this.#timers.now() - report.atMs }
  }

  delete(key: string): void {
    this.#reports.delete(key)
  }
}

/** `key` is the check's in the book. */
export const externalProbe =
  (book: ReportBook, key: string): Probe<'external'> =>
  (check, run) => {
    const report = book.get(key)
    if (report === undefined) return run.fail('expired', 'Nothing has been reported yet.')
    const expiryMs = report.expiryMs ?? check.expiryMs
    const seconds = (report.ageMs / 1000).toFixed(1)
    run.note('receive', `${report.state}, ${seconds} s ago: ${report.detail}`)
    if (expiryMs !== null && report.ageMs > expiryMs)
      run.fail('expired', `The last report is ${seconds} s old, more than ${expiryMs / 1000} s.`)
    else if (report.state === 'up') run.succeed(`Reported up: ${report.detail}`)
    else run.fail('reported', `Reported down: ${report.detail}`)
  }
