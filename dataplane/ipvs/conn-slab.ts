/**
 * The connection records themselves (layout: shared/conn-record.ts): giving out numbers, and every
 * field by name, so that no other code knows an offset. A record is free while INFO is 0; INFO is
 * written last when a connection is made and first when it goes, so that a reader in another
 * thread, or the next worker, never takes half a record for a whole one.
 */
import * as record from '../shared/conn-record.js'
import {
  AUXILIARY,
  C0,
  C1,
  D0,
  D1,
  DPORT,
  FLAGS,
  INFO,
  IN_USE,
  NEXT,
  PORTS,
  SERIAL,
  V0,
  V1,
  WORDS,
} from '../shared/conn-record.js'
import { CONNS, CONNS_HIGH } from '../shared/memory.js'

export class ConnSlab {
  readonly words: Int32Array
  readonly #control: Int32Array
  readonly #capacity: number
  /** Control blocks of the other workers: the limit is one for all. */
  readonly #peers: readonly Int32Array[]
  #freeHead = 0
  /** Numbers below this have been used. */
  #high = AUXILIARY
  #live = 0
  #serial = 0

  constructor(memory: SharedArrayBuffer, control: Int32Array, peers: readonly Int32Array[] = []) {
    this.words = record.wordsOf(memory)
    this.#control = control
    this.#peers = peers
    this.#capacity = Math.floor(this.words.length / WORDS)
  }

