/**
 * When to sleep. While packets come in, the loop polls memory, which costs no system call; after
 * `SPIN_TURNS` empty turns it sleeps in poll(2) until a descriptor is readable or a timer is due.
 * Spinning briefly saves a sleep and a wake-up (several microseconds) between the bursts of a busy
 * flow; spinning long would take the core from the very programs that send to us.
 */
const SPIN_TURNS = 20
/** Longest sleep: how late periodic work (link counters, heartbeat) may be. */
const SLEEP_MAX_MS = 100

export class Pace {
  #idleTurns = 0

  /** Told after each turn; returns how long to sleep in ms, 0 = do not. */
  after(count: number, nextDueMs: number): number {
    if (count > 0) {
      this.#idleTurns = 0
      return 0
    }
    if (++this.#idleTurns < SPIN_TURNS) return 0
    this.#idleTurns = 0
    return Math.max(1, Math.min(SLEEP_MAX_MS, Math.ceil(nextDueMs)))
  }
}
