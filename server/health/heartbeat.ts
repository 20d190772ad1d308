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
/**
 * How long it may take until it says the first thing. Loading it takes a second on an idle machine;
 * on one without a core to spare, ending it for that would start the same again, for ever.
 */
export const START_SILENCE_MS = 120_000
const LOOK_MS = 1000

export class Heartbeat {
  readonly #timers: Timers
  #silenceMs = START_SILENCE_MS
  readonly #onSilence: () => void
  #heardMs: number
  #lookedMs: number
  #cancel: () => void

  /** Begins to listen. `onSilence` is called once. */
  constructor(timers: Timers, onSilence: () => void) {
    this.#timers = timers
    this.#onSilence = onSilence
    this.#heardMs = this.#lookedMs = timers.now()
    this.#cancel = timers.after(LOOK_MS, () => this.#look())
  }

  hear(): void {
    this.#heardMs = this.#timers.now()
    this.#silenceMs = SILENCE_MS
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
