import { Counter } from '../../counters.js'
import type { Adjacency, NetworkView } from '../../net/network.js'
import { NextHop } from '../../net/network.js'
import type { Packet } from '../../packet.js'
import { D0, D1, DROUTE, FWD_MASK, MASQ, WORDS } from '../../shared/conn-record.js'
import { Verdict } from '../../verdict.js'
import type { ConnSlab } from '../conn-slab.js'
import type { Dest } from '../dest.js'
import type { Forwarder } from '../forwarder.js'
import { dnat } from './nat.js'

// Plain constants: a property of an object built at run time is a load on every packet.
const FORWARDED = Counter.forwarded
const UNREACHABLE = NextHop.unreachable
const LOCAL = NextHop.local

export interface TransmitOptions {
  records: ConnSlab
  network: NetworkView
  forwarder: Forwarder
  counters: Float64Array
}

/** Sends a client's packet towards its real server by the connection's method (ip_vs_xmit.c). */
export class Transmit {
  readonly #records: ConnSlab
  readonly #network: NetworkView
  readonly #forwarder: Forwarder
  readonly #counters: Float64Array

  constructor(options: TransmitOptions) {
    this.#records = options.records
    this.#network = options.network
    this.#forwarder = options.forwarder
    this.#counters = options.counters
  }

  send(pkt: Packet, c: number, dest: Dest | undefined): Verdict {
    const method = this.#records.flags(c) & FWD_MASK
    const adjacency = this.towards(c, dest)
    if (!this.#forwarder.passIn(pkt, adjacency, adjacency.mtuOctets)) return Verdict.drop
    if (method === MASQ) dnat(pkt, this.#records.words, c)
    // A local server keeps the packet; without rewriting the host has its own copy already.
    else if (adjacency.kind === LOCAL || method !== DROUTE) return Verdict.accept
    this.#counters[FORWARDED]!++
    this.#forwarder.output.send(pkt, adjacency)
    return Verdict.stolen
  }

  /** The next hop of the connection's real server, cached in the Dest while it has one. */
  towards(c: number, dest: Dest | undefined): Adjacency {
    const network = this.#network
    if (dest === undefined) return this.#resolve(c)
    if (dest.adjacency !== null && dest.adjacencyGeneration === network.generation) {
      return dest.adjacency
    }
    const found = network.resolve(dest.family, dest.w0, dest.w1, dest.w2, dest.w3)
    dest.adjacencyGeneration = network.generation
    // No route is asked for again by the next packet: it may be back by then.
    dest.adjacency = found.kind === UNREACHABLE ? null : found
    return found
  }

  #resolve(c: number): Adjacency {
    const { words } = this.#records
    const at = c * WORDS
    return this.#network.resolve(
      this.#records.destFamily(c),
      words[at + D0]!,
      words[at + D1]!,
      words[at + D1 + 1]!,
      words[at + D1 + 2]!,
    )
  }
}
