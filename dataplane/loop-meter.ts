/** Measures the worker's loop: a few additions a turn, none a packet. */
import * as loop from './shared/loop-record.js'

export class LoopMeter {
  readonly #words: Float64Array

  /** `memory` is the `loop` part of the shared memory. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Float64Array(memory)
  }

  /** After a turn with so many packets that took so long. */
  turn(packets: number, tookMs: number): void {
    const words = this.#words
    words[loop.TURNS]!++
    if (packets === 0) return
    words[loop.BUSY_TURNS]!++
    words[loop.BUSY_MS]! += tookMs
    words[loop.PACKETS]! += packets
    words[loop.BATCHES + loop.bucketOf(packets, loop.BATCH_BUCKETS)]!++
    words[loop.TIMES + loop.bucketOf(tookMs * 1000, loop.TIME_BUCKETS)]!++
  }

  /** After a sleep; `woken` unless it ended because its time was over. */
  slept(tookMs: number, woken: boolean): void {
    const words = this.#words
    words[loop.SLEEPS]!++
    words[loop.SLEPT_MS]! += tookMs
    if (woken) words[loop.WAKE_UPS]!++
  }

  answered(): void {
    this.#words[loop.MESSAGES_ANSWERED]!++
  }
}
