/** Weighted failover (ip_vs_fo.c): everything to the highest weight that is left. */
import type { Dest } from '../dest.js'
import { isUsable } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'

export class WeightedFailover implements Scheduler {
  readonly #dests: readonly Dest[]

  constructor(context: SchedulerContext) {
    this.#dests = context.dests
  }

  add(): void {}
  del(): void {}
  edit(): void {}

  schedule(): Dest | null {
    const dests = this.#dests
    let best: Dest | null = null
    for (let i = 0; i < dests.length; i++) {
      const dest = dests[i]!
      if (isUsable(dest) && (best === null || dest.weight > best.weight)) best = dest
    }
    return best
  }
}
