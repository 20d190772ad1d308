/**
 * The connection table: hash chains over fixed-size records in shared memory (ip_vs_conn.c).
 *
 *     buckets[hash(protocol, client address, client port)] -> record -> record -> 0   newest first
 *
 * Only the client's side is hashed, so packets of both directions find a connection in the one
 * table; the rest is compared in the record. The chain links are in the records, the buckets in
 * ordinary memory: `adopt` makes them again when a new worker takes over.
 */
import type { Flow } from '../packet.js'
import {
  AUXILIARY,
  C0,
  C1,
  D0,
  D1,
  DPORT,
  FLAGS,
  FWD_MASK,
  HASHED,
  INFO,
  MASQ,
  NEXT,
  NO_CPORT,
  PE,
  PORTS,
  SERIAL,
  TEMPLATE,
  V0,
  V1,
  WORDS,
} from '../shared/conn-record.js'
import { ConnHash } from './conn-hash.js'
import type { ConnParams } from './conn-params.js'
import type { ConnSlab } from './conn-slab.js'
import { ExpectedConns } from './expected-conns.js'

/** Family and protocol as they stand in INFO. */
const KEY_MASK = 0x7ff
/** Of the smallest pages that memory comes in. */
const PAGE_WORDS = 4096 / 4
const BUCKETS_MIN = 1 << 12
/** At least this many a connection, so that nearly all are first or second in their chains. */
const BUCKETS_EACH = 2

export interface ConnTableOptions {
  /** Keys of the hash, so that nobody can craft collisions. */
  seeds: readonly [number, number, number]
  /** Told which memory will be read at random. */
  advise?: (memory: Int32Array) => void
}

export class ConnTable {
  readonly #slab: ConnSlab
  readonly #words: Int32Array
  readonly #buckets: Int32Array
  readonly #keyed: ConnHash
  /** What the next packets will ask for. */
  readonly expected: ExpectedConns
  /** Hashed connections whose client port is not known yet. */
  #withoutPort = 0

  constructor(slab: ConnSlab, options: ConnTableOptions) {
    this.#slab = slab
    this.#words = slab.words
    let buckets = BUCKETS_MIN
    while (buckets < BUCKETS_EACH * slab.limit) buckets *= 2
    this.#buckets = new Int32Array(buckets)
    this.#keyed = new ConnHash(options.seeds, buckets - 1)
    this.expected = new ExpectedConns(this.#keyed, this.#buckets, this.#words)
    options.advise?.(slab.words)
    options.advise?.(this.#buckets)
    // Fetched now: the first connections hit all parts of them, and would wait for each.
    for (let i = 0; i < buckets; i += PAGE_WORDS) this.#buckets[i] = 0
  }

  // Lookups. All return 0 for none and the newest of several.

  /** Client to virtual server. */
  inGet(flow: Flow): number {
    return this.#inGet(
      (flow.family << 8) | flow.protocol,
      flow.src0,
      flow.src1,
      flow.src2,
      flow.src3,
      flow.srcPort,
      flow.dst0,
      flow.dst1,
      flow.dst2,
      flow.dst3,
      flow.dstPort,
    )
  }

  /** The same for a packet quoted by an ICMP error: its destination is the client. */
  inGetInverse(flow: Flow): number {
    return this.#inGet(
      (flow.family << 8) | flow.protocol,
      flow.dst0,
      flow.dst1,
      flow.dst2,
      flow.dst3,
      flow.dstPort,
      flow.src0,
      flow.src1,
      flow.src2,
      flow.src3,
      flow.srcPort,
    )
  }

