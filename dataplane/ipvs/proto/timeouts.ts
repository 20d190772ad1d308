/** Timeouts by state: seconds outside, ticks where every packet reads them. */
import { TICKS_PER_SECOND } from '../../timer-wheel.js'

export class Timeouts {
  readonly ticks: Int32Array
  readonly #states: readonly string[]

  constructor(states: readonly string[], seconds: Readonly<Record<string, number>>) {
    this.#states = states
    this.ticks = Int32Array.from(states, state => seconds[state]! * TICKS_PER_SECOND)
  }

  get(state: string): number | undefined {
    const ticks = this.ticks[this.#states.indexOf(state)]
    return ticks === undefined ? undefined : ticks / TICKS_PER_SECOND
  }

  set(state: string, seconds: number): boolean {
    const index = this.#states.indexOf(state)
    if (index < 0) return false
    this.ticks[index] = seconds * TICKS_PER_SECOND
    return true
  }
}
