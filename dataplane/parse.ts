/**
 * Reads a packet's network and transport headers once, so that everything behind may read them
 * freely. What the host's own stack drops silently before IPVS is dropped here, for the same
 * reasons (net/ipv4/ip_input.c, net/ipv6/ip6_input.c): the order of the checks is theirs.
 *
 * Not looked at: transport checksums (IPVS forwards bad ones as they are), TCP's data offset,
 * UDP's length, IPv4 options (ipvs/ip-options.ts), and any address that takes a routing table to
 * judge.
 */
import { Counter } from './counters.js'
import { DATAGRAM_MAX } from './limits.js'
import { IPV4, IPV6, type Flow, type Packet } from './packet.js'
import * as ipv6Extension from './wire/ipv6-extension.js'
import * as ipv6Fragment from './wire/ipv6-fragment.js'
import * as ipv6Options from './wire/ipv6-options.js'
import { HOP_BY_HOP, NO_NEXT_HEADER, SCTP, TCP, UDP } from './wire/ip-protocol.js'

// Plain constants: a property of an object built at run time is a load on every packet.
const TRUNCATED = Counter.truncated
const BAD_IP_HEADER = Counter.badIpHeader
const BAD_IP_CHECKSUM = Counter.badIpChecksum
const BAD_TRANSPORT_HEADER = Counter.badTransportHeader
const MARTIAN_SOURCE = Counter.martianSource
const ICMP_MALFORMED = Counter.icmpMalformed

const IPV4_MIN = 20
const IPV6_MIN = 40

/** Only one packet is parsed at a time. */
const upper = new ipv6Extension.UpperLayer()

/** The packet that an ICMP error quotes. Offsets as in Packet. */
export class QuotedPacket {
  l3 = 0
  l4 = 0
  /** End of what is quoted; the packet it was may have been longer. */
  end = 0
  fragmentOffset = 0
  moreFragments = false
}

/**
 * Sets `l4 end flow fragmentOffset moreFragments` of a packet whose `l3` and `end` (of the captured
 * octets) are known. Returns 0, or the counter of the reason to drop it.
 */
export function parse(pkt: Packet): number {
  // The shorter of the two headers; IPv6 asks for the rest itself.
  if (pkt.end - pkt.l3 < IPV4_MIN) return TRUNCATED
  const version = pkt.view.getUint8(pkt.l3) >>> 4
  if (version === 4) return parse4(pkt)
  return version === 6 ? parse6(pkt) : BAD_IP_HEADER
}

function parse4(pkt: Packet): number {
  const v = pkt.view
  const l3 = pkt.l3
  const word0 = v.getInt32(l3)
  const word1 = v.getInt32(l3 + 4)
  const word2 = v.getInt32(l3 + 8)
  const src = v.getInt32(l3 + 12)
  const dst = v.getInt32(l3 + 16)
  const header = (word0 >>> 22) & 0x3c
  if (header < IPV4_MIN) return BAD_IP_HEADER
  let sum = halves(word0) + halves(word1) + halves(word2) + halves(src) + halves(dst)
  if (header > IPV4_MIN) {
    if (header > pkt.end - l3) return TRUNCATED
    for (let at = l3 + IPV4_MIN; at < l3 + header; at += 4) sum += halves(v.getInt32(at))
  }
  // Up to 30 halves: one fold leaves at most 0xffff + 29, so the good sum -0 is 0xffff here.
  if ((sum & 0xffff) + (sum >>> 16) !== 0xffff) return BAD_IP_CHECKSUM
  const total = word0 & 0xffff
  if (total < header) return BAD_IP_HEADER
  const end = l3 + total
  // Behind `end` there may be Ethernet padding; the packet ends where IP says.
  if (end > pkt.end) return TRUNCATED
  if (isMartian4(src)) return MARTIAN_SOURCE
  const fragmentOffset = (word1 & 0x1fff) << 3
  if (fragmentOffset + total > DATAGRAM_MAX) return BAD_IP_HEADER
  const moreFragments = (word1 & 0x2000) !== 0
  const flow = pkt.flow
  flow.family = IPV4
  flow.src0 = src
  flow.src1 = 0
  flow.src2 = 0
  flow.src3 = 0
  flow.dst0 = dst
  flow.dst1 = 0
  flow.dst2 = 0
  flow.dst3 = 0
  pkt.l4 = l3 + header
  pkt.end = end
  pkt.fragmentOffset = fragmentOffset
  pkt.moreFragments = moreFragments
  return parseTransport(pkt, (word2 >>> 16) & 0xff)
}

