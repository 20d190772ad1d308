/** Weighted least connection (ip_vs_wlc.c): the smallest load for its weight; ipvsadm's default. */
import type { Dest } from '../dest.js'
import { leastLoaded } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'

export class WeightedLeastConnection implements Scheduler {
  readonly #dests: readonly Dest[]

  constructor(context: SchedulerContext) {
    this.#dests = context.dests
  }

  add(): void {}
  del(): void {}
  edit(): void {}

  schedule(): Dest | null {
    return leastLoaded(this.#dests)
  }
}
