// UDP header, RFC 768.
//
//    0                               16                            31
//   +-------------------------------+------------------------------+
//   |          source port          |       destination port       |
//   |            length             |           checksum           |
//   +-------------------------------+------------------------------+
const SRC_PORT = 0
const DST_PORT = 2
const LENGTH = 4
const CHECKSUM = 6
export const MIN_LENGTH = 8
/** Offset of the checksum, as virtio-net names it. */
export const CHECKSUM_OFFSET = CHECKSUM

/**
 * Whether `[at, end)` holds the header and the length it claims. The checksum is not checked.
 * IPVS asks for less: only the eight octets have to be there, and the length field is ignored.
 */
export function isValid(v: DataView, at: number, end: number): boolean {
  if (end - at < MIN_LENGTH) return false
  const octets = length(v, at)
  return octets >= MIN_LENGTH && octets <= end - at
}

export const srcPort = (v: DataView, at: number): number => v.getUint16(at + SRC_PORT)
export const dstPort = (v: DataView, at: number): number => v.getUint16(at + DST_PORT)
/** Octets of header and data. */
export const length = (v: DataView, at: number): number => v.getUint16(at + LENGTH)
/** 0 means that the sender computed none (IPv4 only). */
export const checksum = (v: DataView, at: number): number => v.getUint16(at + CHECKSUM)

export const setSrcPort = (v: DataView, at: number, port: number): void =>
  v.setUint16(at + SRC_PORT, port)
export const setDstPort = (v: DataView, at: number, port: number): void =>
  v.setUint16(at + DST_PORT, port)
export const setLength = (v: DataView, at: number, octets: number): void =>
  v.setUint16(at + LENGTH, octets)
export const setChecksum = (v: DataView, at: number, check: number): void =>
  v.setUint16(at + CHECKSUM, check)
