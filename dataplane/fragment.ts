/**
 * Cuts a datagram into fragments: IPv4 by RFC 791 section 3.2, IPv6 by RFC 8200 section 4.5. Either
 * for an MTU, or at the places where the datagram was cut when it arrived. The checksums of the
 * datagram have to be complete, and it must not be an offload frame.
 */
import { IPV4, type Packet } from './packet.js'
import { begin, copyOctets, type Emit, type Take } from './piece.js'
import * as checksum from './wire/checksum.js'
import { FRAGMENT } from './wire/ip-protocol.js'
import * as ipv4 from './wire/ipv4.js'
import * as ipv4Options from './wire/ipv4-options.js'
import * as ipv6 from './wire/ipv6.js'
import * as ipv6Extension from './wire/ipv6-extension.js'
import * as ipv6Fragment from './wire/ipv6-fragment.js'

export const HEADER6_OCTETS = ipv6Fragment.LENGTH

/** How the datagram at hand is cut; only one is at a time. */
const plan = {
  /** Octets that every piece repeats, the IPv6 Fragment header not counted. */
  header: 0,
  /** Offset of the first octet to share out. */
  payload: 0,
  /** Offset within the original datagram of that octet, when the packet is itself a fragment. */
  base: 0,
  /** Whether the last piece is not the end of the original datagram. */
  more: false,
  /** IPv6: the protocol behind the Fragment header, and where in the header it was named. */
  protocol: 0,
  namedAt: 0,
  identification: 0,
}
const upper = new ipv6Extension.UpperLayer()

/**
 * Fragments of at most `mtuOctets`, IP header included. `identification` is for IPv6; IPv4 keeps
 * its own. Returns false, when packets ran out or the MTU has no room for eight octets; pieces
 * already emitted stay so.
 */
export function cutToMtu(
  pkt: Packet,
  mtuOctets: number,
  identification: number,
  take: Take,
  emit: Emit,
): boolean {
  if (!makePlan(pkt, identification)) return false
  const extra = pkt.flow.family === IPV4 ? 0 : HEADER6_OCTETS
  const room = mtuOctets - plan.header - extra
  if (room < 8) return false
  for (let at = plan.payload, end; at < pkt.end; at = end) {
    // All but the last are multiples of eight; the last one may use the room to the full.
    end = pkt.end - at <= room ? pkt.end : at + (room & ~7)
    if (!cut(pkt, at, end, take, emit)) return false
  }
  return true
}

/**
 * Fragments with as many octets of payload as `sizes` says, in that order. Whatever the datagram
 * has beyond their sum goes into the last one.
 */
export function cutAsReceived(
  pkt: Packet,
  sizes: readonly number[],
  identification: number,
  take: Take,
  emit: Emit,
): boolean {
  if (!makePlan(pkt, identification)) return false
  let at = plan.payload
  for (let i = 0; i < sizes.length && at < pkt.end; i++) {
    const end = i === sizes.length - 1 ? pkt.end : Math.min(at + sizes[i]!, pkt.end)
    if (!cut(pkt, at, end, take, emit)) return false
    at = end
  }
  return true
}

function makePlan(pkt: Packet, identification: number): boolean {
  return pkt.flow.family === IPV4 ? makePlan4(pkt) : makePlan6(pkt, identification)
}

function makePlan4({ view, l3 }: Packet): boolean {
  plan.header = ipv4.headerLength(view, l3)
  plan.payload = l3 + plan.header
  plan.base = ipv4.fragmentOffset(view, l3)
  plan.more = (ipv4.flagsOffset(view, l3) & ipv4.MF) !== 0
  return true
}

function makePlan6({ view, l3, end }: Packet, identification: number): boolean {
  const at = ipv6Extension.perFragmentEnd(view, l3, end, upper)
  if (at === 0) return false
  plan.header = at - l3
  plan.payload = at
  plan.base = 0
  plan.more = false
  plan.namedAt = upper.fragmentNamedAt - l3
  plan.protocol = view.getUint8(upper.fragmentNamedAt)
  plan.identification = identification
  if (plan.protocol !== FRAGMENT || !ipv6Fragment.isValid(view, at, end)) return true
  // Already a fragment: its pieces belong to the same datagram.
  plan.payload = at + HEADER6_OCTETS
  plan.base = ipv6Fragment.fragmentOffset(view, at)
  plan.more = ipv6Fragment.moreFragments(view, at)
  plan.protocol = ipv6Fragment.nextHeader(view, at)
  plan.identification = ipv6Fragment.identification(view, at)
  return true
}

/** One piece, from `[at, end)` of the datagram. */
function cut(pkt: Packet, at: number, end: number, take: Take, emit: Emit): boolean {
  const isIpv4 = pkt.flow.family === IPV4
  const extra = isIpv4 ? 0 : HEADER6_OCTETS
  const piece = begin(pkt, plan.header, extra + end - at, take)
  if (piece === null) return false
  piece.l4 += extra
  piece.fragmentOffset = plan.base + at - plan.payload
  piece.moreFragments = plan.more || end < pkt.end
  copyOctets(pkt, at, end, piece, piece.l4)
  if (isIpv4) finish4(piece)
  else finish6(piece)
  if (piece.fragmentOffset !== 0) piece.flow.srcPort = piece.flow.dstPort = 0
  emit(piece)
  return true
}

function finish4(piece: Packet): void {
  const { view, l3, fragmentOffset } = piece
  if (fragmentOffset !== 0) blankOptions(view, l3 + ipv4.MIN_LENGTH, piece.l4)
  ipv4.setTotalLength(view, l3, piece.end - l3)
  ipv4.setFlagsOffset(view, l3, (fragmentOffset >>> 3) | (piece.moreFragments ? ipv4.MF : 0))
  ipv4.setChecksum(view, l3, checksum.computeIpv4(view, l3))
}

function finish6(piece: Packet): void {
  const { view, l3, fragmentOffset } = piece
  ipv6.setPayloadLength(view, l3, piece.end - l3 - ipv6.LENGTH)
  view.setUint8(l3 + plan.namedAt, FRAGMENT)
  const field = fragmentOffset | (piece.moreFragments ? ipv6Fragment.MORE : 0)
  ipv6Fragment.write(view, l3 + plan.header, plan.protocol, field, plan.identification)
}

/**
 * Options without the copy bit are for the first fragment only. As in the kernel
 * (ip_options_fragment) NOPs take their place, so that all headers have one length.
 */
function blankOptions(v: DataView, at: number, end: number): void {
  while (at < end && ipv4Options.type(v, at) !== ipv4Options.END) {
    const octets = ipv4Options.length(v, at, end)
    if (octets === 0) return
    if ((ipv4Options.type(v, at) & ipv4Options.COPY) === 0) {
      for (let i = 0; i < octets; i++) v.setUint8(at + i, ipv4Options.NOP)
    }
    at += octets
  }
}
