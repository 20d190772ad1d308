/**
 * Requests that were not carried out, on their way into the journal. They are gathered for a moment
 * and equal ones counted: whoever knocks ten thousand times a second costs one write a second.
 */
import type { Actor } from '../auth/actor.js'
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

const GATHER_MS = 1000
/** Different ones within that time; more are counted as one. */
const KINDS_MAX = 100

export class Refusals {
  readonly #journal: Journal
  readonly #gathered = new Map<string, { refusal: Refusal; at: string; count: number }>()
  #others = 0
  #timer: NodeJS.Timeout | null = null

  constructor(journal: Journal) {
    this.#journal = journal
  }

  add(refusal: Refusal): void {
    this.#journal.refusals++
    const { outcome, code, actor, address, method, path } = refusal
    const key = [outcome, code, actor?.name, address, method, path].join('\n')
    const known = this.#gathered.get(key)
    if (known !== undefined) known.count++
    else if (this.#gathered.size >= KINDS_MAX) this.#others++
    else this.#gathered.set(key, { refusal, at: new Date().toISOString(), count: 1 })
    this.#timer ??= setTimeout(() => this.flush(), GATHER_MS).unref()
  }

  /** Writes down what was gathered. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const occurrences: Occurrence[] = [...this.#gathered.values()].map(
      ({ refusal: { code, method, path, ...rest }, at, count }) => ({
        ...rest,
        ...{ at, type: `request.${rest.outcome}`, class: 'denial' },
        detail: { code, method, path, count },
      }),
    )
    if (this.#others > 0)
      occurrences.push({
        ...{ type: 'request.denied', class: 'denial', outcome: 'denied' },
        detail: { count: this.#others, message: 'Others, too many to tell apart.' },
      })
    this.#gathered.clear()
    this.#others = 0
    if (occurrences.length > 0) this.#journal.record(...occurrences)
  }
}
