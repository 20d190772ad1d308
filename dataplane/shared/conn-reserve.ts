/**
 * Keeps touched memory ahead of the connections, from another thread than the one that opens them.
 * The kernel gives memory when it is touched first, and a huge page, cleared whole, takes 0.1 to
 * 2.5 ms (the latter in a virtual machine whose host has to find it, too): time in which the worker
 * would let packets wait.
 */
import { octetsFor, WORDS, wordsOf } from './conn-record.js'
import { CONNS_HIGH } from './memory.js'

/** Connections that there is touched memory for, at least: 8 MiB. */
export const RESERVE_CONNS = 1 << 16
/** Most touched in one call, so that the calling thread is held up for a few milliseconds only. */
export const STEP_CONNS = 1 << 16
/** One word in each of these is enough: the size of a small page. */
const PAGE_CONNS = 4096 / (WORDS * 4)

export class ConnReserve {
  readonly #words: Int32Array
  readonly #control: Int32Array
  readonly #capacity: number
  /** Memory of connections below this has been touched. */
  #touched = 0
  #high = 0

  constructor(conns: SharedArrayBuffer, control: SharedArrayBuffer) {
    this.#words = wordsOf(conns)
    this.#control = new Int32Array(control)
    this.#capacity = Math.floor((conns.byteLength - octetsFor(0)) / (WORDS * 4))
  }

  /**
   * Touches what is missing of the reserve, which is twice what was opened since the last call when
   * that is more. Changes no word, whatever their owner does meanwhile. Returns up to which
   * connection memory has been touched.
   */
  extend(): number {
    const high = Atomics.load(this.#control, CONNS_HIGH)
    const reserve = Math.max(RESERVE_CONNS, 2 * (high - this.#high))
    this.#high = high
    // What has been opened in the meantime has been touched by that.
    const from = Math.max(this.#touched, high - (high % PAGE_CONNS))
    const until = Math.min(this.#capacity, high + reserve, from + STEP_CONNS)
    for (let c = from; c < until; c += PAGE_CONNS) Atomics.or(this.#words, c * WORDS, 0)
    this.#touched = Math.max(from, until)
    return this.#touched
  }
}