function parse6(pkt: Packet): number {
  const v = pkt.view
  const l3 = pkt.l3
  if (pkt.end - l3 < IPV6_MIN) return TRUNCATED
  const payload = v.getUint16(l3 + 4)
  const end = l3 + IPV6_MIN + payload
  if (end > pkt.end) return TRUNCATED
  let protocol = v.getUint8(l3 + 6)
  // A jumbogram (RFC 2675), which offload of more than 64 KiB makes. None is asked for.
  if (payload === 0 && protocol !== NO_NEXT_HEADER) return TRUNCATED
  const flow = pkt.flow
  flow.family = IPV6
  flow.src0 = v.getInt32(l3 + 8)
  flow.src1 = v.getInt32(l3 + 12)
  flow.src2 = v.getInt32(l3 + 16)
  flow.src3 = v.getInt32(l3 + 20)
  flow.dst0 = v.getInt32(l3 + 24)
  flow.dst1 = v.getInt32(l3 + 28)
  flow.dst2 = v.getInt32(l3 + 32)
  flow.dst3 = v.getInt32(l3 + 36)
  if (isMartian6(flow)) return MARTIAN_SOURCE
  pkt.end = end
  pkt.l4 = l3 + IPV6_MIN
  pkt.fragmentOffset = 0
  pkt.moreFragments = false
  if (ipv6Extension.isExtension(protocol)) {
    if (!ipv6Extension.walk(v, l3 + 6, l3 + IPV6_MIN, end, upper)) return TRUNCATED
    if (upper.fragmentAt !== 0 && !isSaneFragment6(end)) return BAD_IP_HEADER
    if (protocol === HOP_BY_HOP && !hasGoodOptions(v, l3 + IPV6_MIN)) return BAD_IP_HEADER
    protocol = upper.protocol
    pkt.l4 = upper.at
    if (upper.fragmentAt !== 0 && upper.fragmentOffset === 0 && !upper.moreFragments) unwrap(pkt)
    pkt.fragmentOffset = upper.fragmentOffset
    pkt.moreFragments = upper.moreFragments
  }
  return parseTransport(pkt, protocol)
}

/** Sets protocol and ports; refuses a transport header that is cut short. */
function parseTransport(pkt: Packet, protocol: number): number {
  const flow = pkt.flow
  flow.protocol = protocol
  flow.srcPort = 0
  flow.dstPort = 0
  if (pkt.fragmentOffset !== 0) return 0
  const least = leastOctets(protocol)
  if (least === 0) return 0
  const octets = pkt.end - pkt.l4
  if (octets < least) {
    // A first fragment may be as short as eight octets; the rest comes with the next one.
    if (!pkt.moreFragments) return BAD_TRANSPORT_HEADER
    if (octets < 4) return 0
  }
  const ports = pkt.view.getInt32(pkt.l4)
  flow.srcPort = ports >>> 16
  flow.dstPort = ports & 0xffff
  return 0
}

/**
 * Reads the IP packet quoted at `at` by an ICMP error, as far as it is quoted: of its transport
 * header only the four octets of the ports are needed, and of a later fragment nothing (ports 0).
 * Returns 0 or `icmpMalformed`. Checksums of a quote are not checked, as in IPVS.
 */
