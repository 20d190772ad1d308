// IPv4 header, RFC 791 section 3.1. Offsets in octets from the start of the header.
//
//    0       4       8               16    19                     31
//   +-------+-------+---------------+-----------------------------+
//   |version|  IHL  |type of service|        total length         |
//   +-------+-------+---------------+-----+-----------------------+
//   |        identification         |flags|    fragment offset    |
//   +---------------+---------------+-----+-----------------------+
//   | time to live  |   protocol    |       header checksum       |
//   +---------------+---------------+-----------------------------+
//   |                       source address                        |
//   |                     destination address                     |
//   |                      options, padding                       |
//   +-------------------------------------------------------------+
const VERSION_IHL = 0
const TOS = 1
const TOTAL_LENGTH = 2
const IDENTIFICATION = 4
const FRAGMENT = 6
const TTL = 8
const PROTOCOL = 9
const CHECKSUM = 10
const SRC = 12
const DST = 16
/** Octets in a header without options. */
export const MIN_LENGTH = 20
export const MAX_LENGTH = 60

/** Masks of `flagsOffset`: reserved bit, Don't Fragment, More Fragments, offset in units of 8. */
export const RF = 0x8000
export const DF = 0x4000
export const MF = 0x2000
export const OFFSET_MASK = 0x1fff
/** Masks of `tos`: the two ECN bits (RFC 3168 section 5). */
export const ECN_MASK = 0x03
export const ECN_CE = 0x03

/**
 * Whether `[at, end)` holds a whole, sane header: version 4, IHL >= 5, IHL and Total Length
 * inside the buffer. The checksum is not checked. Every accessor assumes this returned true.
 */
export function isValid(v: DataView, at: number, end: number): boolean {
  if (end - at < MIN_LENGTH || version(v, at) !== 4) return false
  const header = headerLength(v, at)
  const total = totalLength(v, at)
  return header >= MIN_LENGTH && header <= total && total <= end - at
}

export const version = (v: DataView, at: number): number => v.getUint8(at + VERSION_IHL) >>> 4
/** Octets of header, options included (IHL x 4). */
export const headerLength = (v: DataView, at: number): number =>
  (v.getUint8(at + VERSION_IHL) & 0x0f) << 2
/** The former Type of Service octet: DSCP and ECN. */
export const tos = (v: DataView, at: number): number => v.getUint8(at + TOS)
export const totalLength = (v: DataView, at: number): number => v.getUint16(at + TOTAL_LENGTH)
export const identification = (v: DataView, at: number): number => v.getUint16(at + IDENTIFICATION)
/** Flags and offset as one field: test with `DF`, `MF`, `OFFSET_MASK`. */
export const flagsOffset = (v: DataView, at: number): number => v.getUint16(at + FRAGMENT)
/** Octets, not units of eight. */
export const fragmentOffset = (v: DataView, at: number): number =>
  (v.getUint16(at + FRAGMENT) & OFFSET_MASK) << 3
/** Whether it is a piece of a datagram: an offset, or more to come. */
export const isFragment = (v: DataView, at: number): boolean =>
  (v.getUint16(at + FRAGMENT) & (MF | OFFSET_MASK)) !== 0
export const dontFragment = (v: DataView, at: number): boolean =>
  (v.getUint16(at + FRAGMENT) & DF) !== 0
export const ttl = (v: DataView, at: number): number => v.getUint8(at + TTL)
export const protocol = (v: DataView, at: number): number => v.getUint8(at + PROTOCOL)
/** TTL and protocol as the 16-bit word the checksum sees. */
export const ttlProtocol = (v: DataView, at: number): number => v.getUint16(at + TTL)
export const checksum = (v: DataView, at: number): number => v.getUint16(at + CHECKSUM)
/** Addresses are signed words, so that they stay small integers when stored. */
export const src = (v: DataView, at: number): number => v.getInt32(at + SRC)
export const dst = (v: DataView, at: number): number => v.getInt32(at + DST)

/** The first octet: 0x45 for a header without options. */
export const setVersionIhl = (v: DataView, at: number, field: number): void =>
  v.setUint8(at + VERSION_IHL, field)
export const setTos = (v: DataView, at: number, tos: number): void => v.setUint8(at + TOS, tos)
export const setTotalLength = (v: DataView, at: number, octets: number): void =>
  v.setUint16(at + TOTAL_LENGTH, octets)
export const setIdentification = (v: DataView, at: number, id: number): void =>
  v.setUint16(at + IDENTIFICATION, id)
/** Flags and offset as one field. */
export const setFlagsOffset = (v: DataView, at: number, field: number): void =>
  v.setUint16(at + FRAGMENT, field)
export const setTtl = (v: DataView, at: number, ttl: number): void => v.setUint8(at + TTL, ttl)
export const setProtocol = (v: DataView, at: number, protocol: number): void =>
  v.setUint8(at + PROTOCOL, protocol)
export const setChecksum = (v: DataView, at: number, check: number): void =>
  v.setUint16(at + CHECKSUM, check)
export const setSrc = (v: DataView, at: number, addr: number): void => v.setInt32(at + SRC, addr)
export const setDst = (v: DataView, at: number, addr: number): void => v.setInt32(at + DST, addr)
