/**
 * How the worker's loop spends its time: Float64 words that only the worker writes and the main
 * thread reads for /metrics. Histograms have buckets of powers of two; a word counts what fell into
 * its bucket alone.
 */

/** Turns of the loop. */
export const TURNS = 0
/** Of these, turns that had packets; the others looked in vain. */
export const BUSY_TURNS = 1
/** Milliseconds in turns that had packets. */
export const BUSY_MS = 2
/** Times that it went to sleep because nothing came. */
export const SLEEPS = 3
/** Of these, ended by a packet, a message or news; the others by a timer. */
export const WAKE_UPS = 4
/** Milliseconds asleep. */
export const SLEPT_MS = 5
/** Packets in all turns. */
export const PACKETS = 6
/** Messages of the main thread that were answered. */
export const MESSAGES_ANSWERED = 7
/** Turns by packets: bucket k holds those with 2^(k-1) < packets <= 2^k. */
export const BATCHES = 16
/** 2^10 is more than a turn takes: BURST_MAX from the wire and twice from the host. */
export const BATCH_BUCKETS = 11
/** Turns with packets by time: bucket k holds those with 2^(k-1) < microseconds <= 2^k. */
export const TIMES = 32
/** 2^20 microseconds is a second; the last bucket holds all that took longer. */
export const TIME_BUCKETS = 22
export const LOOP_WORDS = 64

/** The bucket of powers of two that `value` falls into; anything above the last is in the last. */
export function bucketOf(value: number, buckets: number): number {
  const bucket = value <= 1 ? 0 : 32 - Math.clz32(Math.ceil(value) - 1)
  return bucket < buckets ? bucket : buckets - 1
}
