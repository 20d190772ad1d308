// The Internet checksum: RFC 1071 (sum), RFC 1624 (incremental update), RFC 768 (the UDP zero).
//
// A *sum* is the one's complement sum, folded to 16 bits, not complemented. A *check* is what
// stands in a header: the complement of a sum. A *partial* checksum (virtio-net NEEDS_CSUM) is a
// field that holds the sum of the pseudo-header alone and waits for somebody to add the rest.
import * as ipv4 from './ipv4.js'
import * as sctp from './sctp.js'
import * as udp from './udp.js'
import * as virtioNet from './virtio-net.js'

/** Carries added back until 16 bits remain; for sums below 2^32. */
export function fold(sum: number): number {
  sum = (sum & 0xffff) + (sum >>> 16)
  return (sum & 0xffff) + (sum >>> 16)
}

/**
 * The folded sum of the octets `[at, end)` and of `initial` (another sum). An odd last octet is
 * padded with a zero on the right (RFC 1071 section 1). Good for up to 128 KiB.
 *
 * Four octets a read: `high` adds up the upper halves, `whole` the words modulo 2^32, and the sum
 * of the lower halves, which stays below 2^32, is what is left of `whole` without the upper ones.
 */
export function sum(v: DataView, at: number, end: number, initial = 0): number {
  let high = 0
  let whole = 0
  for (; end - at >= 16; at += 16) {
    const a = v.getInt32(at)
    const b = v.getInt32(at + 4)
    const c = v.getInt32(at + 8)
    const d = v.getInt32(at + 12)
    whole = (whole + a + b + c + d) | 0
    high = (high + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)) | 0
  }
  for (; end - at >= 4; at += 4) {
    const a = v.getInt32(at)
    whole = (whole + a) | 0
    high = (high + (a >>> 16)) | 0
  }
  let total = fold(high) + fold(whole - (high << 16)) + initial
  if (end - at >= 2) {
    total += v.getUint16(at)
    at += 2
  }
  if (at < end) total += v.getUint8(at) << 8
  return fold(total)
}

/** The check of `[at, end)`, with a pseudo-header's sum where the protocol has one. */
export const compute = (v: DataView, at: number, end: number, pseudo = 0): number =>
  ~sum(v, at, end, pseudo) & 0xffff

/** Whether `[at, end)` with its checksum in place, and the pseudo-header, sums to -0. */
export const isGood = (v: DataView, at: number, end: number, pseudo = 0): boolean =>
  sum(v, at, end, pseudo) === 0xffff

/** The check of an IPv4 header, its checksum field taken as zero. */
export function computeIpv4(v: DataView, l3: number): number {
  const whole = sum(v, l3, l3 + ipv4.headerLength(v, l3))
  return ~fold(whole + (~ipv4.checksum(v, l3) & 0xffff)) & 0xffff
}

/** Sum of the IPv4 pseudo-header (RFC 9293 section 3.1): addresses, protocol, transport octets. */
export function pseudo4(v: DataView, l3: number, protocol: number, octets: number): number {
  return sum(v, l3 + 12, l3 + 20, protocol + octets)
}

/** Sum of the IPv6 pseudo-header (RFC 8200 section 8.1). */
export function pseudo6(v: DataView, l3: number, protocol: number, octets: number): number {
  return sum(v, l3 + 8, l3 + 40, protocol + (octets >>> 16) + (octets & 0xffff))
}

/** Sum of the pseudo-header of the IPv4 or IPv6 packet at `l3`, by its version. */
export const pseudo = (v: DataView, l3: number, protocol: number, octets: number): number =>
  v.getUint8(l3) >>> 4 === 4 ? pseudo4(v, l3, protocol, octets) : pseudo6(v, l3, protocol, octets)

/**
 * What changing a 16-bit field adds to a sum: ~m + m' of RFC 1624 equation 3, not folded. Changes
 * add up (a few hundred at most) and go into a header by `apply` or `applyPartial`.
 */
export const change16 = (from: number, to: number): number => (~from & 0xffff) + (to & 0xffff)

/** As `change16`, for a 32-bit field that starts on an even octet. */
export const change32 = (from: number, to: number): number =>
  (~from >>> 16) + (~from & 0xffff) + (to >>> 16) + (to & 0xffff)

/** HC' = ~(~HC + ~m + m'), RFC 1624 equation 3. */
export const apply = (check: number, change: number): number =>
  ~fold((~check & 0xffff) + change) & 0xffff

/** As `apply`, for a partial checksum. Only changes of pseudo-header fields may be given to it. */
export const applyPartial = (partial: number, change: number): number => fold(partial + change)

/** `apply` for one 16-bit field. */
export const update16 = (check: number, from: number, to: number): number =>
  apply(check, change16(from, to))

/** `apply` for one 32-bit field that starts on an even octet. */
export const update32 = (check: number, from: number, to: number): number =>
  apply(check, change32(from, to))

/** A computed UDP checksum of zero goes out as all ones, because zero says "none" (RFC 768). */
export const udpCheck = (check: number): number => (check === 0 ? 0xffff : check)

/** What the functions below need to know of a packet. */
export interface Frame {
  readonly view: DataView
  readonly l2: number
  readonly l3: number
  readonly l4: number
  readonly end: number
  readonly flow: { readonly protocol: number }
}

/**
 * The check of the transport segment `[l4, end)` of a parsed packet, pseudo-header included. Its
 * checksum field has to be zero. For TCP, UDP (see `udpCheck`) and ICMPv6.
 */
export const transport = ({ view, l3, l4, end, flow }: Frame): number =>
  compute(view, l4, end, pseudo(view, l3, flow.protocol, end - l4))

/**
 * The full UDP check of a packet whose checksum field is zero. As in IPVS it covers what IP says
 * the packet holds, whatever the UDP length says.
 */
export const udpFull = (frame: Frame): number => udpCheck(transport(frame))

/** Whether the transport checksum of a parsed packet is right; for TCP, UDP and ICMPv6. */
export const isTransportGood = ({ view, l3, l4, end, flow }: Frame): boolean =>
  isGood(view, l4, end, pseudo(view, l3, flow.protocol, end - l4))

/**
 * Turns a partial checksum into a full one and clears NEEDS_CSUM; nothing happens to other frames.
 * Returns false, touching nothing, when the offload header points outside the frame. A field eight
 * octets in is SCTP's, whose checksum is a CRC over the packet instead.
 */
export function complete({ view, l2, end }: Pick<Frame, 'view' | 'l2' | 'end'>): boolean {
  const offload = l2 - virtioNet.LENGTH
  if (!virtioNet.needsChecksum(view, offload)) return true
  const start = l2 + virtioNet.csumStart(view, offload)
  const offset = virtioNet.csumOffset(view, offload)
  if (offset === sctp.CHECKSUM_OFFSET) {
    if (!sctp.isValid(view, start, end)) return false
    sctp.setChecksum(view, start, sctp.computeChecksum(view, start, end))
  } else {
    if (start + offset + 2 > end) return false
    const check = compute(view, start, end)
    view.setUint16(start + offset, offset === udp.CHECKSUM_OFFSET ? udpCheck(check) : check)
  }
  virtioNet.setFlags(view, offload, virtioNet.flags(view, offload) & ~virtioNet.NEEDS_CSUM)
  return true
}
