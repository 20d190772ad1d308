/**
 * One of several workers that share the traffic, each with its own connections: who a packet belongs
 * to that meets no connection here. Normally its client's worker (shared/shard.ts), to which the
 * kernel gave it. Some services need all their clients in one place, the first worker: they are
 * pinned. A packet goes the way
 *
 *     where it came in -> the client's worker -> the first worker, if pinned -> back, if it is not
 *
 * as far as it has to, and `stage` counts how far it came, so that it never goes in circles.
 */
import type { Flow, Packet } from '../packet.js'
import type { SharedMemory } from '../protocol.js'
import {
  AUXILIARY,
  C0,
  C1,
  D0,
  D1,
  destFamilyOf,
  familyOf,
  INFO,
  V0,
  V1,
  WORDS,
  wordsOf,
} from '../shared/conn-record.js'
import { CONNS_HIGH } from '../shared/memory.js'
import { addressKey, shardOf } from '../shared/shard.js'
import type { Guarded } from './guarded.js'
import type { Service } from './service.js'
import type { Settings } from './settings.js'

/** How far a packet has come. */
export const Stage = { received: 0, client: 1, pinned: 2, returned: 3, told: 4 } as const

/** Gives packets to other workers: copied at once, so `pkt` stays the caller's. */
export interface Handover {
  give(pkt: Packet, to: number, stage: number): void
}

export interface CrewMember {
  index: number
  count: number
  handover: Handover
}

/** The worker that has the pinned services. */
const FIRST = 0
const IPV4_HOST = -1
const IPV6_HOST = 128
/** Schedulers that remember what other clients were given. */
const REMEMBERING: readonly string[] = ['lblc', 'lblcr']

export class Crew {
  readonly index: number
  readonly count: number
  readonly #handover: Handover
  readonly #guarded: Guarded
  readonly #settings: Settings
  /**
   * Addresses of services that are or were pinned and of their real servers, and marks. They stay:
   * connections outlive what made them, and a packet too many for the first worker comes back.
   */
  readonly #addresses = new Set<number>()
  readonly #marks = new Set<number>()

  constructor({ index, count, handover }: CrewMember, guarded: Guarded, settings: Settings) {
    this.index = index
    this.count = count
    this.#handover = handover
    this.#guarded = guarded
    this.#settings = settings
  }

