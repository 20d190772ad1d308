/**
 * Segmentation of offload frames in software, for where a frame of more than the MTU cannot go: into
 * a tunnel, or to the kernel. The rules are those of the hardware and of the kernel's own GSO
 * (net/ipv4/tcp_offload.c, udp_offload.c), so that a receiver sees what it would have seen.
 */
import * as fragment from './fragment.js'
import { IPV4, type Packet } from './packet.js'
import { begin, copyOctets, type Emit, type Take } from './piece.js'
import * as checksum from './wire/checksum.js'
import { TCP, UDP } from './wire/ip-protocol.js'
import * as ipv4 from './wire/ipv4.js'
import * as ipv6 from './wire/ipv6.js'
import * as tcp from './wire/tcp.js'
import * as udp from './wire/udp.js'
import * as virtioNet from './wire/virtio-net.js'

/** Turns a partial checksum into a full one. False when the offload header points elsewhere. */
export const completeChecksum = (pkt: Packet): boolean => checksum.complete(pkt)

/** Octets of the largest IP packet that a parsed frame stands for. */
export function segmentOctets(pkt: Packet): number {
  const whole = pkt.end - pkt.l3
  const offload = pkt.l2 - virtioNet.LENGTH
  if (!virtioNet.isGso(pkt.view, offload)) return whole
  // UFO counts from behind the IP header: its segments are fragments.
  const ufo = virtioNet.gsoType(pkt.view, offload) === virtioNet.GSO_UDP
  const headers = pkt.l4 - pkt.l3 + (ufo ? 0 : transportLength(pkt))
  return Math.min(whole, headers + virtioNet.gsoSize(pkt.view, offload))
}

/**
 * Cuts a parsed offload frame (TCPV4, TCPV6, UDP_L4, UDP) into packets of at most gsoSize octets of
 * payload with complete checksums, or pending ones where asked, and hands each to `emit`. Headroom, port and Ethernet header
 * are `take`'s. Returns false when it ran out of packets or the offload header is nonsense; the
 * segments already emitted stay so. The frame itself is used up.
 */
export function segment(pkt: Packet, take: Take, emit: Emit, pending = false): boolean {
  const { view, l3, l4, end } = pkt
  const offload = pkt.l2 - virtioNet.LENGTH
  const gsoSize = virtioNet.gsoSize(view, offload)
  if (gsoSize === 0) return false
  if (virtioNet.gsoType(view, offload) === virtioNet.GSO_UDP) return segmentUfo(pkt, take, emit)
  const transport = transportLength(pkt)
  const payload = l4 + transport
  if (transport === 0 || payload > end) return false
  for (let at = payload, index = 0; at < end || index === 0; at += gsoSize, index++) {
    const octets = Math.min(gsoSize, end - at)
    const piece = begin(pkt, payload - l3, octets, take)
    if (piece === null) return false
    piece.l4 = piece.l3 + (l4 - l3)
    copyOctets(pkt, at, at + octets, piece, piece.l4 + transport)
    setLengths(piece, index)
    if (pkt.flow.protocol === TCP) finishTcp(piece, at - payload, at + octets === end)
    else udp.setLength(piece.view, piece.l4, piece.end - piece.l4)
    finishChecksum(piece, pending)
    emit(piece)
  }
  return true
}

/** Octets of transport header, 0 when it is not one that segmentation knows. */
function transportLength(pkt: Packet): number {
  if (pkt.flow.protocol === UDP) return udp.MIN_LENGTH
  if (pkt.flow.protocol !== TCP) return 0
  if (pkt.end - pkt.l4 < tcp.MIN_LENGTH) return 0
  const octets = tcp.headerLength(pkt.view, pkt.l4)
  return octets >= tcp.MIN_LENGTH ? octets : 0
}

/** Length fields of the IP header; IPv4 identifications count up, as inet_gso_segment does it. */
function setLengths(piece: Packet, index: number): void {
  const { view, l3, end } = piece
  if (piece.flow.family !== IPV4) {
    ipv6.setPayloadLength(view, l3, end - l3 - ipv6.LENGTH)
    return
  }
  ipv4.setTotalLength(view, l3, end - l3)
  ipv4.setIdentification(view, l3, ipv4.identification(view, l3) + index)
  ipv4.setChecksum(view, l3, checksum.computeIpv4(view, l3))
}

/**
 * FIN and PSH belong to the last octet, so to the last segment; CWR answers one congestion signal,
 * so the first segment alone carries it (RFC 3168 section 6.1.2).
 */
function finishTcp(piece: Packet, offset: number, last: boolean): void {
  const { view, l4 } = piece
  tcp.setSeq(view, l4, (tcp.seq(view, l4) + offset) | 0)
  let flags = tcp.flags(view, l4)
  if (!last) flags &= ~(tcp.FIN | tcp.PSH)
  if (offset !== 0) flags &= ~tcp.CWR
  tcp.setFlags(view, l4, flags)
}

function finishChecksum(piece: Packet, pending: boolean): void {
  const { view, l2, l3, l4, end } = piece
  const { protocol } = piece.flow
  const offset = protocol === TCP ? tcp.CHECKSUM_OFFSET : udp.CHECKSUM_OFFSET
  const field = l4 + offset
  if (pending) {
    view.setUint16(field, checksum.pseudo(view, l3, protocol, end - l4))
    virtioNet.leaveChecksum(view, l2 - virtioNet.LENGTH, l4 - l2, offset)
    return
  }
  view.setUint16(field, 0)
  view.setUint16(field, protocol === TCP ? checksum.transport(piece) : checksum.udpFull(piece))
}

/** UFO, the old UDP offload that some virtual machines still use: one datagram, IP fragments. */
function segmentUfo(pkt: Packet, take: Take, emit: Emit): boolean {
  const offload = pkt.l2 - virtioNet.LENGTH
  const headers = pkt.l4 - pkt.l3 + (pkt.flow.family === IPV4 ? 0 : fragment.HEADER6_OCTETS)
  const mtuOctets = headers + virtioNet.gsoSize(pkt.view, offload)
  if (!checksum.complete(pkt)) return false
  virtioNet.clear(pkt.view, offload)
  // IPv6 needs an identification, which such a frame does not bring: the datagram's own checksum.
  return fragment.cutToMtu(pkt, mtuOctets, udp.checksum(pkt.view, pkt.l4), take, emit)
}
