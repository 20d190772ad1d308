import { Counter } from '../counters.js'
import { NextHop } from '../net/network.js'
import type { Output } from '../output.js'
import { IPV4, IPV6, Flow, type Packet } from '../packet.js'
import { parseQuoted, QuotedPacket } from '../parse.js'
import { D0, D1, DPORT, FWD_MASK, MASQ, PORTS, V0, V1, WORDS } from '../shared/conn-record.js'
import { Verdict } from '../verdict.js'
import * as checksum from '../wire/checksum.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import { AH, ESP } from '../wire/ip-protocol.js'
import * as ipv4 from '../wire/ipv4.js'
import type { Crew } from './crew.js'
import type { Clients } from './clients.js'
import type { Connections } from './conn.js'
import type { Forwarder } from './forwarder.js'
import { icmpChecksum } from './icmp-errors.js'
import { toKeyExchange } from './ipsec.js'
import type { Protocols } from './proto/index.js'
import { Outcome, type Scheduling } from './scheduling.js'
import type { ServiceTable } from './service-table.js'
import type { Settings } from './settings.js'
import type { Dest } from './dest.js'
import type { TunnelErrors } from './tunnel-errors.js'
import type { Traffic } from './traffic.js'
import type { Transmit } from './xmit/transmit.js'
import { decrementTtl, ttl } from './xmit/ttl.js'

export interface IcmpOptions {
  conns: Connections
  services: ServiceTable
  protocols: Protocols
  scheduling: Scheduling
  traffic: Traffic
  transmit: Transmit
  tunnelErrors: TunnelErrors
  clients: Clients
  forwarder: Forwarder
  output: Output
  counters: Float64Array
  settings: Settings
  crew: Crew | null
}

/**
 * ICMP and ICMPv6 errors about connections, in both directions (ip_vs_in_icmp, ip_vs_out_icmp and
 * their IPv6 twins). The quoted packet is translated like the one it quotes, except for its
 * transport checksum, which is left alone.
 */
export class Icmp {
  readonly #o: IcmpOptions
  readonly #quoted = new Flow()
  readonly #where = new QuotedPacket()
  /** The quoted packet is AH or ESP, `#quoted` the key exchange that it follows. */
  #isIpsec = false
  /** What becomes of an error that found and made no connection. */
  #left: Verdict = Verdict.accept

  constructor(options: IcmpOptions) {
    this.#o = options
  }

  /** From the client's side to an address of ours: quotes what a real server sent. */
  in(pkt: Packet): Verdict {
    return this.#in(pkt, true)
  }

  /**
   * The same to a virtual address that is not ours: only the packets of a mark are (ip_vs_forward_icmp).
   * Routing has taken one hop off before.
   */
  passing(pkt: Packet): Verdict {
    return this.#in(pkt, false)
  }

  #in(pkt: Packet, local: boolean): Verdict {
    const verdict = this.#read(pkt, local)
    if (verdict !== null) return verdict
    const { conns } = this.#o
    let c = conns.table.inGetInverse(this.#quoted)
    if (!local && c !== 0) {
      if (ttl(pkt) <= 1) return this.#drop(Counter.ttlExpired)
      decrementTtl(pkt)
    }
    if (c === 0 && this.#o.crew?.passIn(pkt, this.#quoted, true)) return Verdict.stolen
    const scheduled = c === 0
    if (scheduled) c = this.#schedule(pkt)
    if (c === 0) return this.#left
    if (!isGood(pkt)) {
      if (scheduled) conns.release(c)
      return this.#drop(Counter.icmpBadChecksum)
    }
    const dest = conns.destOf(c)
    this.#o.traffic.in(dest, pkt.end - pkt.l3)
    conns.records.setInPkts(c, conns.records.inPkts(c) + 1)
    const sent = this.#forward(pkt, c, dest)
    // Only a connection that this very error made starts its timer with it.
    if (scheduled) conns.release(c)
    return sent
  }

  #forward(pkt: Packet, c: number, dest: Dest | undefined): Verdict {
    const { conns, transmit } = this.#o
    if (transmit.towards(c, dest).kind !== NextHop.local) {
      // Counted, but neither forwarded nor answered: errors draw no errors.
      if (ttl(pkt) <= 1) return this.#drop(Counter.ttlExpired)
      decrementTtl(pkt)
    }
    if ((conns.records.flags(c) & FWD_MASK) === MASQ) {
      const { words } = conns.records
      const at = c * WORDS
      this.#setOuter(pkt, true, words, at + D0, at + D1)
      this.#setQuoted(pkt, true, words, at + D0, at + D1, words[at + DPORT]! & 0xffff)
      this.#finish(pkt)
    }
    return transmit.sendError(pkt, c, dest)
  }

