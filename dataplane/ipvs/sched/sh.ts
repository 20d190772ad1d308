/**
 * Source hashing (ip_vs_sh.c): a client always meets the same server. Each server has as many
 * neighbouring buckets as its weight, even one of weight 0 has one; with `sh-port` the client's
 * port counts too, with `sh-fallback` an unusable server is replaced by another bucket's.
 */
import type { Flow } from '../../packet.js'
import type { Dest } from '../dest.js'
import { foldDestination, foldSource, hash32 } from './fold.js'
import { isUsable } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'

const BITS = 8
const SIZE = 1 << BITS

export class SourceHashing implements Scheduler {
  readonly #context: SchedulerContext
  readonly #buckets = new Array<Dest | null>(SIZE).fill(null)
  /** List or weights changed; the table is filled when it is next needed. */
  #isStale = true

  constructor(context: SchedulerContext) {
    this.#context = context
  }

  add(): void {
    this.#isStale = true
  }
  del(): void {
    this.#isStale = true
  }
  edit(): void {
    this.#isStale = true
  }

  schedule(flow: Flow, inverse: boolean): Dest | null {
    if (this.#isStale) this.#fill()
    const port = !this.#context.usePort ? 0 : inverse ? flow.dstPort : flow.srcPort
    const key = port + (inverse ? foldDestination(flow) : foldSource(flow))
    const start = hash32(key, BITS)
    const dest = this.#buckets[start]!
    if (dest === null) return null
    if (isUsable(dest)) return dest
    return this.#context.fallback ? this.#fallback(start) : null
  }

  #fallback(start: number): Dest | null {
    // The kernel hashes again with an offset that starts at `start`, so it counts twice.
    for (let offset = 0; offset < SIZE; offset++) {
      const bucket = (((offset + start) & (SIZE - 1)) + start) & (SIZE - 1)
      const dest = this.#buckets[bucket]!
      if (dest === null) return null
      if (isUsable(dest)) return dest
    }
    return null
  }

  #fill(): void {
    fillBuckets(this.#context.dests, this.#buckets)
    this.#isStale = false
  }
}

/** The buckets, each with its server; null where there is none at all. */
export function fillBuckets(
  dests: readonly Dest[],
  buckets = new Array<Dest | null>(SIZE).fill(null),
): (Dest | null)[] {
  let index = 0
  let taken = 0
  for (let i = 0; i < SIZE; i++) {
    const dest = dests[index] ?? null
    buckets[i] = dest
    if (dest === null || ++taken < dest.weight) continue
    index = index + 1 === dests.length ? 0 : index + 1
    taken = 0
  }
  return buckets
}
