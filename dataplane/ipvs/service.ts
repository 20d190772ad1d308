import type { Flow } from '../packet.js'
import type { Dest } from './dest.js'
import type { Newcomers } from './newcomers.js'
import type { Settings } from './settings.js'
import type { Scheduler, SchedulerContext } from './sched/scheduler.js'

/** Four signed words; IPv4 stands in the first. */
export interface Address {
  family: number
  w0: number
  w1: number
  w2: number
  w3: number
}

/** Their clients belong to a real server each; passing one over would refuse or move them. */
const HASHING: ReadonlySet<string> = new Set(['dh', 'sh', 'mh'])

export const PERSISTENT = 0x1
export const ONEPACKET = 0x4
export const SCHED1 = 0x8
export const SCHED2 = 0x10
export const SCHED3 = 0x20

/** A virtual service (struct ip_vs_service). */
/** What a scheduler sees beside its service. */
interface Around {
  random: (bound: number) => number
  nowMs: () => number
  settings: Settings
}

export class Service {
  readonly row: number
  readonly family: number
  /** IP protocol number; TCP for a fwmark service, where it means nothing. */
  readonly protocol: number
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  readonly port: number
  /** 0 for an address service. */
  readonly fwmark: number

  flags = 0
  /** Persistence timeout. */
  timeoutS = 0
  /** Netmask of persistence: a mask word for IPv4, a prefix length for IPv6. */
  netmask = 0
  schedulerName = ''
  scheduler: Scheduler | null = null
  persistenceEngine = ''
  /** New connections are refused, to whoever asks. */
  refuses = false
  /** Who bounds real servers in slow start; null when there is none. */
  newcomers: Newcomers | null = null
  /** Newest first: every scheduler walks it in this order. */
  readonly dests: Dest[] = []

  constructor(row: number, key: Address & { protocol: number; port: number; fwmark: number }) {
    this.row = row
    this.family = key.family
    this.protocol = key.protocol
    this.w0 = key.w0
    this.w1 = key.w1
    this.w2 = key.w2
    this.w3 = key.w3
    this.port = key.port
    this.fwmark = key.fwmark
  }

  get persistent(): boolean {
    return (this.flags & PERSISTENT) !== 0
  }

  /** Chooses a real server for a new connection, or null. */
  schedule(flow: Flow, inverse: boolean): Dest | null {
    const { scheduler, newcomers } = this
    if (scheduler === null) return null
    if (newcomers === null || HASHING.has(this.schedulerName))
      return scheduler.schedule(flow, inverse)
    const dest = newcomers.schedule(scheduler, flow, inverse)
    if (newcomers.isOver) this.newcomers = null
    return dest
  }

  find(address: Address, port: number): Dest | undefined {
    return this.dests.find(
      d =>
        d.port === port &&
        d.family === address.family &&
        d.w0 === address.w0 &&
        d.w1 === address.w1 &&
        d.w2 === address.w2 &&
        d.w3 === address.w3,
    )
  }

  /** What its scheduler sees of it; live, so that flags and dests need no copying. */
  schedulerContext({ random, nowMs, settings }: Around): SchedulerContext {
    const flag = (bit: number) => (this.flags & bit) !== 0
    return {
      family: this.family,
      dests: this.dests,
      get fallback() {
        return flag(SCHED1)
      },
      get usePort() {
        return flag(SCHED2)
      },
      random,
      nowMs,
      lblcExpirationMs: () => settings.lblcExpirationS * 1000,
      lblcrExpirationMs: () => settings.lblcrExpirationS * 1000,
    }
  }
}
