import { Counter } from '../../counters.js'
import type { Driver } from '../../driver/driver.js'
import * as gso from '../../gso.js'
import { DATAGRAM_MAX } from '../../limits.js'
import type { Adjacency, NetworkView } from '../../net/network.js'
import type { Output } from '../../output.js'
import { IPV4, type Packet } from '../../packet.js'
import * as checksum from '../../wire/checksum.js'
import * as gre from '../../wire/gre.js'
import { GRE, IPIP, IPV6 as IPV6_IN, SCTP, TCP, UDP } from '../../wire/ip-protocol.js'
import * as ethernet from '../../wire/ethernet.js'
import * as ipv4 from '../../wire/ipv4.js'
import * as ipv6 from '../../wire/ipv6.js'
import * as udp from '../../wire/udp.js'
import * as virtioNet from '../../wire/virtio-net.js'
import type { Dest } from '../dest.js'
import type { Settings } from '../settings.js'

/** Tunnel types and flags with the kernel's numbers (IP_VS_CONN_F_TUNNEL_TYPE_*). */
export const IPIP_TUNNEL = 0
export const GUE_TUNNEL = 1
export const GRE_TUNNEL = 2
const CSUM = 1

const GUE_LENGTH = 4
const GRE_CSUM_LENGTH = 4
const GRE_CSUM_FLAG = 0x8000
/** Ports for the outer UDP source: the kernel's ephemeral range. */
const PORT_FIRST = 32768
const PORT_COUNT = 28232

export interface TunnelOptions {
  driver: Driver
  network: NetworkView
  output: Output
  counters: Float64Array
  settings: Settings
}

/**
 * VS/TUN: puts the client's packet, otherwise untouched, behind an outer header to the real server
 * (ip_vs_tunnel_xmit): IPIP, SIT and their IPv6 twins, GUE (draft-ietf-intarea-gue) or GRE
 * (RFC 2784), over either family. Headroom is there, so nothing is copied. An offload frame stays
 * whole in a plain IP tunnel where the egress interface takes it so, with one outer header that is
 * put before each segment; else it is segmented first. A pending checksum stays pending where the
 * egress interface completes it.
 */
export class Tunnel {
  readonly #driver: Driver
  readonly #network: NetworkView
  readonly #output: Output
  readonly #counters: Float64Array
  readonly #settings: Settings
  readonly #source = new Int32Array(4)
  readonly #take: (octets: number) => Packet | null
  #identification = 0
  /** What the segments of the frame in hand are put into. */
  #dest: Dest | null = null
  #adjacency: Adjacency | null = null
  readonly #segment: (piece: Packet) => void

  constructor(options: TunnelOptions) {
    this.#driver = options.driver
    this.#network = options.network
    this.#output = options.output
    this.#counters = options.counters
    this.#settings = options.settings
    this.#take = octets => this.#driver.take(octets)
    this.#segment = piece => this.#encapsulate(piece, this.#dest!, this.#adjacency!)
  }

  /** Sends towards `dest`; TTL and MTU have been dealt with. */
  send(pkt: Packet, dest: Dest, adjacency: Adjacency): void {
    if (!this.#network.sourceFor(dest.family, dest.w0, dest.w1, dest.w2, dest.w3, this.#source)) {
      this.#counters[Counter.noRoute]!++
      return
    }
    // A checksum over all that the tunnel carries wants the inner one to be final.
    const pending = dest.tunnelFlags === 0 && this.#output.sumsFor(adjacency)
    if (virtioNet.isGso(pkt.view, pkt.l2 - virtioNet.LENGTH)) {
      if (pending && this.#staysWhole(pkt, dest, adjacency)) {
        this.#encapsulate(pkt, dest, adjacency)
        return
      }
      this.#dest = dest
      this.#adjacency = adjacency
      this.#counters[Counter.segmented]!++
      gso.segment(pkt, this.#take, this.#segment, pending)
    } else {
      // CRC32c cannot be asked for through our socket, and pieces are cut from what is final.
      if (!pending || pkt.pieces !== null || pkt.flow.protocol === SCTP) gso.completeChecksum(pkt)
      this.#encapsulate(pkt, dest, adjacency)
    }
  }

  /** Whether an offload frame may be put into the tunnel as it is, for others to cut. */
  #staysWhole(pkt: Packet, dest: Dest, adjacency: Adjacency): boolean {
    if (dest.tunnelType !== IPIP_TUNNEL || pkt.flow.protocol !== TCP) return false
    if (!virtioNet.needsChecksum(pkt.view, pkt.l2 - virtioNet.LENGTH)) return false
    const overhead = overheadOctets(dest)
    return (
      pkt.end - pkt.l3 + overhead <= DATAGRAM_MAX &&
      gso.segmentOctets(pkt) + overhead <= adjacency.mtuOctets &&
      this.#output.takesTunnels(adjacency)
    )
  }

