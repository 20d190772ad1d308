/**
 * Monotonic time and what happens after some of it. An argument wherever the engine waits, so that
 * an hour of checks is a millisecond of test; the wall clock is only read to label things.
 */
export interface Timers {
  /** Monotonic milliseconds. */
  now(): number
  /** Returns what takes it back. */
  after(delayMs: number, action: () => void): () => void
}

/** `performance.now` and setTimeout are both CLOCK_MONOTONIC: a set wall clock moves neither. */
export const systemTimers: Timers = {
  now: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs)
    return () => clearTimeout(timer)
  },
}
