/**
 * When one check runs and what its results make of it. It waits for nothing and asks no clock: the
 * monotonic times of a run are given to it, so that no jump of the wall clock can matter.
 */
import type { CheckCommon, CheckState, NamedCheck } from './check-spec.js'
import type { RunResult } from './run-result.js'

/** A check that is new runs soon, but a thousand new ones not all at once. */
const FIRST_WITHIN_MS = 1000

type Schedule = Pick<
  CheckCommon,
  'intervalMs' | 'retryDelayMs' | 'jitterMs' | 'rise' | 'fall' | 'initialState'
>

export class Checker {
  #state: CheckState
  #contrary = 0
  #first = true
  readonly #random: () => number
  #spec: Schedule

  /** `random` gives numbers from 0 to 1, exclusive. */
  constructor(spec: Schedule, lastKnown: NamedCheck['lastKnown'], random: () => number) {
    const { initialState } = spec
    this.#spec = spec
    this.#random = random
    this.#state = initialState === 'lastKnown' ? (lastKnown ?? 'unknown') : initialState
  }

  get state(): CheckState {
    return this.#state
  }

  /** Results in a row that speak against the state. */
  get contrary(): number {
    return this.#contrary
  }

  /** A new schedule for the same check: what is known of the server stays true until it is disproved. */
  adopt(spec: Schedule): void {
    this.#spec = spec
    this.#contrary = 0
  }

  /** Returns whether the state is another one. The first result of all decides an unknown state. */
  take(outcome: RunResult['outcome']): boolean {
    const found = outcome === 'success' ? 'up' : 'down'
    if (found === this.#state) {
      this.#contrary = 0
      return false
    }
    this.#contrary++
    const needed =
      this.#state === 'unknown' ? 1 : found === 'up' ? this.#spec.rise : this.#spec.fall
    if (this.#contrary < needed) return false
    this.#state = found
    this.#contrary = 0
    return true
  }

  /** How long until the very first run. */
  firstDelayMs(): number {
    return this.#random() * Math.min(this.#spec.intervalMs, FIRST_WITHIN_MS)
  }

  /**
   * When the next run starts, after one from `startMs` to `endMs`. Intervals go from start to start;
   * a retry follows the end of what failed. The second run is anywhere within the first interval,
   * so that checks that were made together do not run together for ever.
   */
  nextStartMs(startMs: number, endMs: number): number {
    const { intervalMs, jitterMs, retryDelayMs } = this.#spec
    const phase = this.#first ? this.#random() : 1
    this.#first = false
    if (retryDelayMs !== null && this.#state === 'up' && this.#contrary > 0)
      return endMs + retryDelayMs
    return Math.max(endMs, startMs + intervalMs * phase + jitterMs * this.#random())
  }
}
