/**
 * RFC 791 section 3.1, Record Route: every router writes its own address into the next free slot.
 * In both directions Linux writes the virtual address: it is where the packet was delivered to, and
 * what a reply is routed by once it is rewritten.
 */
import { IPV4, type Packet } from '../packet.js'
import * as checksum from '../wire/checksum.js'
import * as ipv4 from '../wire/ipv4.js'
import * as options from '../wire/ipv4-options.js'

const SLOT_OCTETS = 4
/** Type, length, pointer; the pointer counts from 1 (the type). */
const POINTER_AT = 2

export function recordRoute(pkt: Packet, address: number): void {
  const { view, l3 } = pkt
  const header = ipv4.headerLength(view, l3)
  if (header === ipv4.MIN_LENGTH) return
  const at = options.find(view, l3 + ipv4.MIN_LENGTH, l3 + header, options.RECORD_ROUTE)
  if (at <= 0) return
  const octets = options.length(view, at, l3 + header)
  if (octets <= POINTER_AT) return
  const slot = view.getUint8(at + POINTER_AT) - 1
  if (slot <= POINTER_AT || slot + SLOT_OCTETS > octets) return
  view.setInt32(at + slot, address)
  view.setUint8(at + POINTER_AT, slot + 1 + SLOT_OCTETS)
  ipv4.setChecksum(view, l3, checksum.computeIpv4(view, l3))
}

/** Whether the packet has IPv4 options at all. */
export const hasOptions = (pkt: Packet): boolean =>
  pkt.flow.family === IPV4 && (pkt.view.getUint8(pkt.l3) & 0x0f) > 5
