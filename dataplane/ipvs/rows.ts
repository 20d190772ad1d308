import { Col, STRIDE } from '../shared/statistics.js'

/** Gives out rows of a statistics memory. Row 0 is never given out: it means "none". */
export class Rows {
  readonly memory: Float64Array
  readonly #count: number
  readonly #free: number[] = []
  readonly #used = new Set<number>()
  #next = 1

  constructor(memory: Float64Array) {
    this.memory = memory
    this.#count = memory.length / STRIDE
  }

  /** Rows that can still be taken. */
  get available(): number {
    return this.#count - 1 - this.#used.size
  }

  /** A zeroed row, or 0 when all are taken. */
  take(): number {
    let row = this.#free.pop()
    while (row !== undefined && this.#used.has(row)) row = this.#free.pop()
    while (row === undefined && this.#next < this.#count) {
      if (!this.#used.has(this.#next)) row = this.#next
      this.#next++
    }
    if (row === undefined) return 0
    this.#used.add(row)
    this.memory.fill(0, row * STRIDE, (row + 1) * STRIDE)
    return row
  }

  /**
   * Takes the very row that a former worker used, keeping its counters; connection counts start at
   * zero because they are counted again. False when somebody else has it or it is out of range.
   */
  keep(row: number): boolean {
    if (row <= 0 || row >= this.#count || this.#used.has(row)) return false
    this.#used.add(row)
    for (const column of [Col.activeConns, Col.inactConns, Col.persistConns, Col.overloaded]) {
      this.memory[row * STRIDE + column] = 0
    }
    return true
  }

  give(row: number): void {
    if (this.#used.delete(row)) this.#free.push(row)
  }
}
