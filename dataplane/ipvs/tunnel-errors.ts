import { IPV4, IPV6, Flow, type Packet } from '../packet.js'
import { parseQuoted, QuotedPacket } from '../parse.js'
import { TUNNEL } from '../shared/conn-record.js'
import { Verdict } from '../verdict.js'
import { GRE, IPIP, UDP } from '../wire/ip-protocol.js'
import * as gre from '../wire/gre.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import * as ipv4 from '../wire/ipv4.js'
import * as udp from '../wire/udp.js'
import type { Crew } from './crew.js'
import type { Connections } from './conn.js'
import type { Dest } from './dest.js'
import type { IcmpErrors } from './icmp-errors.js'
import type { ServiceTable } from './service-table.js'
import type { Traffic } from './traffic.js'
import type { Transmit } from './xmit/transmit.js'
import { GRE_TUNNEL, GUE_TUNNEL, IPIP_TUNNEL } from './xmit/tunnel.js'

const GUE_LENGTH = 4

export interface TunnelErrorsOptions {
  conns: Connections
  services: ServiceTable
  traffic: Traffic
  transmit: Transmit
  errors: IcmpErrors
  crew: Crew | null
}

/**
 * ICMP errors about the outer header of a tunnelled packet (ip_vs_in_icmp; IPv6 knows Packet too
 * big only): the client is told what happened to the packet inside, with an MTU that leaves room for the tunnel.
 */
export class TunnelErrors {
  readonly #o: TunnelErrorsOptions
  readonly #inner = new Flow()
  readonly #where = new QuotedPacket()

  constructor(options: TunnelErrorsOptions) {
    this.#o = options
  }

  /** Null when the quoted packet (`flow`, `where`) is not one of our tunnels' outer packets. */
  handle(pkt: Packet, flow: Flow, where: QuotedPacket): Verdict | null {
    if (pkt.flow.family === IPV6) this.#learn6(pkt, flow)
    if (flow.family !== IPV4 || where.fragmentOffset !== 0) return null
    const innerAt = this.#innerAt(pkt, flow, where)
    if (innerAt === 0) return null
    // As in the kernel, the packet inside must be quoted as far as its ports.
    if (parseQuoted(pkt, innerAt, this.#inner, this.#where) !== 0) return Verdict.drop
    if (this.#inner.family !== IPV4) return null
    const { conns } = this.#o
    const c = conns.table.inGet(this.#inner)
    if (c === 0 && this.#o.crew?.passIn(pkt, this.#inner, false)) return Verdict.stolen
    if (c === 0) return Verdict.accept
    const dest = conns.destOf(c)
    if (dest === undefined || (conns.records.flags(c) & 7) !== TUNNEL) return Verdict.accept
    return this.#tell(pkt, dest, innerAt - where.l3 - ipv4.headerLength(pkt.view, where.l3))
  }

  /** Where the packet inside begins, 0 when this is no tunnel to a known real server. */
  #innerAt(pkt: Packet, flow: Flow, { l4, end }: QuotedPacket): number {
    const { view } = pkt
    const { services } = this.#o
    switch (flow.protocol) {
      case IPIP:
        return services.isTunnelServer(flow.dst0, 0, IPIP_TUNNEL) ? l4 : 0
      case UDP: {
        const gue = l4 + udp.MIN_LENGTH
        if (end - gue < GUE_LENGTH) return 0
        if (!services.isTunnelServer(flow.dst0, flow.dstPort, GUE_TUNNEL)) return 0
        // Version 0, a data message, IPIP inside; private flags are skipped by their length.
        if ((view.getUint8(gue) & 0xe0) !== 0 || view.getUint8(gue + 1) !== IPIP) return 0
        return gue + GUE_LENGTH + (view.getUint8(gue) & 0x1f) * 4
      }
      case GRE: {
        if (!gre.isValid(view, l4, end)) return 0
        if (!services.isTunnelServer(flow.dst0, 0, GRE_TUNNEL)) return 0
        if ((gre.flags(view, l4) & ~gre.CHECKSUM) !== 0) return 0
        if (gre.protocolType(view, l4) !== ethernet.IPV4) return 0
        return l4 + gre.headerLength(view, l4)
      }
      default:
        return 0
    }
  }

  /**
   * Packet too big about an outer IPv6 header: only the host's own route learns of it, from which
   * the next large packet is refused with an MTU that fits.
   */
  #learn6(pkt: Packet, flow: Flow): void {
    const { view, l4 } = pkt
    if (icmp.type(view, l4) !== icmpv6.PACKET_TOO_BIG) return
    const { services, transmit, crew } = this.#o
    const dests = services.tunnelServers(flow)
    // Each worker keeps what it knows of a path to itself.
    if (dests.length > 0) crew?.tellAll(pkt)
    for (const dest of dests) {
      transmit.learnPathMtu(dest, icmpv6.mtu(view, l4))
    }
  }

  #tell(pkt: Packet, dest: Dest, tunnelOctets: number): Verdict {
    const { view, l4 } = pkt
    const { transmit, errors, traffic } = this.#o
    const type = icmp.type(view, l4)
    const code = icmp.code(view, l4)
    let rest = icmp.rest(view, l4)
    if (type === icmp.UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED) {
      const told = transmit.learnPathMtu(dest, icmp.nextHopMtu(view, l4))
      // Without DF the packet will be cut by us from now on: nobody has to know.
      if (!ipv4.dontFragment(view, this.#where.l3)) return Verdict.stolen
      rest = told - ipv4.MIN_LENGTH - tunnelOctets
    }
    const quoted = this.#where.end - this.#where.l3
    traffic.out(dest, quoted)
    errors.relay(pkt, this.#inner, this.#where, { type, code, rest })
    // The new error passes the host's own output, where the connection sees it once more.
    if (errors.sentOctets > 0) traffic.out(dest, errors.sentOctets)
    return Verdict.stolen
  }
}
