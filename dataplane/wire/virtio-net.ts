// struct virtio_net_hdr, virtio 1.2 section 5.1.6, as PACKET_VNET_HDR uses it: ten octets before
// the Ethernet header, in the host's own order. That is little-endian on every machine this runs
// on, and the only header here that is not in network order.
//
//    0       1       2               4               6               8              10
//   +-------+-------+---------------+---------------+---------------+---------------+
//   | flags |gsoType|    hdrLen     |    gsoSize    |   csumStart   |  csumOffset   |
//   +-------+-------+---------------+---------------+---------------+---------------+
//
// csumStart counts from the Ethernet header, csumOffset from csumStart.
const FLAGS = 0
const GSO_TYPE = 1
const HDR_LEN = 2
const GSO_SIZE = 4
const CSUM_START = 6
const CSUM_OFFSET = 8
export const LENGTH = 10

/** Masks of `flags`. */
export const NEEDS_CSUM = 1
export const DATA_VALID = 2

/** Values of `gsoType` without the ECN bit. */
export const GSO_NONE = 0
export const GSO_TCPV4 = 1
export const GSO_UDP = 3
export const GSO_TCPV6 = 4
export const GSO_UDP_L4 = 5
/** Bit of `gsoType`: the first segment carries CWR. */
export const GSO_ECN = 0x80

export const flags = (v: DataView, at: number): number => v.getUint8(at + FLAGS)
export const gsoType = (v: DataView, at: number): number => v.getUint8(at + GSO_TYPE)
/** Octets of all headers; a hint of the sender that must not be trusted. */
export const hdrLen = (v: DataView, at: number): number => v.getUint16(at + HDR_LEN, true)
/** Octets of payload in each segment. */
export const gsoSize = (v: DataView, at: number): number => v.getUint16(at + GSO_SIZE, true)
export const csumStart = (v: DataView, at: number): number => v.getUint16(at + CSUM_START, true)
export const csumOffset = (v: DataView, at: number): number => v.getUint16(at + CSUM_OFFSET, true)

export const setFlags = (v: DataView, at: number, flags: number): void =>
  v.setUint8(at + FLAGS, flags)
export const setGsoType = (v: DataView, at: number, type: number): void =>
  v.setUint8(at + GSO_TYPE, type)
export const setHdrLen = (v: DataView, at: number, octets: number): void =>
  v.setUint16(at + HDR_LEN, octets, true)
export const setGsoSize = (v: DataView, at: number, octets: number): void =>
  v.setUint16(at + GSO_SIZE, octets, true)
export const setCsumStart = (v: DataView, at: number, start: number): void =>
  v.setUint16(at + CSUM_START, start, true)
export const setCsumOffset = (v: DataView, at: number, offset: number): void =>
  v.setUint16(at + CSUM_OFFSET, offset, true)

/** Whether the transport checksum holds only the pseudo-header sum so far. */
export const needsChecksum = (v: DataView, at: number): boolean =>
  (v.getUint8(at + FLAGS) & NEEDS_CSUM) !== 0
/** Whether the frame stands for several packets. */
export const isGso = (v: DataView, at: number): boolean => v.getUint8(at + GSO_TYPE) !== GSO_NONE

/** An ordinary frame whose checksum somebody behind completes: from `start` on, at `offset` there. */
export function leaveChecksum(v: DataView, at: number, start: number, offset: number): void {
  clear(v, at)
  setFlags(v, at, NEEDS_CSUM)
  setCsumStart(v, at, start)
  setCsumOffset(v, at, offset)
}

/** As `leaveChecksum` before it, for a frame that somebody behind cuts: payload a segment, headers. */
export function leaveSegments(
  v: DataView,
  at: number,
  type: number,
  gsoOctets: number,
  headerOctets: number,
): void {
  setGsoType(v, at, type)
  setGsoSize(v, at, gsoOctets)
  setHdrLen(v, at, headerOctets)
}

/** No offload: an ordinary frame with complete checksums. */
export function clear(v: DataView, at: number): void {
  v.setInt32(at, 0)
  v.setInt32(at + 4, 0)
  v.setUint16(at + 8, 0)
}
