/**
 * The timers of all connections: the kernel's timer wheel (kernel/time/timer.c, HZ = 100) with its
 * granularity and its order, because people see both in `ipvsadm -Lc` and in who expires first.
 *
 *     level L: 64 slots of 8^L ticks each      0: 10 ms  1: 80 ms  2: 0.64 s  3: 5.12 s  4: 41 s ...
 *
 * A timer for `delay` ticks goes to the lowest level with delay < 63 * 8^L and fires at the end of
 * its granule, so late but never early, and it is never moved to a finer level. Re-arming into the
 * slot where it already sits writes one word. At one tick higher levels run first, and in a slot
 * the timer that was armed last. Unlike Linux at HZ = 100 there are nine levels, not eight, so that
 * the longest timeout that ipvsadm accepts (31 days) does not fire early.
 *
 * Nodes live in the connection records (shared/conn-record.ts). Ticks wrap at 2^32; 2^32 is a whole
 * number of turns of every level, so slots are found from wrapped ticks.
 */
import { EXPIRES, SLOT, TIMER_NEXT, TIMER_PREV, WORDS } from './shared/conn-record.js'

export const TICK_MS = 10
export const TICKS_PER_SECOND = 1000 / TICK_MS

const LEVELS = 9
const SLOTS = 64
/** Longer delays are cut to this, 122 days. */
const DELAY_MAX = 63 * 8 ** (LEVELS - 1) - 1
/** Further away than any slot, but still comparable in wrapped arithmetic. */
const FAR = 2 ** 30 + 2 ** 29

export class TimerWheel {
  readonly #words: Int32Array
  readonly #heads = new Int32Array(LEVELS * SLOTS)
  /** A bit for each slot that may hold a timer, two words a level. */
  readonly #pending = new Int32Array(LEVELS * 2)
  /** Ticks that have passed, not wrapped. */
  #nowTick: number
  /** The last tick whose slots have been, or are being, emptied. */
  #done: number
  /** Nothing is due before this tick; a lower bound. */
  #next: number

  constructor(words: Int32Array, startTick = 0) {
    this.#words = words
    this.#nowTick = startTick
    this.#done = startTick | 0
    this.#next = (this.#done + FAR) | 0
  }

  /** The tick that `arm` counts from: of the last `advance`, or of the timer that is running. */
  get nowTick(): number {
    return this.#nowTick
  }