  /** Real server to client. */
  outGet(flow: Flow): number {
    return this.#outGet(
      (flow.family << 8) | flow.protocol,
      flow.dst0,
      flow.dst1,
      flow.dst2,
      flow.dst3,
      flow.dstPort,
      flow.src0,
      flow.src1,
      flow.src2,
      flow.src3,
      flow.srcPort,
    )
  }

  /** The same for a packet quoted by an ICMP error: its source is the client. */
  outGetInverse(flow: Flow): number {
    return this.#outGet(
      (flow.family << 8) | flow.protocol,
      flow.src0,
      flow.src1,
      flow.src2,
      flow.src3,
      flow.srcPort,
      flow.dst0,
      flow.dst1,
      flow.dst2,
      flow.dst3,
      flow.dstPort,
    )
  }

  /**
   * A persistence template without an engine's data. The client address is already masked; its
   * port is always 0.
   */
  templateGet(
    family: number,
    protocol: number,
    c0: number,
    c1: number,
    c2: number,
    c3: number,
    v0: number,
    v1: number,
    v2: number,
    v3: number,
    vport: number,
  ): number {
    const words = this.#words
    const key = (family << 8) | protocol
    let c = this.#buckets[this.#keyed.of(protocol, c0, c1, c2, c3, 0)]!
    while (c !== 0) {
      const at = c * WORDS
      if (
        words[at + PORTS] === vport &&
        words[at + C0] === c0 &&
        words[at + V0] === v0 &&
        (words[at + INFO]! & KEY_MASK) === key &&
        (words[at + FLAGS]! & TEMPLATE) !== 0 &&
        words[at + PE] === 0 &&
        (family === 4 || (isSame(words, at + C1, c1, c2, c3) && isSame(words, at + V1, v1, v2, v3)))
      ) {
        return c
      }
      c = words[at + NEXT]!
    }
    return 0
  }

  /** The same by a key as scheduling writes it. */
  templateOf(p: ConnParams): number {
    const { family, protocol, c0, c1, c2, c3, v0, v1, v2, v3, vport } = p
    return this.templateGet(family, protocol, c0, c1, c2, c3, v0, v1, v2, v3, vport)
  }

  /** Puts a record at the head of its chain. */
  hash(c: number): void {
    const words = this.#words
    const at = c * WORDS
    const bucket = this.#bucketOf(at)
    words[at + NEXT] = this.#buckets[bucket]!
    this.#buckets[bucket] = c
    if ((words[at + FLAGS]! & NO_CPORT) !== 0) this.#withoutPort++
    words[at + FLAGS]! |= HASHED
  }

  /** Takes a record from its chain. False when it was in none (one-packet connections). */
  unhash(c: number): boolean {
    const words = this.#words
    const at = c * WORDS
    if ((words[at + FLAGS]! & HASHED) === 0) return false
    const bucket = this.#bucketOf(at)
    let other = this.#buckets[bucket]!
    if (other === c) {
      this.#buckets[bucket] = words[at + NEXT]!
    } else {
      while (words[other * WORDS + NEXT] !== c) other = words[other * WORDS + NEXT]!
      words[other * WORDS + NEXT] = words[at + NEXT]!
    }
    if ((words[at + FLAGS]! & NO_CPORT) !== 0) this.#withoutPort--
    words[at + FLAGS]! &= ~HASHED
    return true
  }

  /** Changes both ports; the connection becomes the newest of its chain. */
  rehash(c: number, cport: number, vport: number): void {
    const hashed = this.unhash(c)
    this.#words[c * WORDS + PORTS] = (cport << 16) | vport
    if (cport !== 0) this.#words[c * WORDS + FLAGS]! &= ~NO_CPORT
    if (hashed) this.hash(c)
  }

  /**
   * Rebuilds the chains from the records (ConnSlab.adopt first). Newest first by serial number:
   * the records come in any order.
   */
  adopt(): void {
    this.#buckets.fill(0)
    this.#withoutPort = 0
    const words = this.#words
    for (let c = AUXILIARY; c < this.#slab.high; c++) {
      if (words[c * WORDS + INFO]! < 0) this.#hashBySerial(c, c * WORDS)
    }
  }

  #inGet(
    key: number,
    c0: number,
    c1: number,
    c2: number,
    c3: number,
    cport: number,
    v0: number,
    v1: number,
    v2: number,
    v3: number,
    vport: number,
  ): number {
    const words = this.#words
    const ports = (cport << 16) | vport
    // A connection without client port is found by port 0 only, any other only by its own.
    const wanted = cport === 0 ? NO_CPORT : 0
    let c = this.#buckets[this.#keyed.of(key & 0xff, c0, c1, c2, c3, cport)]!
    while (c !== 0) {
      const at = c * WORDS
      if (
        words[at + PORTS] === ports &&
        words[at + C0] === c0 &&
        words[at + V0] === v0 &&
        (words[at + INFO]! & KEY_MASK) === key &&
        (words[at + FLAGS]! & NO_CPORT) === wanted &&
        (key < 0x600 || (isSame(words, at + C1, c1, c2, c3) && isSame(words, at + V1, v1, v2, v3)))
      ) {
        return c
      }
      c = words[at + NEXT]!
    }
    if (this.#withoutPort === 0 || cport === 0) return 0
    return this.#inGet(key, c0, c1, c2, c3, 0, v0, v1, v2, v3, vport)
  }

  #outGet(
    key: number,
    c0: number,
    c1: number,
    c2: number,
    c3: number,
    cport: number,
    s0: number,
    s1: number,
    s2: number,
    s3: number,
    sport: number,
  ): number {
    const words = this.#words
    let c = this.#buckets[this.#keyed.of(key & 0xff, c0, c1, c2, c3, cport)]!
    while (c !== 0) {
      const at = c * WORDS
      const ports = words[at + PORTS]!
      if (
        ports >>> 16 === cport &&
        words[at + C0] === c0 &&
        (words[at + INFO]! & KEY_MASK) === key
      ) {
        // Only NAT makes the real server answer with its own address.
        const masq = (words[at + FLAGS]! & FWD_MASK) === MASQ
        if (
          (masq ? words[at + D0] : words[at + V0]) === s0 &&
          (masq ? words[at + DPORT]! : ports & 0xffff) === sport &&
          (key < 0x600 ||
            (isSame(words, at + C1, c1, c2, c3) &&
              isSame(words, at + (masq ? D1 : V1), s1, s2, s3)))
        ) {
          return c
        }
      }
      c = words[at + NEXT]!
    }
    return 0
  }

  #bucketOf(at: number): number {
    const words = this.#words
    return this.#keyed.of(
      words[at + INFO]! & 0xff,
      words[at + C0]!,
      words[at + C1]!,
      words[at + C1 + 1]!,
      words[at + C1 + 2]!,
      words[at + PORTS]! >>> 16,
    )
  }

  /** As `hash`, but among others by age: `adopt` meets the records in any order. */
  #hashBySerial(c: number, at: number): void {
    const words = this.#words
    const bucket = this.#bucketOf(at)
    const serial = words[at + SERIAL]!
    if ((words[at + FLAGS]! & NO_CPORT) !== 0) this.#withoutPort++
    let before = 0
    let next = this.#buckets[bucket]!
    while (next !== 0 && ((words[next * WORDS + SERIAL]! - serial) | 0) > 0) {
      before = next
      next = words[next * WORDS + NEXT]!
    }
    words[at + NEXT] = next
    if (before === 0) this.#buckets[bucket] = c
    else words[before * WORDS + NEXT] = c
  }
}

/** Whether the last three words of an IPv6 address are these. */
function isSame(words: Int32Array, at: number, w1: number, w2: number, w3: number): boolean {
  return words[at] === w1 && words[at + 1] === w2 && words[at + 2] === w3
}
