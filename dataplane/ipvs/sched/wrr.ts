/**
 * Weighted round robin (ip_vs_wrr.c): walks the list again and again with a falling threshold; a
 * server is taken while its weight reaches it. Each change of the list starts at its head again.
 */
import type { Dest } from '../dest.js'
import type { Scheduler, SchedulerContext, SchedulerState } from './scheduler.js'

export class WeightedRoundRobin implements Scheduler {
  readonly #dests: readonly Dest[]
  /** Position of the server chosen last, -1 before the first. */
  #last = -1
  #currentWeight: number
  #maxWeight = 0
  /** Greatest common divisor of the weights: how far the threshold falls a round. */
  #step = 1

  constructor(context: SchedulerContext) {
    this.#dests = context.dests
    this.#recompute()
    this.#currentWeight = this.#maxWeight
  }

  add(): void {
    this.#update()
  }
  del(): void {
    this.#update()
  }
  edit(): void {
    this.#update()
  }

  schedule(): Dest | null {
    if (this.#maxWeight === 0) return null
    const dests = this.#dests
    const start = this.#last
    let stop = -1
    let isLastPass = false
    let hasRestarted = false
    let index = start
    for (;;) {
      while (++index < dests.length) {
        const dest = dests[index]!
        if (!dest.overloaded && !dest.heldBack && dest.weight >= this.#currentWeight) {
          this.#last = index
          return dest
        }
        // Everybody has been looked at with the lowest threshold.
        if (index === stop) return null
      }
      this.#currentWeight -= this.#step
      if (this.#currentWeight <= 0) {
        this.#currentWeight = this.#maxWeight
        if (isLastPass || start < 0) return null
        hasRestarted = true
      }
      isLastPass = this.#currentWeight <= this.#step
      if (isLastPass && hasRestarted && start >= 0) stop = start
      index = -1
    }
  }

  /** The rest follows from the weights. */
  snapshot(): SchedulerState {
    return [this.#last, this.#currentWeight]
  }

  restore([last = -1, currentWeight = 0]: SchedulerState): void {
    this.#last = last
    this.#currentWeight = currentWeight
  }

  #update(): void {
    this.#last = -1
    this.#recompute()
    if (this.#currentWeight > this.#maxWeight || this.#currentWeight === 0) {
      this.#currentWeight = this.#maxWeight
    } else if (this.#step > 1) {
      this.#currentWeight = Math.floor(this.#currentWeight / this.#step) * this.#step + 1
    }
  }

  #recompute(): void {
    let step = 0
    let max = 0
    for (const { weight } of this.#dests) {
      if (weight > max) max = weight
      if (weight > 0) step = greatestCommonDivisor(weight, step)
    }
    this.#step = step === 0 ? 1 : step
    this.#maxWeight = max - (this.#step - 1)
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}
