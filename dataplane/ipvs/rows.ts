import { Col, STRIDE } from '../shared/statistics.js'

/** Gives out rows of a statistics memory. Row 0 is never given out: it means "none". */
export class Rows {
  readonly memory: Float64Array
  /** The same memory of other workers: a row is given to the same thing by all of them. */
  readonly peers: readonly Float64Array[]
  readonly #count: number
  readonly #free: number[] = []
  readonly #used = new Set<number>()
  #next = 1

  static over(memory: SharedArrayBuffer, ...peers: readonly SharedArrayBuffer[]): Rows {
    return new Rows(
      new Float64Array(memory),
      peers.map(peer => new Float64Array(peer)),
    )
  }

  constructor(memory: Float64Array, peers: readonly Float64Array[] = []) {
    this.memory = memory
    this.peers = peers
    this.#count = memory.length / STRIDE
    // What a predecessor held; read only, so that untouched pages stay untouched.
    for (let at = peers.length > 0 ? Col.held : Infinity; at < memory.length; at += STRIDE)
      if (memory[at] !== 0) memory[at] = 0
  }

  /** Rows that can still be taken. */
  get available(): number {
    return this.#count - 1 - this.#used.size
  }

  /** The row to keep, the one wanted, or any; 0 when it cannot be. */
  claim(keep: number | null, wanted: number | null): number {
    if (keep !== null && this.keep(keep)) return keep
    if (wanted !== null) return this.assign(wanted) ? wanted : 0
    return this.take()
  }

  /** A zeroed row, or 0 when all are taken. */
  take(): number {
    let row = this.#free.pop()
    while (row !== undefined && this.#isTaken(row)) row = this.#free.pop()
    while (row === undefined && this.#next < this.#count) {
      if (!this.#isTaken(this.#next)) row = this.#next
      this.#next++
    }
    return row !== undefined && this.assign(row) ? row : 0
  }

  /** Takes that row, zeroed, as another worker did; false when it is taken or out of range. */
  assign(row: number): boolean {
    if (!this.#hold(row)) return false
    this.memory.fill(0, row * STRIDE, (row + 1) * STRIDE)
    if (this.peers.length > 0) this.memory[row * STRIDE + Col.held] = 1
    return true
  }

  /**
   * Takes the very row that a former worker used, keeping its counters; connection counts start at
   * zero because they are counted again. False when somebody else has it or it is out of range.
   */
  keep(row: number): boolean {
    if (!this.#hold(row)) return false
    if (this.peers.length > 0) this.memory[row * STRIDE + Col.held] = 1
    for (const column of [Col.activeConns, Col.inactConns, Col.persistConns, Col.overloaded]) {
      this.memory[row * STRIDE + column] = 0
    }
    return true
  }

  give(row: number): void {
    if (!this.#used.delete(row)) return
    this.#free.push(row)
    if (this.peers.length > 0) this.memory[row * STRIDE + Col.held] = 0
  }

  #hold(row: number): boolean {
    if (row <= 0 || row >= this.#count || this.#used.has(row)) return false
    this.#used.add(row)
    return true
  }

  /** By us, or by another worker where something deleted still has connections. */
  #isTaken(row: number): boolean {
    return this.#used.has(row) || this.peers.some(peer => peer[row * STRIDE + Col.held] !== 0)
  }
}
