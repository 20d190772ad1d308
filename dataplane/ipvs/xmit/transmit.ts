import { Counter } from '../../counters.js'
import type { Via } from '../../driver/driver.js'
import type { Adjacency, NetworkView } from '../../net/network.js'
import { NextHop } from '../../net/network.js'
import { IPV4, type Packet } from '../../packet.js'
import {
  BYPASS,
  D0,
  D1,
  FWD_MASK,
  HELPED,
  LOCALNODE,
  MASQ,
  TUNNEL,
  WORDS,
} from '../../shared/conn-record.js'
import { Verdict } from '../../verdict.js'
import type { Applications } from '../app/index.js'
import type { ConnSlab } from '../conn-slab.js'
import type { Dest } from '../dest.js'
import type { Forwarder } from '../forwarder.js'
import type { Settings } from '../settings.js'
import type { Traffic } from '../traffic.js'
import { dnat } from './nat.js'
import { overheadOctets, type Tunnel } from './tunnel.js'

// Plain constants: a property of an object built at run time is a load on every packet.
const FORWARDED = Counter.forwarded
const UNREACHABLE = NextHop.unreachable
const LOCAL = NextHop.local
/** Below these no IP link may be (RFC 791, RFC 8200): there is no room for a tunnel. */
const MTU_MIN4 = 68
const MTU_MIN6 = 1280
/** The host's own bounds on what it believes (net.ipv4.route.min_pmtu, mtu_expires). */
const PATH_MTU_MIN = 552
const PATH_MTU_MS = 600_000

export interface TransmitOptions {
  records: ConnSlab
  network: NetworkView
  forwarder: Forwarder
  tunnel: Tunnel
  traffic: Traffic
  applications: Applications
  counters: Float64Array
  settings: Settings
  nowMs: () => number
}

/** Sends a client's packet towards its real server by the connection's method (ip_vs_xmit.c). */
export class Transmit {
  readonly #records: ConnSlab
  readonly #network: NetworkView
  readonly #forwarder: Forwarder
  readonly #tunnel: Tunnel
  readonly #traffic: Traffic
  readonly #applications: Applications
  readonly #settings: Settings
  readonly #nowMs: () => number
  readonly #counters: Float64Array
  readonly #via = { w0: 0, w1: 0, w2: 0, w3: 0 }

  constructor(options: TransmitOptions) {
    this.#records = options.records
    this.#network = options.network
    this.#forwarder = options.forwarder
    this.#tunnel = options.tunnel
    this.#traffic = options.traffic
    this.#applications = options.applications
    this.#settings = options.settings
    this.#nowMs = options.nowMs
    this.#counters = options.counters
  }

  send(pkt: Packet, c: number, dest: Dest | undefined): Verdict {
    const method = this.#records.flags(c) & FWD_MASK
    if (method === BYPASS) return this.#bypass(pkt)
    const adjacency = this.towards(c, dest)
    if (method === TUNNEL) return this.#tunnelTo(pkt, dest, adjacency)
    if (method === MASQ && isLoopback(this.#records, c)) {
      this.#counters[Counter.noRoute]!++
      return Verdict.drop
    }
    if (!this.#forwarder.passIn(pkt, adjacency, adjacency.mtuOctets)) {
      return method === MASQ ? Verdict.drop : this.#refused(dest)
    }
    if (method === MASQ) {
      if ((this.#records.flags(c) & HELPED) !== 0) {
        const changed = this.#applications.in(pkt, c)
        if (changed === null) return Verdict.drop
        pkt = changed
      }
      dnat(pkt, this.#records.words, c)
    }
    // What stays on this host goes to its own stack as it came.
    else if (adjacency.kind === LOCAL || method === LOCALNODE) return Verdict.local
    this.#counters[FORWARDED]!++
    const via = method === MASQ ? null : (dest ?? this.#destOf(c))
    this.#forwarder.output.send(pkt, adjacency, Infinity, via)
    return Verdict.stolen
  }

  /** The real server's address from the connection alone: its Dest is gone. */
  #destOf(c: number): Via {
    const { words } = this.#records
    const at = c * WORDS
    const via = this.#via
    via.w0 = words[at + D0]!
    via.w1 = words[at + D1]!
    via.w2 = words[at + D1 + 1]!
    via.w3 = words[at + D1 + 2]!
    return via
  }

  /**
   * The MTU that a client is told leaves room for the outer header; without `pmtu_disc` the outer
   * packet is fragmented instead, so IPv4 is let pass. Only the real server knows its tunnel.
   */
  #tunnelTo(pkt: Packet, dest: Dest | undefined, adjacency: Adjacency): Verdict {
    if (adjacency.kind === LOCAL) return Verdict.local
    if (dest === undefined) {
      this.#counters[Counter.noRoute]!++
      return Verdict.drop
    }
    const room = this.#room(dest, adjacency)
    if (room === 0) {
      this.#counters[Counter.tooBig]!++
      return Verdict.drop
    }
    const checked = pkt.flow.family !== IPV4 || this.#settings.pmtuDisc
    if (!this.#forwarder.passIn(pkt, adjacency, checked ? room : Infinity)) {
      return this.#refused(dest)
    }
    this.#counters[FORWARDED]!++
    this.#tunnel.send(pkt, dest, adjacency)
    return Verdict.stolen
  }

  /** Our own error about it passes the host's output, where IPVS counts it unless it is NAT's. */
  #refused(dest: Dest | undefined): Verdict {
    const { sentOctets } = this.#forwarder.errors
    if (sentOctets > 0) this.#traffic.out(dest, sentOctets)
    return Verdict.drop
  }

  /** Octets of the largest packet that fits into the tunnel; 0 when none may be sent through it. */
  #room(dest: Dest, adjacency: Adjacency): number {
    const room = this.#pathMtu(dest, adjacency) - overheadOctets(dest)
    return room < (dest.family === IPV4 ? MTU_MIN4 : MTU_MIN6) ? 0 : room
  }

