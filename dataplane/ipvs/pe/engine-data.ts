/**
 * The data that persistence engines know their templates by: records in shared memory
 * (shared/pe-record.ts), found through hash chains of their own. A template with data cannot be
 * found by its addresses alone, and one without cannot be found here.
 *
 *     buckets[hash(data)] -> record (its template) -> record -> 0      newest first
 */
import {
  C0,
  C1,
  INFO,
  IN_USE,
  PE,
  PORTS,
  TEMPLATE,
  FLAGS,
  V0,
  V1,
  WORDS,
} from '../../shared/conn-record.js'
import { PE_HIGH } from '../../shared/memory.js'
import {
  PE_CONN,
  PE_DATA,
  PE_HASH,
  PE_LENGTH,
  PE_NEXT,
  PE_OCTETS_MAX,
  PE_WORDS,
} from '../../shared/pe-record.js'
import { siphash13Key } from '../sched/siphash.js'
import type { ConnParams } from '../conn-params.js'
import type { Excerpt } from './engine.js'

/** Family and protocol as they stand in INFO. */
const KEY_MASK = 0x7ff
const BUCKETS_MAX = 1 << 18
/** Between `take` and `bind`: neither free nor anybody's. */
const PENDING = -1

export interface EngineDataOptions {
  memory: SharedArrayBuffer
  control: Int32Array
  /** The connection records. */
  conns: Int32Array
  /** Keys of the hash, so that nobody can craft collisions. */
  seeds: readonly [number, number, number]
}

export class EngineData {
  readonly words: Int32Array
  readonly #control: Int32Array
  readonly #conns: Int32Array
  readonly #capacity: number
  readonly #buckets: Int32Array
  readonly #mask: number
  readonly #seeds: readonly [number, number, number]
  #freeHead = 0
  /** Numbers below this have been used. */
  #high = 1
  #live = 0

