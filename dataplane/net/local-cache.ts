const ENTRIES = 1024

/**
 * Answers to "is this destination local?", which every packet asks. Direct mapped: a miss costs a
 * route lookup, a hit a few loads.
 */
export class LocalCache {
  /** Four words of address and one of family << 1 | answer; family 0 is an empty entry. */
  readonly #entries = new Int32Array(ENTRIES * 8)

  /** 1 local, 0 not, -1 unknown. */
  get(family: number, w0: number, w1: number, w2: number, w3: number): number {
    const entries = this.#entries
    const at = place(w0, w1, w2, w3)
    const tag = entries[at + 4]!
    return tag >>> 1 === family &&
      entries[at] === w0 &&
      entries[at + 1] === w1 &&
      entries[at + 2] === w2 &&
      entries[at + 3] === w3
      ? tag & 1
      : -1
  }

  set(family: number, w0: number, w1: number, w2: number, w3: number, local: boolean): void {
    const entries = this.#entries
    const at = place(w0, w1, w2, w3)
    entries[at] = w0
    entries[at + 1] = w1
    entries[at + 2] = w2
    entries[at + 3] = w3
    entries[at + 4] = (family << 1) | (local ? 1 : 0)
  }

  clear(): void {
    this.#entries.fill(0)
  }
}

function place(w0: number, w1: number, w2: number, w3: number): number {
  const h = Math.imul(w0 ^ w1 ^ w2 ^ w3, 0x9e3779b1)
  return (h >>> 22) << 3
}