  /** Starts or moves a timer so that it fires `delayTicks` from now, rounded up to its granule. */
  arm(node: number, delayTicks: number): void {
    const words = this.#words
    const at = node * WORDS
    const due = (this.#nowTick + Math.min(delayTicks, DELAY_MAX)) | 0
    words[at + EXPIRES] = due
    // Counted from the last tick done, so that a wheel that lags behind cannot miss it.
    const distance = Math.min((due - this.#done) | 0, DELAY_MAX)
    let shift = 0
    let offset = 0
    for (let limit = 63; distance >= limit; limit <<= 3) {
      shift += 3
      offset += SLOTS
    }
    const granule = (due >>> shift) + 1
    const slot = offset + (granule & (SLOTS - 1))
    const old = words[at + SLOT]!
    if (old === slot) return
    if (old >= 0) this.#unlink(at, old)
    this.#link(node, at, slot)
    const fires = granule << shift
    if (((fires - this.#next) | 0) < 0) this.#next = fires
  }

  disarm(node: number): void {
    const at = node * WORDS
    const slot = this.#words[at + SLOT]!
    if (slot < 0) return
    this.#unlink(at, slot)
    this.#words[at + SLOT] = -1
  }

  isArmed(node: number): boolean {
    return this.#words[node * WORDS + SLOT]! >= 0
  }

  /** Forgets where a record's timer was: for one that has never been in this wheel. */
  reset(node: number): void {
    this.#words[node * WORDS + SLOT] = -1
  }

  /** Ticks until the timer is due, as `ipvsadm -Lc` shows them: never negative. */
  remaining(node: number): number {
    return Math.max(0, (this.#words[node * WORDS + EXPIRES]! - this.#nowTick) | 0)
  }

  /**
   * Runs what is due up to `nowTick`, at most `budget` timers; what is left runs at the next call,
   * in the same order. Each timer sees the tick at which it fires as now. Returns how many ran.
   */
  advance(nowTick: number, budget: number, onExpire: (node: number) => void): number {
    if (nowTick < this.#nowTick) nowTick = this.#nowTick
    const now = nowTick | 0
    let ran = 0
    while (((this.#next - now) | 0) <= 0) {
      const tick = this.#next
      const behind = (now - tick) | 0
      this.#done = tick
      this.#nowTick = nowTick - behind
      ran += this.#run(tick, budget - ran, onExpire)
      // Out of budget: this tick is not finished, and `#next` still points at it.
      if (ran >= budget && this.#hasDue(tick)) break
      this.#next = this.#findNext()
    }
    if (((this.#next - now) | 0) > 0) this.#done = now
    this.#nowTick = nowTick
    return ran
  }

  /** The earliest tick at which `advance` may have something to do; Infinity when nothing is armed. */
  nextDue(): number {
    const distance = (this.#next - (this.#nowTick | 0)) | 0
    return distance > 2 ** 30 ? Infinity : this.#nowTick + Math.max(0, distance)
  }

  #link(node: number, at: number, slot: number): void {
    const words = this.#words
    const head = this.#heads[slot]!
    words[at + TIMER_NEXT] = head
    words[at + TIMER_PREV] = 0
    words[at + SLOT] = slot
    if (head !== 0) words[head * WORDS + TIMER_PREV] = node
    else this.#pending[slot >>> 5]! |= 1 << (slot & 31)
    this.#heads[slot] = node
  }

  #unlink(at: number, slot: number): void {
    const words = this.#words
    const next = words[at + TIMER_NEXT]!
    const prev = words[at + TIMER_PREV]!
    if (next !== 0) words[next * WORDS + TIMER_PREV] = prev
    if (prev !== 0) {
      words[prev * WORDS + TIMER_NEXT] = next
      return
    }
    this.#heads[slot] = next
    if (next === 0) this.#pending[slot >>> 5]! &= ~(1 << (slot & 31))
  }

  /** Level of the coarsest slot that ends at this tick. */
  static #topLevel(tick: number): number {
    const zeros = tick === 0 ? 32 : 31 - Math.clz32(tick & -tick)
    return Math.min(LEVELS - 1, Math.floor(zeros / 3))
  }

  #run(tick: number, budget: number, onExpire: (node: number) => void): number {
    const words = this.#words
    const heads = this.#heads
    let ran = 0
    for (let level = TimerWheel.#topLevel(tick); level >= 0; level--) {
      const slot = level * SLOTS + ((tick >>> (3 * level)) & (SLOTS - 1))
      // A timer armed meanwhile never lands in this slot: 63 granules ahead is the furthest.
      while (heads[slot] !== 0) {
        if (ran === budget) return ran
        const node = heads[slot]!
        const at = node * WORDS
        this.#unlink(at, slot)
        words[at + SLOT] = -1
        ran++
        onExpire(node)
      }
    }
    return ran
  }

  #hasDue(tick: number): boolean {
    for (let level = TimerWheel.#topLevel(tick); level >= 0; level--) {
      if (this.#heads[level * SLOTS + ((tick >>> (3 * level)) & (SLOTS - 1))] !== 0) return true
    }
    return false
  }

  /** First tick after `#done` at which an occupied slot ends. */
  #findNext(): number {
    const done = this.#done
    let nearest = FAR
    for (let level = 0; level < LEVELS; level++) {
      const low = this.#pending[level * 2]!
      const high = this.#pending[level * 2 + 1]!
      if ((low | high) === 0) continue
      const shift = 3 * level
      const granule = (done >>> shift) + 1
      const ends = (granule + firstSet(low, high, granule & (SLOTS - 1))) << shift
      const distance = (ends - done) | 0
      if (distance < nearest) nearest = distance
    }
    return (done + nearest) | 0
  }
}

/** How many slots after `from` the first set bit of 64 is, going round. */
function firstSet(low: number, high: number, from: number): number {
  // Rotated so that bit 0 is slot `from`.
  const n = from & 31
  const a = from < 32 ? low : high
  const b = from < 32 ? high : low
  const near = n === 0 ? a : (a >>> n) | (b << (32 - n))
  if (near !== 0) return 31 - Math.clz32(near & -near)
  const far = n === 0 ? b : (b >>> n) | (a << (32 - n))
  return 63 - Math.clz32(far & -far)
}