  constructor({ memory, control, conns, seeds }: EngineDataOptions) {
    this.words = new Int32Array(memory)
    this.#control = control
    this.#conns = conns
    this.#capacity = Math.floor(this.words.length / PE_WORDS)
    let buckets = 64
    while (buckets < this.#capacity && buckets < BUCKETS_MAX) buckets *= 2
    this.#buckets = new Int32Array(buckets)
    this.#mask = buckets - 1
    this.#seeds = seeds
  }

  /** Records in use. */
  get size(): number {
    return this.#live
  }

  /** How many more there is room for. */
  get available(): number {
    return this.#capacity - 1 - this.#live
  }

  /** The template of that key whose data are these octets, or 0. */
  find(key: ConnParams, found: Excerpt): number {
    const { words } = this
    const hash = this.#hash(found)
    let n = this.#buckets[hash & this.#mask]!
    while (n !== 0) {
      const at = n * PE_WORDS
      if (words[at + PE_HASH] === hash && this.#isFor(words[at + PE_CONN]!, key)) {
        if (this.#holds(at, found)) return words[at + PE_CONN]!
      }
      n = words[at + PE_NEXT]!
    }
    return 0
  }

  /** A record with these octets that belongs to no template yet, or 0 when all are taken. */
  take(found: Excerpt): number {
    if (found.length > PE_OCTETS_MAX) return 0
    const { words } = this
    let n = this.#freeHead
    if (n !== 0) {
      this.#freeHead = words[n * PE_WORDS + PE_NEXT]!
    } else {
      if (this.#high >= this.#capacity) return 0
      n = this.#high++
      this.#control[PE_HIGH] = n
    }
    const at = n * PE_WORDS
    words[at + PE_CONN] = PENDING
    words[at + PE_HASH] = this.#hash(found)
    words[at + PE_LENGTH] = (found.engine << 16) | found.length
    for (let i = 0; i * 4 < found.length; i++) words[at + PE_DATA + i] = found.word(i)
    this.#live++
    return n
  }

  /** Gives record `n` to template `c`, from where on it is found. */
  bind(n: number, c: number): void {
    this.words[n * PE_WORDS + PE_CONN] = c
    this.#link(n)
  }

  /** Frees record `n`, bound or not. */
  give(n: number): void {
    const { words } = this
    const at = n * PE_WORDS
    if (words[at + PE_CONN] !== PENDING) this.#unlink(n)
    words[at + PE_CONN] = 0
    words[at + PE_NEXT] = this.#freeHead
    this.#freeHead = n
    this.#live--
  }

  /** Whether record `n` is template `c`'s: after a worker died, half a template may be left. */
  belongs(n: number, c: number): boolean {
    return n > 0 && n < this.#capacity && this.words[n * PE_WORDS + PE_CONN] === c
  }

  /** Finds again what belongs to the templates that a former worker left. */
  adopt(): void {
    const { words } = this
    this.#buckets.fill(0)
    this.#freeHead = 0
    this.#live = 0
    this.#high = Math.min(this.#capacity, Math.max(1, this.#control[PE_HIGH]! + 1))
    for (let n = this.#high - 1; n >= 1; n--) {
      const at = n * PE_WORDS
      const c = words[at + PE_CONN]!
      const template = c * WORDS
      if (c > 0 && this.#conns[template + INFO]! < 0 && this.#conns[template + PE] === n) {
        words[at + PE_HASH] = this.#hashOf(at)
        this.#link(n)
        this.#live++
      } else {
        words[at + PE_CONN] = 0
        words[at + PE_NEXT] = this.#freeHead
        this.#freeHead = n
      }
    }
  }

  #link(n: number): void {
    const at = n * PE_WORDS
    const bucket = this.words[at + PE_HASH]! & this.#mask
    this.words[at + PE_NEXT] = this.#buckets[bucket]!
    this.#buckets[bucket] = n
  }

  #unlink(n: number): void {
    const { words } = this
    const bucket = words[n * PE_WORDS + PE_HASH]! & this.#mask
    let other = this.#buckets[bucket]!
    if (other === n) {
      this.#buckets[bucket] = words[n * PE_WORDS + PE_NEXT]!
      return
    }
    while (words[other * PE_WORDS + PE_NEXT] !== n) other = words[other * PE_WORDS + PE_NEXT]!
    words[other * PE_WORDS + PE_NEXT] = words[n * PE_WORDS + PE_NEXT]!
  }

  /** ip_vs_sip_ct_match without the data: the client's network and the virtual side. */
  #isFor(c: number, key: ConnParams): boolean {
    const words = this.#conns
    const at = c * WORDS
    return (
      words[at + PORTS] === key.vport &&
      words[at + C0] === key.c0 &&
      words[at + V0] === key.v0 &&
      (words[at + INFO]! & (IN_USE | KEY_MASK)) === (IN_USE | (key.family << 8) | key.protocol) &&
      (words[at + FLAGS]! & TEMPLATE) !== 0 &&
      (key.family === 4 ||
        (words[at + C1] === key.c1 &&
          words[at + C1 + 1] === key.c2 &&
          words[at + C1 + 2] === key.c3 &&
          words[at + V1] === key.v1 &&
          words[at + V1 + 1] === key.v2 &&
          words[at + V1 + 2] === key.v3))
    )
  }

  #holds(at: number, found: Excerpt): boolean {
    const { words } = this
    if (words[at + PE_LENGTH] !== ((found.engine << 16) | found.length)) return false
    for (let i = 0; i * 4 < found.length; i++) {
      if (words[at + PE_DATA + i] !== found.word(i)) return false
    }
    return true
  }

  #hash(found: Excerpt): number {
    let hash = found.length
    for (let i = 0; i * 4 < found.length; i++) hash = this.#mix(found.word(i), hash)
    return hash
  }

  /** The same of a record, whose worker had other keys. */
  #hashOf(at: number): number {
    const { words } = this
    const length = words[at + PE_LENGTH]! & 0xffff
    let hash = length
    for (let i = 0; i * 4 < length; i++) hash = this.#mix(words[at + PE_DATA + i]!, hash)
    return hash
  }

  #mix(word: number, hash: number): number {
    const [seed0, seed1, seed2] = this.#seeds
    return siphash13Key(word, seed0, seed1, seed2, hash) | 0
  }
}
