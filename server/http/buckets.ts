/**
 * How often something may happen for each of many keys: some times at once, and then again once a
 * period (a token bucket for each key, of which those that are full are forgotten).
 */

export interface BucketsOptions {
  /** So many at once. */
  burst: number
  /** Until one more may happen. */
  periodMs: number
  /** Monotonic. */
  nowMs?: () => number
}

/** Keys that are remembered; the one that was used longest ago is forgotten first. */
const KEYS_MAX = 10_000

export class Buckets {
  readonly #burst: number
  readonly #periodMs: number
  readonly #nowMs: () => number
  /** When each will be full again; the least recently used first. */
  readonly #fullAtMs = new Map<string, number>()

  constructor({ burst, periodMs, nowMs = () => performance.now() }: BucketsOptions) {
    this.#burst = burst
    this.#periodMs = periodMs
    this.#nowMs = nowMs
  }

  /** Milliseconds until it may happen; 0: now. */
  waitMs(key: string): number {
    const fullAtMs = this.#fullAtMs.get(key)
    if (fullAtMs === undefined) return 0
    return Math.max(0, fullAtMs - this.#nowMs() - (this.#burst - 1) * this.#periodMs)
  }

  /** It happens. Where it may not yet, nothing is noted: who goes on trying waits no longer. */
  note(key: string): void {
    if (this.waitMs(key) > 0) return
    const nowMs = this.#nowMs()
    const fullAtMs = Math.max(nowMs, this.#fullAtMs.get(key) ?? 0) + this.#periodMs
    this.#fullAtMs.delete(key)
    if (this.#fullAtMs.size >= KEYS_MAX) this.#makeRoom(nowMs)
    this.#fullAtMs.set(key, fullAtMs)
  }

  #makeRoom(nowMs: number): void {
    for (const [key, fullAtMs] of this.#fullAtMs) if (fullAtMs <= nowMs) this.#fullAtMs.delete(key)
    const [oldest] = this.#fullAtMs.keys()
    if (this.#fullAtMs.size >= KEYS_MAX) this.#fullAtMs.delete(oldest!)
  }
}

/** What `Retry-After` says of a wait: whole seconds, at least one. */
export const retryAfter = (waitMs: number): Record<string, string> => ({
  'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))),
})