  /** Connections and templates that exist. */
  get size(): number {
    return this.#live
  }
  /** As `size`, over all workers. */
  get total(): number {
    let total = this.#live
    for (let i = 0; i < this.#peers.length; i++) total += this.#peers[i]![CONNS]!
    return total
  }
  /** Of the newest record. */
  get serial(): number {
    return this.#serial
  }
  /** One above the highest number that was ever used: the end for loops over all records. */
  get high(): number {
    return this.#high
  }
  /** How many connections fit. */
  get limit(): number {
    return this.#capacity - AUXILIARY
  }

  /** A record that is nobody's yet, or 0 when the table is full. `publish` makes it a connection. */
  allocate(): number {
    if (this.#peers.length > 0 && this.total >= this.limit) return 0
    let c = this.#freeHead
    if (c !== 0) {
      this.#freeHead = this.words[c * WORDS + NEXT]!
    } else {
      if (this.#high >= this.#capacity) return 0
      c = this.#high++
      this.#control[CONNS_HIGH] = c
    }
    this.#control[CONNS] = ++this.#live
    return c
  }

  /** Makes an allocated, completely written record visible to readers. Written last. */
  publish(c: number, family: number, protocol: number, destFamily: number, state: number): void {
    const at = c * WORDS
    this.words[at + SERIAL] = this.#serial = (this.#serial + 1) | 0
    this.words[at + INFO] = IN_USE | (state << 16) | (destFamily << 11) | (family << 8) | protocol
  }

  /** Gives back a record that is not hashed and has no timer. */
  free(c: number): void {
    const at = c * WORDS
    this.words[at + INFO] = 0
    this.words[at + NEXT] = this.#freeHead
    this.#freeHead = c
    this.#control[CONNS] = --this.#live
  }

  /**
   * Finds again which records are in use after a worker died at any instruction; those that `keep`
   * refuses are freed. Returns how many were kept.
   */
  adopt(keep: (c: number) => boolean): number {
    const words = this.words
    this.#freeHead = 0
    this.#live = 0
    this.#high = Math.min(this.#capacity, Math.max(AUXILIARY, this.#control[CONNS_HIGH]! + 1))
    // Downwards, so that low numbers are given out first and the used part stays dense.
    for (let c = this.#high - 1; c >= AUXILIARY; c--) {
      const at = c * WORDS
      if (words[at + INFO]! < 0 && keep(c)) {
        this.#live++
        const serial = words[at + SERIAL]!
        if (((serial - this.#serial) | 0) > 0) this.#serial = serial
      } else {
        words[at + INFO] = 0
        words[at + NEXT] = this.#freeHead
        this.#freeHead = c
      }
    }
    this.#control[CONNS] = this.#live
    return this.#live
  }

  /** Whether the record holds a connection. */
  isInUse(c: number): boolean {
    return this.words[c * WORDS + INFO]! < 0
  }

  // Fields.

  protocol(c: number): number {
    return record.protocolOf(this.words[c * WORDS + INFO]!)
  }
  family(c: number): number {
    return record.familyOf(this.words[c * WORDS + INFO]!)
  }
  destFamily(c: number): number {
    return record.destFamilyOf(this.words[c * WORDS + INFO]!)
  }
  state(c: number): number {
    return record.stateOf(this.words[c * WORDS + INFO]!)
  }
  setState(c: number, state: number): void {
    const at = c * WORDS + INFO
    this.words[at] = (this.words[at]! & ~0xff0000) | (state << 16)
  }
  flags(c: number): number {
    return this.words[c * WORDS + FLAGS]!
  }
  setFlags(c: number, flags: number): void {
    this.words[c * WORDS + FLAGS] = flags
  }
  cport(c: number): number {
    return this.words[c * WORDS + PORTS]! >>> 16
  }
  vport(c: number): number {
    return this.words[c * WORDS + PORTS]! & 0xffff
  }
  dport(c: number): number {
    return this.words[c * WORDS + DPORT]!
  }
  setDport(c: number, dport: number): void {
    this.words[c * WORDS + DPORT] = dport
  }
  /** Word `i`, 0 to 3, of the client's address. */
  caddr(c: number, i: number): number {
    return this.words[c * WORDS + (i === 0 ? C0 : C1 - 1 + i)]!
  }
  vaddr(c: number, i: number): number {
    return this.words[c * WORDS + (i === 0 ? V0 : V1 - 1 + i)]!
  }
  daddr(c: number, i: number): number {
    return this.words[c * WORDS + (i === 0 ? D0 : D1 - 1 + i)]!
  }
  /** Statistics row of the real server, 0 for none. */
  destRow(c: number): number {
    return this.words[c * WORDS + record.DEST]!
  }
  setDestRow(c: number, row: number): void {
    this.words[c * WORDS + record.DEST] = row
  }
  timeoutTicks(c: number): number {
    return this.words[c * WORDS + record.TIMEOUT]!
  }
  setTimeoutTicks(c: number, ticks: number): void {
    this.words[c * WORDS + record.TIMEOUT] = ticks
  }
  adjacency(c: number): number {
    return this.words[c * WORDS + record.ADJACENCY]!
  }
  setAdjacency(c: number, cached: number): void {
    this.words[c * WORDS + record.ADJACENCY] = cached
  }
  inPkts(c: number): number {
    return this.words[c * WORDS + record.IN_PKTS]!
  }
  setInPkts(c: number, count: number): void {
    this.words[c * WORDS + record.IN_PKTS] = count
  }
  /** The connection that controls this one (its template, FTP's control connection), or 0. */
  control(c: number): number {
    return this.words[c * WORDS + record.CONTROL]!
  }
  setControl(c: number, control: number): void {
    this.words[c * WORDS + record.CONTROL] = control
  }
  /** How many connections this one controls. */
  nControl(c: number): number {
    return this.words[c * WORDS + record.N_CONTROL]!
  }
  setNControl(c: number, count: number): void {
    this.words[c * WORDS + record.N_CONTROL] = count
  }
  /** Record of what a persistence engine knows this template by, 0 for none. */
  engineData(c: number): number {
    return this.words[c * WORDS + record.PE]!
  }
  /** Number of its helper (app/application.ts), 0 for none. */
  app(c: number): number {
    return this.words[c * WORDS + record.APP]!
  }
  /** What an SCTP association's client puts on its packets; 0 while it has sent none. */
  serverTag(c: number): number {
    return this.words[c * WORDS + record.APP]!
  }
  setServerTag(c: number, tag: number): void {
    this.words[c * WORDS + record.APP] = tag
  }
  fwmark(c: number): number {
    return this.words[c * WORDS + record.FWMARK]!
  }
}
