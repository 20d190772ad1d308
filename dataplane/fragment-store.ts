/**
 * Memory for fragments that wait for the rest of their datagram: one slab, taken once, cut into
 * blocks of two kilobytes. A frame of the usual size takes one block, a jumbo frame five.
 *
 *     fragment (number of its first block) -> block -> block -> 0
 *     per fragment: offset and octets of its payload, octets of header before it, next fragment
 */
export const BLOCK_OCTETS = 2048

export class FragmentStore {
  /** Blocks in all. Number 0 is never given out: it means "none". */
  readonly blocks: number
  /** Blocks that are free. */
  free: number
  readonly #bytes: Uint8Array
  readonly #nextBlock: Int32Array
  readonly #nextFragment: Int32Array
  readonly #offsets: Int32Array
  readonly #headers: Int32Array
  readonly #octets: Int32Array
  #firstFree = 1

  constructor(octetsMax: number) {
    const blocks = Math.max(1, Math.floor(octetsMax / BLOCK_OCTETS))
    this.blocks = blocks
    this.free = blocks
    this.#bytes = new Uint8Array((blocks + 1) * BLOCK_OCTETS)
    this.#nextBlock = new Int32Array(blocks + 1).map((_, i) => (i < blocks ? i + 1 : 0))
    this.#nextFragment = new Int32Array(blocks + 1)
    this.#offsets = new Int32Array(blocks + 1)
    this.#headers = new Int32Array(blocks + 1)
    this.#octets = new Int32Array(blocks + 1)
  }

  /** Blocks that so many octets take. */
  static blocksFor(octets: number): number {
    return Math.ceil(octets / BLOCK_OCTETS)
  }

  /**
   * Keeps `[at, end)`, whose payload starts `header` octets in and belongs at `offset`. There must
   * be room. Returns the fragment, linked in front of `next`.
   */
  put(
    bytes: Uint8Array,
    at: number,
    end: number,
    header: number,
    offset: number,
    next: number,
  ): number {
    const first = this.#firstFree
    this.#octets[first] = end - at - header
    let block = first
    for (;;) {
      const stop = Math.min(at + BLOCK_OCTETS, end)
      this.#bytes.set(bytes.subarray(at, stop), block * BLOCK_OCTETS)
      at = stop
      this.free--
      if (at >= end) break
      block = this.#nextBlock[block]!
    }
    this.#firstFree = this.#nextBlock[block]!
    this.#nextBlock[block] = 0
    this.#offsets[first] = offset
    this.#headers[first] = header
    this.#nextFragment[first] = next
    return first
  }

  /** Offset of the fragment's payload in its datagram. */
  offset(fragment: number): number {
    return this.#offsets[fragment]!
  }
  /** Octets in front of the fragment's payload. */
  header(fragment: number): number {
    return this.#headers[fragment]!
  }
  /** Octets of payload. */
  octets(fragment: number): number {
    return this.#octets[fragment]!
  }
  /** The next fragment of the chain, 0 at its end. */
  next(fragment: number): number {
    return this.#nextFragment[fragment]!
  }

  /** Copies octets `[from, to)` of what was put in to `at`. */
  read(fragment: number, from: number, to: number, bytes: Uint8Array, at: number): void {
    let block = fragment
    for (; from >= BLOCK_OCTETS; from -= BLOCK_OCTETS, to -= BLOCK_OCTETS) {
      block = this.#nextBlock[block]!
    }
    for (; from < to; block = this.#nextBlock[block]!) {
      const stop = Math.min(to, BLOCK_OCTETS)
      const start = block * BLOCK_OCTETS
      bytes.set(this.#bytes.subarray(start + from, start + stop), at)
      at += stop - from
      from = 0
      to -= BLOCK_OCTETS
    }
  }

  /** Gives a whole chain back. Returns how many blocks that were. */
  release(fragment: number): number {
    let count = 0
    while (fragment !== 0) {
      const next = this.#nextFragment[fragment]!
      let last = fragment
      for (count++; this.#nextBlock[last] !== 0; count++) last = this.#nextBlock[last]!
      this.#nextBlock[last] = this.#firstFree
      this.#firstFree = fragment
      fragment = next
    }
    this.free += count
    return count
  }
}
