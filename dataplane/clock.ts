/** Where the dataplane takes its time from; a manual one replays hours in milliseconds. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
}

export const systemClock: Clock = { now: () => performance.now() }

/** A clock that only moves when told to. */
export class ManualClock implements Clock {
  #nowMs: number
  constructor(nowMs = 0) {
    this.#nowMs = nowMs
  }
  now(): number {
    return this.#nowMs
  }
  advance(ms: number): void {
    this.#nowMs += ms
  }
}
