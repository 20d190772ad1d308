import type { Flow } from '../../packet.js'
import type { Dest } from '../dest.js'

/** What a scheduler may look at. */
export interface SchedulerContext {
  /** Of the service, 4 or 6; real servers of a tunnel may be of the other one. */
  readonly family: number
  /** The service's real servers, newest first, as in the kernel: the live array, not a copy. */
  readonly dests: readonly Dest[]
  /** Service flags SCHED1 (fallback) and SCHED2 (port) as given by ipvsadm's -b. */
  readonly fallback: boolean
  readonly usePort: boolean
  /** A uniform integer in [0, bound], both inclusive. */
  random(bound: number): number
  nowMs(): number
  /** How long a destination is remembered that nobody asks for. */
  lblcExpirationMs(): number
  lblcrExpirationMs(): number
}

/**
 * What the next choice depends on beside the real servers themselves, in numbers of the scheduler's
 * own; real servers by their position in the list.
 */
export type SchedulerState = readonly number[]

/**
 * Chooses a real server for a new connection (struct ip_vs_scheduler). One instance a service.
 * `schedule` allocates nothing. Weight 0 means quiesced; an overloaded dest is never chosen.
 */
export interface Scheduler {
  /** After `dest` was put into the list. */
  add(dest: Dest): void
  /** After `dest` was taken from the list, where it stood at `index`. */
  del(dest: Dest, index: number): void
  /** After `dest` was edited in place. */
  edit(dest: Dest): void
  /**
   * Null when nobody can take it. `inverse` is set for a flow read from a packet quoted by an ICMP
   * error, whose destination is the client.
   */
  schedule(flow: Flow, inverse: boolean): Dest | null
  /** It will not be asked any more: lets go of the real servers that it remembers. */
  done?(): void
  /** Periodic work (garbage collection of lblc and lblcr); called about every 60 s. */
  tick?(): void
  /**
   * With `restore`, for those that remember something: an instance over a copy of the list chooses
   * for that flow as this one would. Changes nothing.
   */
  snapshot?(flow: Flow): SchedulerState
  restore?(state: SchedulerState, flow: Flow): void
}

export type SchedulerFactory = (context: SchedulerContext) => Scheduler
