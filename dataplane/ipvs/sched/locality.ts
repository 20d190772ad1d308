/**
 * What lblc and lblcr remember for each destination address, and how they forget: a full check
 * every half hour for what was not used for long (lblc_expiration, a day), and a partial one each minute while there are
 * too many entries. Entries are the one thing that scheduling allocates, once an address.
 */
import type { Flow } from '../../packet.js'
import type { Dest } from '../dest.js'
import { foldDestination, hash32 } from './fold.js'

const BITS = 10
const SIZE = 1 << BITS
/** As many as 16 a bucket. */
const ENTRIES_MAX = SIZE * 16
/** Unused for this long, an entry may go when there are too many. */
const IDLE_MS = 6 * 60 * 1000
const TICKS_TO_FULL_CHECK = 30

export class LocalityEntry<T> {
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  value: T
  lastUseMs: number
  next: LocalityEntry<T> | null

  constructor(flow: Flow, value: T, nowMs: number, next: LocalityEntry<T> | null) {
    this.w0 = flow.dst0
    this.w1 = flow.dst1
    this.w2 = flow.dst2
    this.w3 = flow.dst3
    this.value = value
    this.lastUseMs = nowMs
    this.next = next
  }
}

export class LocalityCache<T> {
  /** Told of the value of each entry that goes. */
  readonly #onDrop: (value: T) => void
  readonly #buckets = new Array<LocalityEntry<T> | null>(SIZE).fill(null)
  #size = 0
  #rover = 0
  #ticks = 1

  constructor(onDrop: (value: T) => void) {
    this.#onDrop = onDrop
  }

  get size(): number {
    return this.#size
  }

  get(flow: Flow): LocalityEntry<T> | null {
    let entry = this.#buckets[hash32(foldDestination(flow), BITS)] ?? null
    while (entry !== null) {
      const isSame =
        entry.w0 === flow.dst0 &&
        entry.w1 === flow.dst1 &&
        entry.w2 === flow.dst2 &&
        entry.w3 === flow.dst3
      if (isSame) return entry
      entry = entry.next
    }
    return null
  }

  /** Adds an entry for an address that has none. */
  add(flow: Flow, value: T, nowMs: number): void {
    const bucket = hash32(foldDestination(flow), BITS)
    this.#buckets[bucket] = new LocalityEntry(flow, value, nowMs, this.#buckets[bucket]!)
    this.#size++
  }

  /** To be called once a minute. */
  tick(nowMs: number, expirationMs: number): void {
    if (this.#ticks % TICKS_TO_FULL_CHECK === 0) {
      for (let i = 0; i < SIZE; i++) this.#sweep(i, nowMs - expirationMs)
      this.#ticks = 1
      return
    }
    if (this.#size <= ENTRIES_MAX) {
      this.#ticks++
      return
    }
    const excess = Math.floor(((this.#size - ENTRIES_MAX) * 4) / 3)
    let goal = Math.min(excess, ENTRIES_MAX / 2)
    for (let i = 0; i < SIZE && goal > 0; i++) {
      this.#rover = (this.#rover + 1) & (SIZE - 1)
      goal -= this.#sweep(this.#rover, nowMs - IDLE_MS)
    }
  }

  clear(): void {
    for (let i = 0; i < SIZE; i++) this.#sweep(i, Infinity)
  }

  /** Drops a bucket's entries that were last used at `untilMs` or before; returns how many. */
  #sweep(bucket: number, untilMs: number): number {
    let dropped = 0
    let before: LocalityEntry<T> | null = null
    let entry = this.#buckets[bucket] ?? null
    while (entry !== null) {
      if (entry.lastUseMs <= untilMs) {
        if (before === null) this.#buckets[bucket] = entry.next
        else before.next = entry.next
        dropped++
        this.#onDrop(entry.value)
      } else {
        before = entry
      }
      entry = entry.next
    }
    this.#size -= dropped
    return dropped
  }
}

/** Busier than its weight while another server has not half of its own weight. */
export function isCrowded(dest: Dest, dests: readonly Dest[]): boolean {
  if (dest.activeTotal <= dest.weight) return false
  for (let i = 0; i < dests.length; i++) {
    if (dests[i]!.activeTotal * 2 < dests[i]!.weight) return true
  }
  return false
}
