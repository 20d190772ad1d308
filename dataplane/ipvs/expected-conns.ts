import { BURST_MAX } from '../limits.js'
import type { Flow } from '../packet.js'
import { NEXT, TIMER_NEXT, WORDS } from '../shared/conn-record.js'
import type { ConnHash } from './conn-hash.js'

/** A record's number becomes its first word: 2 ** SHIFT is WORDS. */
const SHIFT = Math.log2(WORDS)
/** How many are loaded in one round of a loop. */
const AT_ONCE = 4

/**
 * Touches the connections of a whole burst before its first packet is handled. In a table that is
 * larger than the processor's caches a lookup waits for memory twice, for the bucket and then for
 * the record. The loads of one loop here do not depend on each other, so that many are under way
 * at once: as many as fit the processor's window of instructions, so each round loads four and
 * shares the checks that V8 makes in every round (measured with 1 million connections: 95 ns a packet became 60).
 */
export class ExpectedConns {
  readonly #hash: ConnHash
  readonly #buckets: Int32Array
  readonly #words: Int32Array
  readonly #places = new Int32Array(BURST_MAX + AT_ONCE - 1)
  #count = 0
  #sum = 0

  constructor(hash: ConnHash, buckets: Int32Array, words: Int32Array) {
    this.#hash = hash
    this.#buckets = buckets
    this.#words = words
  }

  /** Notes that a packet of this flow comes; `fromClient` says which end of it is the client. */
  add(flow: Flow, fromClient: boolean): void {
    if (this.#count === BURST_MAX) return
    const { protocol } = flow
    this.#places[this.#count++] = fromClient
      ? this.#hash.of(protocol, flow.src0, flow.src1, flow.src2, flow.src3, flow.srcPort)
      : this.#hash.of(protocol, flow.dst0, flow.dst1, flow.dst2, flow.dst3, flow.dstPort)
  }

  /**
   * Loads both cache lines of the newest connection in each place noted, and of the one behind it.
   * Returns how many places there were; they are forgotten.
   */
  warm(): number {
    const count = this.#count
    // What the last round takes too many are places that nobody asked for.
    this.#places.fill(0, count, count + AT_ONCE - 1)
    this.#findNewest(count)
    this.#sum = this.#loadNewest(count) ^ this.#loadSecond(count)
    this.#count = 0
    return count
  }

  /** From buckets to the numbers of their newest connections. */
  #findNewest(count: number): void {
    const places = this.#places
    const buckets = this.#buckets
    for (let i = 0; i < count; i += AT_ONCE) {
      places[i] = buckets[places[i]!]!
      places[i + 1] = buckets[places[i + 1]!]!
      places[i + 2] = buckets[places[i + 2]!]!
      places[i + 3] = buckets[places[i + 3]!]!
    }
  }

  /** Loads them and goes on to those behind them; 0, the end, is always at hand. */
  #loadNewest(count: number): number {
    const places = this.#places
    const words = this.#words
    let sum = 0
    for (let i = 0; i < count; i += AT_ONCE) {
      const at0 = (places[i]! << SHIFT) >>> 0
      const at1 = (places[i + 1]! << SHIFT) >>> 0
      const at2 = (places[i + 2]! << SHIFT) >>> 0
      const at3 = (places[i + 3]! << SHIFT) >>> 0
      sum ^=
        words[at0 + TIMER_NEXT]! ^
        words[at1 + TIMER_NEXT]! ^
        words[at2 + TIMER_NEXT]! ^
        words[at3 + TIMER_NEXT]!
      places[i] = words[at0 + NEXT]!
      places[i + 1] = words[at1 + NEXT]!
      places[i + 2] = words[at2 + NEXT]!
      places[i + 3] = words[at3 + NEXT]!
    }
    return sum
  }

  #loadSecond(count: number): number {
    const places = this.#places
    const words = this.#words
    let sum = 0
    for (let i = 0; i < count; i += AT_ONCE) {
      const at0 = (places[i]! << SHIFT) >>> 0
      const at1 = (places[i + 1]! << SHIFT) >>> 0
      const at2 = (places[i + 2]! << SHIFT) >>> 0
      const at3 = (places[i + 3]! << SHIFT) >>> 0
      sum ^= words[at0]! ^ words[at1]! ^ words[at2]! ^ words[at3]!
      sum ^=
        words[at0 + TIMER_NEXT]! ^
        words[at1 + TIMER_NEXT]! ^
        words[at2 + TIMER_NEXT]! ^
        words[at3 + TIMER_NEXT]!
    }
    return sum
  }

  /** Depends on what `warm` read, so that its loads are not optimised away; of no other meaning. */
  get sum(): number {
    return this.#sum
  }
}