  /**
   * Whether it is here that a packet of this host's own (every worker reads them) leaves unchanged
   * when it is of no connection: the worker that would have the connection.
   */
  sendsOwn(f: Flow): boolean {
    const pinned = this.#addresses.has(addressKey(f.family, f.src0, f.src1, f.src2, f.src3))
    const client = addressKey(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
    return (pinned ? FIRST : shardOf(client, this.count)) === this.index
  }

  /** Whether all clients of a service must be in one place. */
  isPinned(service: Service): boolean {
    const { persistent, family, netmask, persistenceEngine, schedulerName } = service
    if (persistent && netmask !== (family === 4 ? IPV4_HOST : IPV6_HOST)) return true
    if (persistenceEngine !== '' || REMEMBERING.includes(schedulerName)) return true
    const { ftpForeignPort, ftpForeignServer } = this.#settings
    // Data connections of other clients than the one of the control connection.
    const foreign = ftpForeignPort || ftpForeignServer
    return foreign && (service.fwmark !== 0 || this.#guarded.isFtp(service.protocol, service.port))
  }

  /** To be told of each service that was added or edited, or got a real server. */
  note(service: Service): void {
    if (!this.isPinned(service)) return
    if (service.fwmark !== 0) this.#marks.add(service.fwmark)
    else this.#addresses.add(keyOf(service))
    for (const dest of service.dests) this.#addresses.add(keyOf(dest))
  }

  /**
   * A worker that comes up learns where services were pinned before: the first worker still has
   * connections of clients that are not its own, in its memory.
   */
  recall({ conns, control }: Pick<SharedMemory, 'conns' | 'control'>): void {
    const first = wordsOf(conns)
    const high = Atomics.load(new Int32Array(control), CONNS_HIGH)
    for (let c = AUXILIARY; c <= high; c++) {
      const at = c * WORDS
      const info = first[at + INFO]!
      if (info >= 0) continue
      const family = familyOf(info)
      if (shardOf(keyAt(first, family, at + C0, at + C1), this.count) === FIRST) continue
      this.#addresses.add(keyAt(first, family, at + V0, at + V1))
      this.#addresses.add(keyAt(first, destFamilyOf(info), at + D0, at + D1))
    }
  }

  /** True when a fragment went to whoever puts its datagram together. */
  passFragment(pkt: Packet, local: boolean): boolean {
    return this.#toClient(pkt, pkt.flow, local)
  }

  /**
   * From a client, or about what goes to it (`inverse`: quoted by an ICMP error): true when the
   * packet went to another worker.
   */
  passIn(pkt: Packet, flow: Flow, inverse: boolean): boolean {
    if (this.#toClient(pkt, flow, !inverse)) return true
    if (pkt.stage > Stage.client || this.index === FIRST) return false
    if (this.#addresses.size === 0 && this.#marks.size === 0) return false
    const pinned =
      (pkt.mark !== 0 && this.#marks.has(pkt.mark)) || this.#addresses.has(endOf(flow, inverse))
    if (pinned) this.#handover.give(pkt, FIRST, Stage.pinned)
    return pinned
  }

  /** As `passIn`, for what comes from a real server; `inverse`: quotes what went to one. */
  passOut(pkt: Packet, flow: Flow, inverse: boolean): boolean {
    // What no masquerading server sent is the host's, wherever it is.
    if (!this.#guarded.isFromReal(flow, inverse) && !this.#settings.ftpForeignServer) return false
    if (this.#toClient(pkt, flow, inverse)) return true
    if (pkt.stage > Stage.client || this.index === FIRST) return false
    const pinned =
      this.#addresses.has(endOf(flow, !inverse)) || this.#settings.ftpForeignServer === true
    if (pinned) this.#handover.give(pkt, FIRST, Stage.pinned)
    return pinned
  }

  /** What concerns all, such as a path's MTU: every other worker looks at it as well. */
  tellAll(pkt: Packet): void {
    if (pkt.stage !== Stage.received) return
    for (let to = 0; to < this.count; to++)
      if (to !== this.index) this.#handover.give(pkt, to, Stage.told)
  }

  /** Before a connection is made: true when it is for another worker to make. */
  reroutes(pkt: Packet, flow: Flow, inverse: boolean, service: Service): boolean {
    const pinned = this.isPinned(service)
    if (pinned && this.index !== FIRST && pkt.stage < Stage.pinned) {
      this.#handover.give(pkt, FIRST, Stage.pinned)
      return true
    }
    if (pinned || pkt.stage !== Stage.pinned) return false
    const owner = shardOf(endOf(flow, !inverse), this.count)
    if (owner === this.index) return false
    this.#handover.give(pkt, owner, Stage.returned)
    return true
  }

  /** The worker that decides about a flow from a client (`local`) or to one. */
  ownerOf(pkt: Packet, local: boolean, service: Service | undefined): number {
    if (service !== undefined && this.isPinned(service)) return FIRST
    const server = endOf(pkt.flow, !local)
    if (!local && this.#addresses.has(server)) return FIRST
    return shardOf(endOf(pkt.flow, local), this.count)
  }

  /** `source`: the client is where the flow comes from. */
  #toClient(pkt: Packet, flow: Flow, source: boolean): boolean {
    if (pkt.stage !== Stage.received) return false
    const owner = shardOf(endOf(flow, source), this.count)
    if (owner === this.index) return false
    this.#handover.give(pkt, owner, Stage.client)
    return true
  }
}

interface Addressed {
  family: number
  w0: number
  w1: number
  w2: number
  w3: number
}

const keyOf = (a: Addressed): number => addressKey(a.family, a.w0, a.w1, a.w2, a.w3)

/** Of an address in a record: its first word and the others lie apart. */
const keyAt = (words: Int32Array, family: number, first: number, rest: number): number =>
  addressKey(family, words[first]!, words[rest]!, words[rest + 1]!, words[rest + 2]!)

/** Its source or its destination. */
const endOf = (f: Flow, source: boolean): number =>
  source
    ? addressKey(f.family, f.src0, f.src1, f.src2, f.src3)
    : addressKey(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
