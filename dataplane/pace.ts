/**
 * When to sleep. While packets come in, the loop polls memory, which costs no system call; after an
 * empty turn it goes on polling for a while, and then sleeps in poll(2) until a descriptor is
 * readable or a timer is due. To be woken costs 15 us and more on either side (an idle core has to
 * be fetched back), so polling is worth it where the next packet comes within such a time, and a
 * waste where it does not. How long it polls is therefore learnt, as KVM does before it halts a
 * guest's processor: a packet that came soon after falling asleep doubles it, one that came late
 * halves it, down to nothing.
 */
import { BUSY_POLL_US } from './limits.js'

/** The shortest poll that is worth anything. */
const LEAST_MS = 0.01
/** A gap that was slept through looks longer than it was by what falling asleep and waking cost. */
const SOON = 1.5
/**
 * Empty turns before the core is offered to others (a few microseconds). It may be the one that the
 * receiver of what we just sent waits for.
 */
const KEEP_TURNS = 5
/** Longest sleep: how late periodic work (link counters, heartbeat) may be. */
const SLEEP_MAX_MS = 100

export class Pace {
  readonly #maxMs: number
  /** How long to poll after the last packet. */
  #pollMs: number
  #lastPacketMs = 0
  #emptyTurns = 0
  #slept = false

  constructor(busyPollUs = BUSY_POLL_US) {
    this.#maxMs = busyPollUs / 1000
    this.#pollMs = this.#maxMs
  }

  /**
   * Told after each turn, with how many packets it had and when the next timer is due; returns how
   * long to sleep in ms, 0 = do not.
   */
  after(count: number, nextDueMs: number, nowMs: number): number {
    if (count > 0) {
      if (this.#slept) this.#learn(nowMs - this.#lastPacketMs)
      this.#slept = false
      this.#emptyTurns = 0
      this.#lastPacketMs = nowMs
      return 0
    }
    this.#emptyTurns++
    if (nowMs - this.#lastPacketMs < this.#pollMs) return 0
    this.#slept = true
    return Math.max(1, Math.min(SLEEP_MAX_MS, Math.ceil(nextDueMs)))
  }

  /** Whether to let others have the core before the next turn. */
  get yields(): boolean {
    return this.#emptyTurns > KEEP_TURNS
  }

  #learn(gapMs: number): void {
    if (gapMs > this.#maxMs * SOON)
      this.#pollMs = this.#pollMs < 2 * LEAST_MS ? 0 : this.#pollMs / 2
    else this.#pollMs = Math.min(this.#maxMs, Math.max(LEAST_MS, this.#pollMs * 2))
  }
}
