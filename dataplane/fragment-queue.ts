/** One datagram that is being put together: what identifies it and what of it is here. */
import type { Flow } from './packet.js'

/** Units of eight octets in the largest datagram, one bit each. */
const UNIT_WORDS = 65536 / 8 / 32

/** What marking a range found. */
export const NEW = 0
export const DUPLICATE = 1
export const OVERLAP = 2

export class FragmentQueue {
  // The key. IPv6 does not tell datagrams apart by protocol (RFC 8200 section 4.5).
  family = 0
  protocol = 0
  identification = 0
  src0 = 0
  src1 = 0
  src2 = 0
  src3 = 0
  dst0 = 0
  dst1 = 0
  dst2 = 0
  dst3 = 0
  hash = 0

  deadlineMs = 0
  /** Chain of fragments, newest first, 0 = none. */
  fragments = 0
  /** The fragment with offset 0, 0 = not here yet. */
  first = 0
  received = 0
  /** Octets of the datagram's payload, -1 until its last fragment is here. */
  total = -1
  /** End of the furthest fragment. */
  furthest = 0
  largestOctets = 0
  largestDfOctets = 0
  /** One bit for each ECN field value seen. */
  ecnSeen = 0
  /** Of the first fragment: where it came in, and what its frame held before the payload. */
  port = -1
  toHost = true
  linkOctets = 0
  headerOctets = 0
  /** IPv6: where in the headers the Fragment header was named, and what it named. */
  namedAt = 0
  nextHeader = 0

  nextInBucket: FragmentQueue | null = null
  /** By age, within its family. */
  older: FragmentQueue | null = null
  newer: FragmentQueue | null = null
  /** By age, within its source. */
  olderOfSource: FragmentQueue | null = null
  newerOfSource: FragmentQueue | null = null

  readonly #units = new Int32Array(UNIT_WORDS)

  /** Takes on a new datagram. */
  reset(flow: Flow, protocol: number, identification: number, hash: number): void {
    this.family = flow.family
    this.protocol = protocol
    this.identification = identification
    this.src0 = flow.src0
    this.src1 = flow.src1
    this.src2 = flow.src2
    this.src3 = flow.src3
    this.dst0 = flow.dst0
    this.dst1 = flow.dst1
    this.dst2 = flow.dst2
    this.dst3 = flow.dst3
    this.hash = hash
    this.fragments = this.first = 0
    this.received = this.furthest = 0
    this.total = -1
    this.largestOctets = this.largestDfOctets = this.ecnSeen = 0
    this.#units.fill(0)
  }

  matches(flow: Flow, protocol: number, identification: number): boolean {
    return (
      this.identification === identification &&
      this.src0 === flow.src0 &&
      this.dst0 === flow.dst0 &&
      this.protocol === protocol &&
      this.family === flow.family &&
      this.src1 === flow.src1 &&
      this.src2 === flow.src2 &&
      this.src3 === flow.src3 &&
      this.dst1 === flow.dst1 &&
      this.dst2 === flow.dst2 &&
      this.dst3 === flow.dst3
    )
  }

  /**
   * Whether `[offset, end)` fits what is known of the length: nothing beyond the end, one end only.
   */
  fits(end: number, last: boolean): boolean {
    if (last) return end >= this.furthest && (this.total < 0 || this.total === end)
    return this.total < 0 || end <= this.total
  }

  /** Marks the octets `[offset, end)` as here, when none of them was. */
  mark(offset: number, end: number): number {
    const from = offset >>> 3
    const to = (end + 7) >>> 3
    const set = this.#countSet(from, to)
    if (set !== 0) return set === to - from ? DUPLICATE : OVERLAP
    for (let unit = from; unit < to;) {
      const bits = unitBits(unit, to)
      this.#units[unit >>> 5]! |= bits
      unit = (unit & ~31) + 32
    }
    return NEW
  }

  #countSet(from: number, to: number): number {
    let count = 0
    for (let unit = from; unit < to; unit = (unit & ~31) + 32) {
      count += ones(this.#units[unit >>> 5]! & unitBits(unit, to))
    }
    return count
  }
}

/** The bits of the word of `unit` that stand for units in `[unit, to)`. */
function unitBits(unit: number, to: number): number {
  const count = Math.min(to, (unit & ~31) + 32) - unit
  return (count === 32 ? -1 : (1 << count) - 1) << (unit & 31)
}

function ones(word: number): number {
  word -= (word >>> 1) & 0x55555555
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333)
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
