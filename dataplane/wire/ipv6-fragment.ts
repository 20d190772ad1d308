// IPv6 Fragment header, RFC 8200 section 4.5.
//
//    0               8               16                        29  31
//   +---------------+---------------+--------------------------+---+
//   |  next header  |   reserved    |     fragment offset      |r|M|
//   +---------------+---------------+--------------------------+---+
//   |                       identification                         |
//   +--------------------------------------------------------------+
const NEXT_HEADER = 0
const OFFSET_FLAGS = 2
const IDENTIFICATION = 4
export const LENGTH = 8

/** Masks of `offsetFlags`. The offset counts units of eight, so as it stands it is in octets. */
export const MORE = 0x0001
export const OFFSET_MASK = 0xfff8

/** Whether `[at, end)` has room for the header. */
export const isValid = (_v: DataView, at: number, end: number): boolean => end - at >= LENGTH

export const nextHeader = (v: DataView, at: number): number => v.getUint8(at + NEXT_HEADER)
export const offsetFlags = (v: DataView, at: number): number => v.getUint16(at + OFFSET_FLAGS)
/** Octets. */
export const fragmentOffset = (v: DataView, at: number): number =>
  v.getUint16(at + OFFSET_FLAGS) & OFFSET_MASK
export const moreFragments = (v: DataView, at: number): boolean =>
  (v.getUint16(at + OFFSET_FLAGS) & MORE) !== 0
/** A signed word. */
export const identification = (v: DataView, at: number): number => v.getInt32(at + IDENTIFICATION)

/** Writes the whole header; `offsetFlags` is the offset in octets with MORE or'ed in. */
export function write(
  v: DataView,
  at: number,
  nextHeader: number,
  offsetFlags: number,
  identification: number,
): void {
  v.setUint8(at + NEXT_HEADER, nextHeader)
  v.setUint8(at + 1, 0)
  v.setUint16(at + OFFSET_FLAGS, offsetFlags)
  v.setInt32(at + IDENTIFICATION, identification)
}

/**
 * Takes the header at `at` out of the packet `[l3, end)` and closes the gap; `namedAt` is the octet
 * that names it. Of a fragment that is a whole datagram nothing else is needed (RFC 6946).
 */
export function remove(
  bytes: Uint8Array,
  v: DataView,
  l3: number,
  namedAt: number,
  at: number,
  end: number,
): void {
  v.setUint8(namedAt, nextHeader(v, at))
  bytes.copyWithin(at, at + LENGTH, end)
  v.setUint16(l3 + 4, v.getUint16(l3 + 4) - LENGTH)
}
