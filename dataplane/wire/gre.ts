// GRE header, RFC 2784 with the key and sequence number of RFC 2890.
//
//    0 1 2 3         13  16                            31
//   +-+-+-+-+-------+---+------------------------------+
//   |C|r|K|S|  rsv  |ver|         protocol type        |
//   |  checksum, reserved   (when C)                   |
//   |  key                  (when K)                   |
//   |  sequence number      (when S)                   |
//   +--------------------------------------------------+
export const MIN_LENGTH = 4

/** Masks of `flags`. */
export const CHECKSUM = 0x8000
export const ROUTING = 0x4000
export const KEY = 0x2000
export const SEQUENCE = 0x1000
export const VERSION_MASK = 0x0007

/** Whether `[at, end)` holds a version 0 header without the obsolete routing field. */
export const isValid = (v: DataView, at: number, end: number): boolean =>
  end - at >= MIN_LENGTH &&
  (flags(v, at) & (ROUTING | VERSION_MASK)) === 0 &&
  headerLength(v, at) <= end - at

export const flags = (v: DataView, at: number): number => v.getUint16(at)
/** An EtherType. */
export const protocolType = (v: DataView, at: number): number => v.getUint16(at + 2)

/** Octets, with the optional words that the flags announce. */
export function headerLength(v: DataView, at: number): number {
  const bits = flags(v, at)
  let octets = MIN_LENGTH
  if ((bits & CHECKSUM) !== 0) octets += 4
  if ((bits & KEY) !== 0) octets += 4
  if ((bits & SEQUENCE) !== 0) octets += 4
  return octets
}

export const setFlags = (v: DataView, at: number, flags: number): void => v.setUint16(at, flags)
export const setProtocolType = (v: DataView, at: number, type: number): void =>
  v.setUint16(at + 2, type)
/** The checksum, present when CHECKSUM is set; the two octets behind it are zero. */
export const setChecksum = (v: DataView, at: number, check: number): void =>
  v.setUint16(at + 4, check)
