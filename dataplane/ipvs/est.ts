/**
 * IPVS's rate estimator (ip_vs_est.c): every two seconds each rate moves a quarter of the way to
 * what the last two seconds saw. Averages are integers, scaled by 2^10 for counts and by 2^5 for
 * octets, so that the figures are the kernel's to the last digit.
 */
import { Col, STRIDE } from '../shared/statistics.js'

/** Counter columns, each with its rate column behind `RATES`, in this order. */
const COUNTERS = [Col.conns, Col.inPkts, Col.outPkts, Col.inBytes, Col.outBytes] as const
const RATES = [Col.cps, Col.inPps, Col.outPps, Col.inBps, Col.outBps] as const
const KINDS = COUNTERS.length
/** The first kinds are counts, the others octets. */
const COUNTS = 3

/** Per second: 2^10 and 2^5 over two seconds. */
const COUNT_SCALE = 2 ** 9
const BYTE_SCALE = 2 ** 4

export const PERIOD_S = 2

/** Rates of the rows of one statistics memory. */
export class Estimator {
  readonly #stats: Float64Array
  /** Five words a row: counters at the last estimation, and scaled averages. */
  readonly #last: Float64Array
  readonly #averages: Float64Array
  /** Whether any of a row's averages is not zero. */
  readonly #moving: Uint8Array
  /** Registered rows, in no order, and where each stands in it (plus one). */
  readonly #rows: Int32Array
  readonly #positions: Int32Array
  #count = 0

  constructor(stats: Float64Array) {
    const rows = Math.floor(stats.length / STRIDE)
    this.#stats = stats
    this.#last = new Float64Array(rows * KINDS)
    this.#averages = new Float64Array(rows * KINDS)
    this.#moving = new Uint8Array(rows)
    this.#rows = new Int32Array(rows)
    this.#positions = new Int32Array(rows)
  }

  /** From now on the row is estimated. Rates that it shows already are taken over. */
  register(row: number): void {
    if (!this.#enter(row)) return
    for (let kind = 0; kind < KINDS; kind++) {
      const rate = this.#stats[row * STRIDE + RATES[kind]!]!
      this.#last[row * KINDS + kind] = this.#stats[row * STRIDE + COUNTERS[kind]!]!
      this.#averages[row * KINDS + kind] = rate * (kind < COUNTS ? 2 ** 10 : 2 ** 5)
    }
    this.#moving[row] = 1
  }

  /** Goes on with a row that was unregistered, from the averages that it had then. */
  resume(row: number): void {
    this.#enter(row)
  }

  unregister(row: number): void {
    const position = this.#positions[row]!
    if (position === 0) return
    const moved = this.#rows[--this.#count]!
    this.#rows[position - 1] = moved
    this.#positions[moved] = position
    this.#positions[row] = 0
  }

  /** Sets a row's counters and rates to nought. */
  zero(row: number): void {
    for (let kind = 0; kind < KINDS; kind++) {
      this.#stats[row * STRIDE + COUNTERS[kind]!] = 0
      this.#stats[row * STRIDE + RATES[kind]!] = 0
      this.#last[row * KINDS + kind] = 0
      this.#averages[row * KINDS + kind] = 0
    }
    this.#moving[row] = 0
  }

  /** One estimation, every two seconds. */
  tick(): void {
    for (let i = 0; i < this.#count; i++) {
      const row = this.#rows[i]!
      if (this.#moving[row] !== 0 || this.#hasTraffic(row)) this.#estimate(row)
    }
  }

  /** False when it is there already. */
  #enter(row: number): boolean {
    if (this.#positions[row] !== 0) return false
    this.#rows[this.#count++] = row
    this.#positions[row] = this.#count
    return true
  }

  #hasTraffic(row: number): boolean {
    const stats = this.#stats
    const at = row * STRIDE
    const last = row * KINDS
    return (
      stats[at + Col.inPkts] !== this.#last[last + 1] ||
      stats[at + Col.outPkts] !== this.#last[last + 2] ||
      stats[at + Col.conns] !== this.#last[last]
    )
  }

  #estimate(row: number): void {
    const stats = this.#stats
    let isMoving = 0
    for (let kind = 0; kind < KINDS; kind++) {
      const at = row * KINDS + kind
      const counter = stats[row * STRIDE + COUNTERS[kind]!]!
      const isCount = kind < COUNTS
      const rate = (counter - this.#last[at]!) * (isCount ? COUNT_SCALE : BYTE_SCALE)
      // An arithmetic shift by two, as far as doubles are exact.
      const average = this.#averages[at]! + Math.floor((rate - this.#averages[at]!) / 4)
      this.#last[at] = counter
      this.#averages[at] = average
      if (average !== 0) isMoving = 1
      stats[row * STRIDE + RATES[kind]!] = isCount
        ? Math.floor((average + 0x1ff) / 2 ** 10)
        : Math.floor((average + 0xf) / 2 ** 5)
    }
    this.#moving[row] = isMoving
  }
}
