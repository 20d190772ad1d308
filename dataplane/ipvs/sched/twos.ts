/** Power of two random choices (ip_vs_twos.c): two servers by weight at random, the less loaded wins. */
import type { Dest } from '../dest.js'
import { isProductGreater, isUsable, overhead } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'

export class TwoRandomChoices implements Scheduler {
  readonly #context: SchedulerContext

  constructor(context: SchedulerContext) {
    this.#context = context
  }

  add(): void {}
  del(): void {}
  edit(): void {}

  schedule(): Dest | null {
    const { dests } = this.#context
    let total = 0
    for (let i = 0; i < dests.length; i++) if (isUsable(dests[i]!)) total += dests[i]!.weight
    if (total === 0) return null
    let first = this.#context.random(total)
    let second = this.#context.random(total)
    let choice1: Dest | null = null
    let choice2: Dest | null = null
    for (let i = 0; i < dests.length && (choice1 === null || choice2 === null); i++) {
      const dest = dests[i]!
      if (!isUsable(dest)) continue
      first -= dest.weight
      second -= dest.weight
      if (first <= 0 && choice1 === null) choice1 = dest
      if (second <= 0 && choice2 === null) choice2 = dest
    }
    if (choice1 === null || choice2 === null) return choice1
    const isLighter = isProductGreater(
      overhead(choice1),
      choice2.weight,
      overhead(choice2),
      choice1.weight,
    )
    return isLighter ? choice2 : choice1
  }
}
