/** Least connection (ip_vs_lc.c): the smallest load; the weight only says whether, not how much. */
import type { Dest } from '../dest.js'
import { isUsable, overhead } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'

export class LeastConnection implements Scheduler {
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
    let load = 0
    for (let i = 0; i < dests.length; i++) {
      const dest = dests[i]!
      if (!isUsable(dest)) continue
      const own = overhead(dest)
      if (least === null || own < load) {
        least = dest
        load = own
      }
    }
    return least
  }
}
