/**
 * Overflow (ip_vs_ovf.c): the highest weight until it has as many active connections as its
 * weight, then the next. `active <= weight`: one more than the weight fits, as in the kernel.
 */
import type { Dest } from '../dest.js'
import { isUsable } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'

export class Overflow implements Scheduler {
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
      if (!isUsable(dest) || dest.activeTotal > dest.weight) continue
      if (best === null || dest.weight > best.weight) best = dest
    }
    return best
  }
}
