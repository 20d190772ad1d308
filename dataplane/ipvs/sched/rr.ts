/** Round robin (ip_vs_rr.c): each usable server in turn, whatever its weight. */
import type { Dest } from '../dest.js'
import { isUsable } from './overhead.js'
import type { Scheduler, SchedulerContext, SchedulerState } from './scheduler.js'

export class RoundRobin implements Scheduler {
  readonly #dests: readonly Dest[]
  /** The server chosen last and where it stands; null and -1: start at the head of the list. */
  #last: Dest | null = null
  #index = -1

  constructor(context: SchedulerContext) {
    this.#dests = context.dests
  }

  add(): void {
    // The list grew at its head; the last server keeps its turn.
    if (this.#last !== null) this.#index = this.#dests.indexOf(this.#last)
  }

  del(dest: Dest, index: number): void {
    if (dest === this.#last) {
      this.#index = index - 1
      this.#last = this.#dests[this.#index] ?? null
    } else if (this.#last !== null) {
      this.#index = this.#dests.indexOf(this.#last)
    }
  }

  edit(): void {
    // Weights only matter when a server is looked at.
  }

  schedule(): Dest | null {
    const dests = this.#dests
    const count = dests.length
    let index = this.#index
    for (let i = 0; i < count; i++) {
      index = index + 1 === count ? 0 : index + 1
      const dest = dests[index]!
      if (isUsable(dest)) {
        this.#last = dest
        this.#index = index
        return dest
      }
    }
    return null
  }

  snapshot(): SchedulerState {
    return [this.#index]
  }

  restore([index = -1]: SchedulerState): void {
    this.#index = index
    this.#last = this.#dests[index] ?? null
  }
}
