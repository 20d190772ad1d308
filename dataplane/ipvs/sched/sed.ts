/**
 * Shortest expected delay (ip_vs_sed.c): least (active connections + the new one) for the weight.
 * Inactive connections do not count, so with UDP the highest weight takes everything.
 */
import type { Dest } from '../dest.js'
import { isProductGreater, isUsable } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'

export class ShortestExpectedDelay implements Scheduler {
  readonly #dests: readonly Dest[]

  constructor(context: SchedulerContext) {
    this.#dests = context.dests
  }

  add(): void {}
  del(): void {}
  edit(): void {}

  schedule(): Dest | null {
    const dests = this.#dests
    let least: Dest | null = null
    let delay = 0
    for (let i = 0; i < dests.length; i++) {
      const dest = dests[i]!
      if (!isUsable(dest)) continue
      const own = dest.activeTotal + 1
      if (least === null || isProductGreater(delay, dest.weight, own, least.weight)) {
        least = dest
        delay = own
      }
    }
    return least
  }
}
