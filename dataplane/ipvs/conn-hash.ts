/**
 * Which bucket of the connection table an endpoint belongs to: a keyed mix after Bob Jenkins's
 * public-domain lookup3, so that nobody outside can craft collisions.
 */
export class ConnHash {
  readonly #mask: number
  readonly #seed0: number
  readonly #seed1: number
  readonly #seed2: number

  /** `mask` is the number of buckets, a power of two, less one. */
  constructor(seeds: readonly [number, number, number], mask: number) {
    this.#mask = mask
    this.#seed0 = seeds[0] | 0
    this.#seed1 = seeds[1] | 0
    this.#seed2 = seeds[2] | 0
  }

  /** Of a client's endpoint: the words of its address and its port. */
  of(protocol: number, c0: number, c1: number, c2: number, c3: number, cport: number): number {
    let a = (this.#seed0 + c0) | 0
    let b = (this.#seed1 + ((cport << 16) | protocol)) | 0
    let c = this.#seed2
    if ((c1 | c2 | c3) !== 0) {
      c = (c + c1) | 0
      a = (a - c) ^ ((c << 4) | (c >>> 28))
      c = (c + b) | 0
      b = (b - a) ^ ((a << 6) | (a >>> 26))
      a = (a + c) | 0
      c = (c - b) ^ ((b << 8) | (b >>> 24))
      b = (b + a) | 0
      a = (a - c) ^ ((c << 16) | (c >>> 16))
      c = (c + b) | 0
      b = (b - a) ^ ((a << 19) | (a >>> 13))
      a = (a + c) | 0
      c = (c - b) ^ ((b << 4) | (b >>> 28))
      b = (b + a) | 0
      a = (a + c2) | 0
      b = (b + c3) | 0
    }
    c = (c ^ b) - ((b << 14) | (b >>> 18))
    a = (a ^ c) - ((c << 11) | (c >>> 21))
    b = (b ^ a) - ((a << 25) | (a >>> 7))
    c = (c ^ b) - ((b << 16) | (b >>> 16))
    a = (a ^ c) - ((c << 4) | (c >>> 28))
    b = (b ^ a) - ((a << 14) | (a >>> 18))
    c = (c ^ b) - ((b << 24) | (b >>> 8))
    return c & this.#mask
  }
}
