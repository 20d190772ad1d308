// IPv6 header, RFC 8200 section 3. Offsets in octets from the start of the header.
//
//    0       4               12      16              24           31
//   +-------+---------------+--------------------------------------+
//   |version| traffic class |              flow label              |
//   +-------+---------------+-------+---------------+--------------+
//   |        payload length         |  next header  |  hop limit   |
//   +-------------------------------+---------------+--------------+
//   |              source address (four words)                     |
//   |              destination address (four words)                |
//   +--------------------------------------------------------------+
const PAYLOAD_LENGTH = 4
const NEXT_HEADER = 6
const HOP_LIMIT = 7
const SRC = 8
const DST = 24
/** Octets in the fixed header. */
export const LENGTH = 40

/**
 * Whether `[at, end)` holds a whole fixed header of version 6 and the payload it claims. Extension
 * headers are not checked (ipv6-extension.ts), and a jumbogram (RFC 2675) is not told from an
 * empty payload. Every accessor assumes this returned true.
 */
export function isValid(v: DataView, at: number, end: number): boolean {
  if (end - at < LENGTH || version(v, at) !== 6) return false
  return payloadLength(v, at) <= end - at - LENGTH
}

export const version = (v: DataView, at: number): number => v.getUint8(at) >>> 4
/** DSCP and ECN, as IPv4's `tos`. */
export const trafficClass = (v: DataView, at: number): number => (v.getUint16(at) >>> 4) & 0xff
export const flowLabel = (v: DataView, at: number): number => v.getUint32(at) & 0xfffff
/** Octets behind the fixed header, extension headers included. */
export const payloadLength = (v: DataView, at: number): number => v.getUint16(at + PAYLOAD_LENGTH)
export const nextHeader = (v: DataView, at: number): number => v.getUint8(at + NEXT_HEADER)
export const hopLimit = (v: DataView, at: number): number => v.getUint8(at + HOP_LIMIT)
/** Addresses are four signed words. */
export const src0 = (v: DataView, at: number): number => v.getInt32(at + SRC)
export const src1 = (v: DataView, at: number): number => v.getInt32(at + SRC + 4)
export const src2 = (v: DataView, at: number): number => v.getInt32(at + SRC + 8)
export const src3 = (v: DataView, at: number): number => v.getInt32(at + SRC + 12)
export const dst0 = (v: DataView, at: number): number => v.getInt32(at + DST)
export const dst1 = (v: DataView, at: number): number => v.getInt32(at + DST + 4)
export const dst2 = (v: DataView, at: number): number => v.getInt32(at + DST + 8)
export const dst3 = (v: DataView, at: number): number => v.getInt32(at + DST + 12)

/** Writes the first word: version 6, traffic class and flow label. */
export const setFirstWord = (v: DataView, at: number, trafficClass: number, label: number): void =>
  v.setInt32(at, 0x60000000 | (trafficClass << 20) | label)
export const setTrafficClass = (v: DataView, at: number, trafficClass: number): void =>
  v.setUint16(at, (v.getUint16(at) & 0xf00f) | (trafficClass << 4))
export const setPayloadLength = (v: DataView, at: number, octets: number): void =>
  v.setUint16(at + PAYLOAD_LENGTH, octets)
export const setNextHeader = (v: DataView, at: number, protocol: number): void =>
  v.setUint8(at + NEXT_HEADER, protocol)
export const setHopLimit = (v: DataView, at: number, hops: number): void =>
  v.setUint8(at + HOP_LIMIT, hops)

export function setSrc(
  v: DataView,
  at: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): void {
  v.setInt32(at + SRC, w0)
  v.setInt32(at + SRC + 4, w1)
  v.setInt32(at + SRC + 8, w2)
  v.setInt32(at + SRC + 12, w3)
}

export function setDst(
  v: DataView,
  at: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): void {
  v.setInt32(at + DST, w0)
  v.setInt32(at + DST + 4, w1)
  v.setInt32(at + DST + 8, w2)
  v.setInt32(at + DST + 12, w3)
}
