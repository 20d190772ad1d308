/**
 * Whether a thread still turns: it says so regularly, and silence for too long means that it hangs.
 * By a monotonic clock, and only while the one who listens can hear: time in which this thread
 * itself stood still (a machine that was paused, a debugger) is nobody's silence.
 */
import type { Timers } from './timers.js'

/** How often it says so. */
export const BEAT_MS = 500
/** How long it may be silent: far longer than the slowest answer takes to look at. */
export const SILENCE_MS = 10_000
const LOOK_MS = 1000

export class Heartbeat {
  readonly #timers: Timers
  readonly #silenceMs: number
  readonly #onSilence: () => void
  #heardMs: number
  #lookedMs: number
  #cancel: () => void

  /** Begins to listen. `onSilence` is called once. */
  constructor(timers: Timers, onSilence: () => void, silenceMs = SILENCE_MS) {
    this.#timers = timers
    this.#onSilence = onSilence
    this.#silenceMs = silenceMs
    this.#heardMs = this.#lookedMs = timers.now()
    this.#cancel = timers.after(LOOK_MS, () => this.#look())
  }

  hear(): void {
    this.#heardMs = this.#timers.now()
  }

  stop(): void {
    this.#cancel()
  }

  #look(): void {
    const nowMs = this.#timers.now()
    const lateMs = nowMs - this.#lookedMs - LOOK_MS
    this.#lookedMs = nowMs
    // What came in meanwhile has not been read yet.
    if (lateMs > LOOK_MS) this.#heardMs += lateMs
    if (nowMs - this.#heardMs > this.#silenceMs) return this.#onSilence()
    this.#cancel = this.#timers.after(LOOK_MS, () => this.#look())
  }
}
