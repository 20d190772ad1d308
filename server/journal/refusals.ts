/**
 * Requests that were not carried out, on their way into the journal. They are gathered for a moment
 * and equal ones counted: whoever knocks ten thousand times a second costs one write a second.
 */
import type { Actor } from '../auth/actor.js'
import { systemTimers, type Timers } from '../health/timers.js'
import type { Outcome } from '../repo/journal.js'
import type { Journal, Occurrence } from './journal.js'

export interface Refusal {
  outcome: Outcome
  code: string
  actor: Actor | null
  address: string | null
  requestId: string
  method: string
  /** The route's pattern, or what was asked for when there is none. */
  path: string
}

interface Gathered {
  refusal: Refusal
  at: string
  count: number
  /** Before, it is not written down. */
  dueMs: number
}

const GATHER_MS = 1000
/** What somebody does who does not stop is told once a minute, whatever they ask for. */
const PATIENT = new Set(['TOKENS_GUESSED'])
const PATIENT_MS = 60_000
/** Different ones within that time; more are counted as one. */
const KINDS_MAX = 100

export class Refusals {
  readonly #journal: Journal
  readonly #timers: Timers
  readonly #gathered = new Map<string, Gathered>()
  #others = 0
  #cancel: (() => void) | null = null

  constructor(journal: Journal, timers: Timers = systemTimers) {
    this.#journal = journal
    this.#timers = timers
  }

  add(refusal: Refusal): void {
    this.#journal.refusals++
    const { outcome, code, actor, address, method, path } = refusal
    const isPatient = PATIENT.has(code)
    const what = isPatient ? [] : [method, path]
    const key = [outcome, code, actor?.name, address, ...what].join('\n')
    const dueMs = isPatient ? this.#timers.now() + PATIENT_MS : 0
    const known = this.#gathered.get(key)
    if (known !== undefined) known.count++
    else if (this.#gathered.size >= (isPatient ? KINDS_MAX / 2 : KINDS_MAX)) this.#others++
    else this.#gathered.set(key, { refusal, at: new Date().toISOString(), count: 1, dueMs })
    this.#wait()
  }

  /** Writes down everything that was gathered. */
  flush(): void {
    this.#write([...this.#gathered.keys()])
  }

  #wait(): void {
    this.#cancel ??= this.#timers.after(GATHER_MS, () => {
      const nowMs = this.#timers.now()
      const due = [...this.#gathered].filter(([, { dueMs }]) => dueMs <= nowMs)
      this.#write(due.map(([key]) => key))
      if (this.#gathered.size > 0) this.#wait()
    })
  }

  #write(keys: readonly string[]): void {
    this.#cancel?.()
    this.#cancel = null
    const occurrences: Occurrence[] = keys
      .map(key => this.#gathered.get(key)!)
      .map(({ refusal: { code, method, path, ...rest }, at, count }) => ({
        ...rest,
        ...{ at, type: `request.${rest.outcome}`, class: 'denial' },
        detail: { code, method, path, count },
      }))
    if (this.#others > 0)
      occurrences.push({
        ...{ type: 'request.denied', class: 'denial', outcome: 'denied' },
        detail: { count: this.#others, message: 'Others, too many to tell apart.' },
      })
    for (const key of keys) this.#gathered.delete(key)
    this.#others = 0
    if (occurrences.length > 0) this.#journal.record(...occurrences)
  }
}