export function parseQuoted(pkt: Packet, at: number, out: Flow, result: QuotedPacket): number {
  const v = pkt.view
  const end = pkt.end
  if (end - at < IPV4_MIN) return ICMP_MALFORMED
  const version = v.getUint8(at) >>> 4
  result.l3 = at
  if (version === 4) {
    const header = (v.getUint8(at) & 0x0f) << 2
    const total = v.getUint16(at + 2)
    if (header < IPV4_MIN || header > end - at || total < header) return ICMP_MALFORMED
    const fragment = v.getUint16(at + 6)
    result.l4 = at + header
    // Behind the quote there may be ICMP extensions (RFC 4884).
    result.end = total < end - at ? at + total : end
    result.fragmentOffset = (fragment & 0x1fff) << 3
    result.moreFragments = (fragment & 0x2000) !== 0
    out.family = IPV4
    out.protocol = v.getUint8(at + 9)
    out.src0 = v.getInt32(at + 12)
    out.dst0 = v.getInt32(at + 16)
    out.src1 = out.src2 = out.src3 = 0
    out.dst1 = out.dst2 = out.dst3 = 0
  } else if (version === 6) {
    if (end - at < IPV6_MIN) return ICMP_MALFORMED
    const total = IPV6_MIN + v.getUint16(at + 4)
    result.end = total < end - at ? at + total : end
    if (!ipv6Extension.walk(v, at + 6, at + IPV6_MIN, result.end, upper)) return ICMP_MALFORMED
    result.l4 = upper.at
    result.fragmentOffset = upper.fragmentOffset
    result.moreFragments = upper.moreFragments
    out.family = IPV6
    out.protocol = upper.protocol
    out.src0 = v.getInt32(at + 8)
    out.src1 = v.getInt32(at + 12)
    out.src2 = v.getInt32(at + 16)
    out.src3 = v.getInt32(at + 20)
    out.dst0 = v.getInt32(at + 24)
    out.dst1 = v.getInt32(at + 28)
    out.dst2 = v.getInt32(at + 32)
    out.dst3 = v.getInt32(at + 36)
  } else {
    return ICMP_MALFORMED
  }
  out.srcPort = 0
  out.dstPort = 0
  if (result.fragmentOffset !== 0 || leastOctets(out.protocol) === 0) return 0
  if (result.end - result.l4 < 4) return ICMP_MALFORMED
  out.srcPort = v.getUint16(result.l4)
  out.dstPort = v.getUint16(result.l4 + 2)
  return 0
}

/** Octets of the smallest header of a protocol with ports, 0 for the others. */
function leastOctets(protocol: number): number {
  if (protocol === TCP) return 20
  if (protocol === UDP) return 8
  return protocol === SCTP ? 12 : 0
}

const halves = (word: number): number => (word >>> 16) + (word & 0xffff)

/** 0.0.0.0, 127/8, 224/4 and 255.255.255.255 never come from a host on the wire. */
const isMartian4 = (src: number): boolean =>
  src === 0 || src >>> 24 === 127 || src >>> 28 === 14 || src === -1

/** Multicast, ::, ::1 and mapped IPv4 (which the kernel refuses in headers since 5.4). */
const isMartian6 = ({ src0, src1, src2, src3 }: Flow): boolean =>
  src0 >>> 24 === 0xff ||
  (src0 === 0 && src1 === 0 && ((src2 === 0 && src3 >>> 1 === 0) || src2 === 0xffff))

const hasGoodOptions = (v: DataView, at: number): boolean =>
  ipv6Options.isAcceptable(v, at, at + ipv6Extension.headerLength(v, HOP_BY_HOP, at))

/**
 * A fragment that is all of its datagram (RFC 6946) is put together at once, and sent on without
 * the header that made it one: as the kernel does, whose reassembly comes before IPVS.
 */
function unwrap(pkt: Packet): void {
  const { bytes, view, l3, end } = pkt
  ipv6Fragment.remove(bytes, view, l3, upper.fragmentNamedAt, upper.fragmentAt, end)
  pkt.end -= ipv6Fragment.LENGTH
  pkt.l4 -= ipv6Fragment.LENGTH
}

/** RFC 8200 section 4.5: all but the last are multiples of eight, none reaches past 65535. */
function isSaneFragment6(end: number): boolean {
  const octets = end - (upper.fragmentAt + 8)
  if (upper.moreFragments && (octets & 7) !== 0) return false
  return upper.fragmentOffset + octets <= DATAGRAM_MAX
}