  #encapsulate(pkt: Packet, dest: Dest, adjacency: Adjacency): void {
    // Read before outer and offload header take the packet's place.
    const inner4 = pkt.flow.family === IPV4
    const { view, l3 } = pkt
    const from = pkt.l2 - virtioNet.LENGTH
    const pending = virtioNet.needsChecksum(view, from)
    const start = pkt.l2 + virtioNet.csumStart(view, from)
    const offset = virtioNet.csumOffset(view, from)
    const gsoType = virtioNet.gsoType(view, from)
    const gsoOctets = virtioNet.gsoSize(view, from)
    const headersEnd = pkt.l2 + virtioNet.hdrLen(view, from)
    const segments = gsoType === virtioNet.GSO_NONE ? 1 : Math.ceil((pkt.end - l3) / gsoOctets)
    const tos = inner4 ? ipv4.tos(view, l3) : ipv6.trafficClass(view, l3)
    const hops = inner4 ? ipv4.ttl(view, l3) : ipv6.hopLimit(view, l3)
    const df = inner4 && this.#settings.pmtuDisc && ipv4.dontFragment(view, l3)
    // The outer datagram of a reassembled one leaves in pieces as large as those that came in.
    const limitOctets = pkt.pieces?.largestOctets ?? Infinity
    pkt.pieces = null
    const protocol = this.#pushTunnelHeader(pkt, dest, inner4)
    if (pkt.end - pkt.l3 + 20 > DATAGRAM_MAX) {
      this.#counters[Counter.tooBig]!++
      return
    }
    // A congestion mark stays inside; outside it only says "capable" (RFC 6040, full functionality).
    const outerTos = (tos & 3) === 3 ? (tos & ~3) | 2 : tos
    if (dest.family === IPV4) {
      this.#pushIpv4(pkt, dest, protocol, outerTos, hops, df)
      // Each segment gets an identification, counted up from the first one's.
      this.#identification += segments - 1
    } else this.#pushIpv6(pkt, dest, protocol, outerTos, hops)
    if (protocol === UDP && dest.tunnelFlags !== 0) this.#sumUdp(pkt)
    pkt.flow.family = dest.family
    pkt.flow.protocol = protocol
    pkt.l2 = pkt.l3 - ethernet.MIN_LENGTH
    const to = pkt.l2 - virtioNet.LENGTH
    if (pending) virtioNet.leaveChecksum(view, to, start - pkt.l2, offset)
    else virtioNet.clear(view, to)
    if (gsoType === virtioNet.GSO_NONE) this.#output.send(pkt, adjacency, limitOctets)
    else {
      virtioNet.leaveSegments(view, to, gsoType, gsoOctets, headersEnd - pkt.l2)
      this.#output.sendWhole(pkt, adjacency)
    }
  }

  /** GUE or GRE, moving `l3` down over it; returns the outer header's protocol. */
  #pushTunnelHeader(pkt: Packet, dest: Dest, inner4: boolean): number {
    const { view } = pkt
    if (dest.tunnelType === GUE_TUNNEL) {
      const port = PORT_FIRST + (flowHash(pkt) % PORT_COUNT)
      const octets = pkt.end - pkt.l3 + GUE_LENGTH + udp.MIN_LENGTH
      pkt.l3 -= GUE_LENGTH
      view.setUint16(pkt.l3, inner4 ? IPIP : IPV6_IN)
      view.setUint16(pkt.l3 + 2, 0)
      pkt.l3 -= udp.MIN_LENGTH
      udp.setSrcPort(view, pkt.l3, port)
      udp.setDstPort(view, pkt.l3, dest.tunnelPort)
      udp.setLength(view, pkt.l3, octets)
      udp.setChecksum(view, pkt.l3, 0)
      return UDP
    }
    if (dest.tunnelType === GRE_TUNNEL) {
      const summed = dest.tunnelFlags === CSUM
      pkt.l3 -= gre.MIN_LENGTH + (summed ? GRE_CSUM_LENGTH : 0)
      gre.setFlags(view, pkt.l3, summed ? GRE_CSUM_FLAG : 0)
      gre.setProtocolType(view, pkt.l3, inner4 ? ethernet.IPV4 : ethernet.IPV6)
      if (summed) {
        view.setInt32(pkt.l3 + 4, 0)
        view.setUint16(pkt.l3 + 4, checksum.compute(view, pkt.l3, pkt.end))
      }
      return GRE
    }
    return inner4 ? IPIP : IPV6_IN
  }

  #pushIpv4(
    pkt: Packet,
    dest: Dest,
    protocol: number,
    tos: number,
    ttl: number,
    dontFragment: boolean,
  ): void {
    const { view } = pkt
    pkt.l4 = pkt.l3
    const at = (pkt.l3 -= ipv4.MIN_LENGTH)
    ipv4.setVersionIhl(view, at, 0x45)
    ipv4.setTos(view, at, tos)
    ipv4.setTotalLength(view, at, pkt.end - at)
    // An id is needed only where the packet may be cut (RFC 6864).
    if (!dontFragment) this.#identification = (this.#identification + 1) & 0xffff
    ipv4.setIdentification(view, at, dontFragment ? 0 : this.#identification)
    ipv4.setFlagsOffset(view, at, dontFragment ? ipv4.DF : 0)
    ipv4.setTtl(view, at, ttl)
    ipv4.setProtocol(view, at, protocol)
    ipv4.setSrc(view, at, this.#source[0]!)
    ipv4.setDst(view, at, dest.w0)
    ipv4.setChecksum(view, at, 0)
    ipv4.setChecksum(view, at, checksum.compute(view, at, pkt.l4))
  }

  #pushIpv6(pkt: Packet, dest: Dest, protocol: number, tos: number, hops: number): void {
    const { view } = pkt
    const source = this.#source
    pkt.l4 = pkt.l3
    const at = (pkt.l3 -= ipv6.LENGTH)
    ipv6.setFirstWord(view, at, tos, 0)
    ipv6.setPayloadLength(view, at, pkt.end - pkt.l4)
    ipv6.setNextHeader(view, at, protocol)
    ipv6.setHopLimit(view, at, hops)
    ipv6.setSrc(view, at, source[0]!, source[1]!, source[2]!, source[3]!)
    ipv6.setDst(view, at, dest.w0, dest.w1, dest.w2, dest.w3)
  }

  #sumUdp(pkt: Packet): void {
    const { view, l3, l4, end } = pkt
    const pseudo = checksum.pseudo(view, l3, UDP, end - l4)
    udp.setChecksum(view, l4, checksum.udpCheck(checksum.compute(view, l4, end, pseudo)))
  }
}

/**
 * Octets that the tunnel puts in front of a packet, as the kernel counts them for the MTU: with
 * remote checksums only a packet whose checksum is pending would carry the option.
 */
export function overheadOctets(dest: Dest): number {
  const outer = dest.family === IPV4 ? ipv4.MIN_LENGTH : ipv6.LENGTH
  switch (dest.tunnelType) {
    case GUE_TUNNEL:
      return outer + udp.MIN_LENGTH + GUE_LENGTH
    case GRE_TUNNEL:
      return outer + gre.MIN_LENGTH + (dest.tunnelFlags === CSUM ? GRE_CSUM_LENGTH : 0)
    default:
      return outer
  }
}

/** Spreads flows over the outer source ports, so that paths and queues behind can tell them apart. */
function flowHash(pkt: Packet): number {
  const f = pkt.flow
  let h = Math.imul(f.src0 ^ f.src1, 0x9e3779b1) ^ Math.imul(f.src2 ^ f.src3, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15) ^ f.dst0 ^ f.dst3, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 13) ^ (f.srcPort << 16) ^ f.dstPort, 0x27d4eb2f)
  return (h ^ (h >>> 16)) >>> 0
}