  #pathMtu(dest: Dest, adjacency: Adjacency): number {
    if (dest.pathMtuOctets === Infinity) return adjacency.mtuOctets
    if (this.#nowMs() >= dest.pathMtuUntilMs) {
      dest.pathMtuOctets = Infinity
      dest.pathMtuInUse = false
      return adjacency.mtuOctets
    }
    dest.pathMtuInUse = true
    return Math.min(dest.pathMtuOctets, adjacency.mtuOctets)
  }

  /**
   * A router on the way to a tunnel's end reported this MTU. Answers with what the client is told
   * now: like the kernel's cached route, the first report counts from the next packet on only.
   */
  learnPathMtu(dest: Dest, reportedOctets: number): number {
    const linkOctets = this.towards(0, dest).mtuOctets
    const octets = Math.max(reportedOctets, dest.family === IPV4 ? PATH_MTU_MIN : MTU_MIN6)
    dest.pathMtuOctets = Math.min(dest.pathMtuOctets, octets)
    dest.pathMtuUntilMs = this.#nowMs() + PATH_MTU_MS
    return dest.pathMtuInUse ? Math.min(dest.pathMtuOctets, linkOctets) : linkOctets
  }

  /** cache_bypass: the packet goes where it was going anyway. */
  #bypass(pkt: Packet): Verdict {
    const f = pkt.flow
    const adjacency = this.#network.resolve(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
    // IPv6 makes such a connection for an address of ours too, and then has nowhere to go.
    const isOurs = adjacency.kind === LOCAL
    if (isOurs || !this.#forwarder.passIn(pkt, adjacency, adjacency.mtuOctets)) return Verdict.drop
    this.#counters[FORWARDED]!++
    this.#forwarder.output.send(pkt, adjacency)
    return Verdict.stolen
  }

  /**
   * An ICMP error about the connection, TTL already decremented. What is too large is cut in IPv4
   * and dropped in IPv6: errors draw no errors.
   */
  sendError(pkt: Packet, c: number, dest: Dest | undefined): Verdict {
    const method = this.#records.flags(c) & FWD_MASK
    const adjacency = this.towards(c, dest)
    if (method !== MASQ && (adjacency.kind === LOCAL || method === LOCALNODE)) return Verdict.local
    const tunnelled = method === TUNNEL && dest !== undefined
    const room = tunnelled ? this.#room(dest, adjacency) : adjacency.mtuOctets
    const isTooBig = pkt.flow.family !== IPV4 && pkt.end - pkt.l3 > room
    if (isTooBig || room === 0) {
      this.#counters[Counter.tooBig]!++
      return Verdict.drop
    }
    const isNowhere =
      method === TUNNEL ? !tunnelled : method === MASQ && isLoopback(this.#records, c)
    if (isNowhere) {
      this.#counters[Counter.noRoute]!++
      return Verdict.drop
    }
    this.#counters[FORWARDED]!++
    if (tunnelled) this.#tunnel.send(pkt, dest, adjacency)
    else {
      const via = method === MASQ ? null : (dest ?? this.#destOf(c))
      this.#forwarder.output.send(pkt, adjacency, Infinity, via)
    }
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

/** Whether NAT would lead to 127/8 or ::1, where nothing from the network may go. */
function isLoopback(records: ConnSlab, c: number): boolean {
  const { words } = records
  const at = c * WORDS
  const first = words[at + D0]!
  if (records.destFamily(c) === IPV4) return first >>> 24 === 127
  const rest = at + D1
  return first === 0 && words[rest] === 0 && words[rest + 1] === 0 && words[rest + 2] === 1
}
