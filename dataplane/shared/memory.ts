import { COUNTER_NAMES } from '../counters.js'
import { DESTS_MAX, ENGINE_DATA_MAX, SERVICES_MAX } from '../limits.js'
import type { SharedMemory } from '../protocol.js'
import * as appRecord from './app-record.js'
import { octetsFor } from './conn-record.js'
import { LOOP_WORDS } from './loop-record.js'
import { PE_WORDS } from './pe-record.js'
import { STRIDE } from './statistics.js'

/** Words of the control block. */
export const MESSAGES = 0
/** Packets that the raw-socket half of the main thread has put into its queue. */
export const PACKETS = 1
/** Milliseconds (wrapping int32) of the worker's last turn: is it alive? */
export const HEARTBEAT = 2
/** Live connections and templates, for /v1/stats without a message. */
export const CONNS = 3
/** Worker's clock in ticks (10 ms) at its last turn, to turn `expires` into seconds left. */
export const TICK = 4
/** 1 while the worker sleeps in poll and must be woken through its descriptor. */
export const ASLEEP = 5
/** Highest connection number ever used: how far a listing has to look. */
export const CONNS_HIGH = 6
/** Highest number of a persistence engine's record ever used. */
export const PE_HIGH = 7
/** What the defence does, for the main thread: drop_entry | drop_packet << 2 | secure_tcp << 4. */
export const DEFENCE = 8
/** Descriptor that wakes the worker, for the others; kept for all its successors. 0: none yet. */
export const WAKE = 9
/** Descriptors that a dead worker left open: count, then the descriptors. */
export const DESCRIPTORS = 16
export const CONTROL_WORDS = 1024

/** Allocates what outlives a worker. Pages are touched, so cost memory, only when used. */
export function allocate(connsMax: number): SharedMemory {
  const float64 = (count: number) => new SharedArrayBuffer(count * 8)
  return {
    conns: new SharedArrayBuffer(octetsFor(connsMax)),
    apps: new SharedArrayBuffer(connsMax * appRecord.WORDS * 4),
    engineData: new SharedArrayBuffer(Math.min(connsMax, ENGINE_DATA_MAX) * PE_WORDS * 4),
    counters: float64(COUNTER_NAMES.length),
    totals: float64(STRIDE),
    services: float64(SERVICES_MAX * STRIDE),
    dests: float64(DESTS_MAX * STRIDE),
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    loop: float64(LOOP_WORDS),
  }
}

/** The word under DEFENCE of all workers as one: of each defence, the mode that acts most. */
export function defencesOf(controls: readonly Int32Array[]): number {
  const words = controls.map(control => Atomics.load(control, DEFENCE))
  const most = (shift: number) => Math.max(...words.map(word => (word >>> shift) & 3))
  return most(0) | (most(2) << 2) | (most(4) << 4)
}
