/** Never queue (ip_vs_nq.c): the first idle server at once, else the shortest expected delay. */
import type { Dest } from '../dest.js'
import { isProductGreater, isUsable } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'

export class NeverQueue implements Scheduler {
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
      const active = dest.activeTotal
      if (active === 0) return dest
      if (least === null || isProductGreater(delay, dest.weight, active + 1, least.weight)) {
        least = dest
        delay = active + 1
      }
    }
    return least
  }
}