  /** schedule_icmp: an error about no connection may make one. 0 and `#left` when it does not. */
  #schedule(pkt: Packet): number {
    const { scheduling, services, settings } = this.#o
    this.#left = Verdict.accept
    if (!settings.scheduleIcmp || this.#isIpsec) return 0
    const service = services.find(this.#quoted, pkt.mark, true)
    if (service === undefined) return 0
    if (this.#o.crew?.reroutes(pkt, this.#quoted, true, service)) {
      this.#left = Verdict.stolen
      return 0
    }
    const outcome = scheduling.schedule(service, this.#quoted, true, null)
    if (outcome === Outcome.scheduled) return scheduling.conn
    if (outcome !== Outcome.ignored) this.#left = Verdict.drop
    return 0
  }

  /** From a real server's side to a client: quotes what the client sent to the real server. */
  out(pkt: Packet): Verdict {
    return this.#out(pkt, true)
  }

  /** The same from this host's own stack, about a real server on it: it has not come a hop yet. */
  ownOut(pkt: Packet): Verdict {
    return this.#out(pkt, false)
  }

  #out(pkt: Packet, routed: boolean): Verdict {
    const verdict = this.#read(pkt, false)
    if (verdict !== null) return verdict
    const { conns, clients, forwarder } = this.#o
    const c = conns.table.outGetInverse(this.#quoted)
    if (c === 0 && this.#o.crew?.passOut(pkt, this.#quoted, true)) return Verdict.stolen
    if (c === 0) return Verdict.accept
    const { words } = conns.records
    const masq = (conns.records.flags(c) & FWD_MASK) === MASQ
    // Others' errors are not looked at any closer.
    if (masq && !isGood(pkt)) return this.#drop(Counter.icmpBadChecksum)
    const adjacency = masq ? clients.towards(c) : null
    if (routed && adjacency !== null && !forwarder.passOut(pkt, adjacency)) return Verdict.drop
    this.#o.traffic.out(conns.destOf(c), pkt.end - pkt.l3)
    if (adjacency === null) return Verdict.accept
    const at = c * WORDS
    this.#setOuter(pkt, false, words, at + V0, at + V1)
    this.#setQuoted(pkt, false, words, at + V0, at + V1, words[at + PORTS]! & 0xffff)
    this.#finish(pkt)
    this.#send(pkt, adjacency)
    return Verdict.stolen
  }

  /** Null when it is an error about a protocol we know, now in `#quoted`; a verdict otherwise. */
  #read(pkt: Packet, local: boolean): Verdict | null {
    const { view, l4, end, flow } = pkt
    if (end - l4 < icmp.MIN_LENGTH) return this.#drop(Counter.icmpMalformed)
    const type = icmp.type(view, l4)
    if (!isRelated(flow.family, type)) return Verdict.accept
    checksum.complete(pkt)
    const reason = parseQuoted(pkt, l4 + icmp.MIN_LENGTH, this.#quoted, this.#where)
    if (reason !== 0) return this.#drop(reason)
    if (local && isGood(pkt)) {
      const told = this.#o.tunnelErrors.handle(pkt, this.#quoted, this.#where)
      if (told !== null) return told
    }
    if (this.#where.fragmentOffset !== 0) return Verdict.accept
    if (this.#quoted.family !== flow.family) return Verdict.accept
    const { protocol } = this.#quoted
    this.#isIpsec = protocol === ESP || protocol === AH
    if (this.#isIpsec) toKeyExchange(this.#quoted, this.#quoted)
    return this.#o.protocols.get(this.#quoted.protocol) === null ? Verdict.accept : null
  }

  #setOuter(pkt: Packet, dst: boolean, words: Int32Array, first: number, rest: number): void {
    const { view, l3, flow } = pkt
    if (flow.family === IPV4) {
      if (dst) ipv4.setDst(view, l3, words[first]!)
      else ipv4.setSrc(view, l3, words[first]!)
      ipv4.setChecksum(view, l3, checksum.computeIpv4(view, l3))
    } else writeAddress(view, l3 + (dst ? 24 : 8), words, first, rest)
  }

  /** `src`: the quoted packet's source is the one that changes. */
  #setQuoted(
    pkt: Packet,
    src: boolean,
    words: Int32Array,
    first: number,
    rest: number,
    port: number,
  ): void {
    const { view, flow } = pkt
    const { l3, l4 } = this.#where
    if (flow.family === IPV6) writeAddress(view, l3 + (src ? 8 : 24), words, first, rest)
    else {
      if (src) ipv4.setSrc(view, l3, words[first]!)
      else ipv4.setDst(view, l3, words[first]!)
      ipv4.setChecksum(view, l3, checksum.computeIpv4(view, l3))
    }
    if (!this.#isIpsec) view.setUint16(l4 + (src ? 0 : 2), port)
  }

  #finish(pkt: Packet): void {
    icmp.setChecksum(pkt.view, pkt.l4, 0)
    icmp.setChecksum(pkt.view, pkt.l4, icmpChecksum(pkt))
  }

  #send(pkt: Packet, adjacency: Parameters<Output['send']>[1]): void {
    this.#o.counters[Counter.forwarded]!++
    this.#o.output.send(pkt, adjacency)
  }

  #drop(reason: number): Verdict {
    this.#o.counters[reason]!++
    return Verdict.drop
  }
}

function isGood(pkt: Packet): boolean {
  const { view, l3, l4, end, flow } = pkt
  const pseudo = flow.family === IPV4 ? 0 : checksum.pseudo6(view, l3, flow.protocol, end - l4)
  return checksum.isGood(view, l4, end, pseudo)
}

/** Word 0 of an address stands apart from the other three in a record. */
function writeAddress(
  view: DataView,
  at: number,
  words: Int32Array,
  first: number,
  rest: number,
): void {
  view.setInt32(at, words[first]!)
  view.setInt32(at + 4, words[rest]!)
  view.setInt32(at + 8, words[rest + 1]!)
  view.setInt32(at + 12, words[rest + 2]!)
}

/** ICMP types that ip_vs_in_icmp looks into; redirects and parameter problems are plain packets. */
export function isRelated(family: number, type: number): boolean {
  if (family === IPV6) return icmpv6.isError(type)
  return type === icmp.UNREACHABLE || type === icmp.SOURCE_QUENCH || type === icmp.TIME_EXCEEDED
}
