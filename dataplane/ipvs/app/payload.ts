/** Reading and changing the payload of a TCP packet. */
import { Counter } from '../../counters.js'
import { IPV4, type Packet } from '../../packet.js'
import { begin, copyOctets, type Take } from '../../piece.js'
import * as checksum from '../../wire/checksum.js'
import { DATAGRAM_MAX } from '../../limits.js'
import * as ipv4 from '../../wire/ipv4.js'
import * as ipv6 from '../../wire/ipv6.js'
import * as tcp from '../../wire/tcp.js'

/** Where the payload of a parsed packet starts; `end` where its header is nonsense. */
export function payloadOf({ view, l4, end }: Packet): number {
  return tcp.isValid(view, l4, end) ? l4 + tcp.headerLength(view, l4) : end
}

/** Computes the full checksum of a changed packet. */
export function setTcpChecksum(pkt: Packet): void {
  tcp.setChecksum(pkt.view, pkt.l4, 0)
  tcp.setChecksum(pkt.view, pkt.l4, checksum.transport(pkt))
}

/**
 * Puts the first `octets` of `text` in place of [from, to) of the packet, which has no offload
 * pending, and sets lengths and checksums. Answers with the packet, or with a larger copy where it has no room behind; null
 * when there is none to be had, or no IP packet is that large.
 */
export function replace(
  pkt: Packet,
  from: number,
  to: number,
  text: Uint8Array,
  octets: number,
  take: Take,
  counters: Float64Array,
): Packet | null {
  const change = octets - (to - from)
  if (pkt.end - pkt.l3 + change > DATAGRAM_MAX) {
    counters[Counter.tooBig]!++
    return null
  }
  if (change === 0) {
    write(pkt, from, text, octets)
    setTcpChecksum(pkt)
    return pkt
  }
  let whole = pkt
  if (pkt.end + change > pkt.bytes.length) {
    // `begin` copies the packet up to the text, with the room for the rest behind it.
    const copy = begin(pkt, from - pkt.l3, pkt.end - from + change, take)
    if (copy === null) return null
    copyOctets(pkt, to, pkt.end, copy, copy.l4 + octets)
    write(copy, copy.l4, text, octets)
    copy.l4 = copy.l3 + (pkt.l4 - pkt.l3)
    copy.mark = pkt.mark
    whole = copy
  } else {
    pkt.bytes.copyWithin(from + octets, to, pkt.end)
    write(pkt, from, text, octets)
    pkt.end += change
    // It no longer is what its fragments were.
    pkt.pieces = null
  }
  setLength(whole)
  setTcpChecksum(whole)
  return whole
}

function write(pkt: Packet, at: number, text: Uint8Array, octets: number): void {
  for (let i = 0; i < octets; i++) pkt.bytes[at + i] = text[i]!
}

function setLength({ view, l3, end, flow }: Packet): void {
  if (flow.family !== IPV4) {
    ipv6.setPayloadLength(view, l3, end - l3 - ipv6.LENGTH)
    return
  }
  ipv4.setTotalLength(view, l3, end - l3)
  ipv4.setChecksum(view, l3, checksum.computeIpv4(view, l3))
}
