/**
 * Destination hashing (ip_vs_dh.c): by the packet's destination, so it means something for
 * services on a firewall mark. Weights do not shape the table, and there is no second choice.
 */
import type { Flow } from '../../packet.js'
import type { Dest } from '../dest.js'
import { foldDestination, hash32 } from './fold.js'
import { isUsable } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'

const BITS = 8

export class DestinationHashing implements Scheduler {
  readonly #dests: readonly Dest[]
  readonly #buckets = new Array<Dest | null>(1 << BITS).fill(null)
  /** The list changed; the table is filled when it is next needed. */
  #isStale = true

  constructor(context: SchedulerContext) {
    this.#dests = context.dests
  }

  add(): void {
    this.#isStale = true
  }
  del(): void {
    this.#isStale = true
  }
  edit(): void {
    // The table does not depend on weights.
  }

  schedule(flow: Flow): Dest | null {
    if (this.#isStale) this.#fill()
    const dest = this.#buckets[hash32(foldDestination(flow), BITS)] ?? null
    return dest !== null && dest.available && isUsable(dest) ? dest : null
  }

  #fill(): void {
    const dests = this.#dests
    for (let i = 0; i < this.#buckets.length; i++) {
      this.#buckets[i] = dests.length === 0 ? null : dests[i % dests.length]!
    }
    this.#isStale = false
  }
}
