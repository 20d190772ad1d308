// SCTP common header and chunks, RFC 9260 section 3.
//
//    0                               16                            31
//   +-------------------------------+------------------------------+
//   |          source port          |       destination port       |
//   |                       verification tag                       |
//   |              checksum (CRC32c, low octet first)              |
//   +---------------+---------------+------------------------------+
//   |  chunk type   |     flags     |         chunk length         |
//   |  chunk value, padded to a multiple of four ...               |
//   +--------------------------------------------------------------+
import * as crc32c from './crc32c.js'

const SRC_PORT = 0
const DST_PORT = 2
const VERIFICATION_TAG = 4
const CHECKSUM = 8
/** Octets in the common header. */
export const MIN_LENGTH = 12
/** Octets in a chunk header. */
export const CHUNK_LENGTH = 4
/** Offset of the checksum, as virtio-net names it. */
export const CHECKSUM_OFFSET = CHECKSUM

/** Chunk types. */
export const DATA = 0
export const INIT = 1
export const INIT_ACK = 2
export const SACK = 3
export const HEARTBEAT = 4
export const HEARTBEAT_ACK = 5
export const ABORT = 6
export const SHUTDOWN = 7
export const SHUTDOWN_ACK = 8
export const ERROR = 9
export const COOKIE_ECHO = 10
export const COOKIE_ACK = 11
export const ECNE = 12
export const CWR = 13
export const SHUTDOWN_COMPLETE = 14
/** Chunk flag of ABORT and SHUTDOWN COMPLETE: the tag is the peer's own, reflected. */
export const T_BIT = 0x01

/** Whether `[at, end)` has room for the common header; chunks and checksum are not checked. */
export const isValid = (_v: DataView, at: number, end: number): boolean => end - at >= MIN_LENGTH

export const srcPort = (v: DataView, at: number): number => v.getUint16(at + SRC_PORT)
export const dstPort = (v: DataView, at: number): number => v.getUint16(at + DST_PORT)
/** A signed word. */
export const verificationTag = (v: DataView, at: number): number =>
  v.getInt32(at + VERIFICATION_TAG)
/** The CRC as `crc32c` returns it. Its low octet goes first (RFC 9260 appendix A). */
export const checksum = (v: DataView, at: number): number => v.getInt32(at + CHECKSUM, true)

export const setSrcPort = (v: DataView, at: number, port: number): void =>
  v.setUint16(at + SRC_PORT, port)
export const setDstPort = (v: DataView, at: number, port: number): void =>
  v.setUint16(at + DST_PORT, port)
export const setVerificationTag = (v: DataView, at: number, tag: number): void =>
  v.setInt32(at + VERIFICATION_TAG, tag)
export const setChecksum = (v: DataView, at: number, crc: number): void =>
  v.setInt32(at + CHECKSUM, crc, true)

/** The CRC of the packet `[at, end)`, taking its checksum field as zero; for `setChecksum`. */
export function computeChecksum(v: DataView, at: number, end: number): number {
  const head = crc32c.update(crc32c.INITIAL, v, at, at + CHECKSUM)
  // Four zero octets stand in for the field, so that the packet need not be touched.
  return crc32c.finish(crc32c.update(crc32c.zeros4(head), v, at + MIN_LENGTH, end))
}

export const hasGoodChecksum = (v: DataView, at: number, end: number): boolean =>
  computeChecksum(v, at, end) === checksum(v, at)

/** Offset of the first chunk of the packet at `at`, or -1 when it has none. */
export const firstChunk = (v: DataView, at: number, end: number): number =>
  isChunk(v, at + MIN_LENGTH, end) ? at + MIN_LENGTH : -1

/** Offset of the chunk behind the one at `chunk`, or -1 when there is none. */
export function nextChunk(v: DataView, chunk: number, end: number): number {
  // The length does not count the padding (RFC 9260 section 3.2).
  const next = chunk + ((chunkLength(v, chunk) + 3) & ~3)
  return isChunk(v, next, end) ? next : -1
}

/** Whether a chunk with a sane length starts at `at`. */
export const isChunk = (v: DataView, at: number, end: number): boolean =>
  end - at >= CHUNK_LENGTH && chunkLength(v, at) >= CHUNK_LENGTH && chunkLength(v, at) <= end - at

export const chunkType = (v: DataView, chunk: number): number => v.getUint8(chunk)
export const chunkFlags = (v: DataView, chunk: number): number => v.getUint8(chunk + 1)
/** Octets of chunk header and value, without padding. */
export const chunkLength = (v: DataView, chunk: number): number => v.getUint16(chunk + 2)
/** Initiate tag of an INIT or INIT ACK chunk (the first word of its value). */
export const initiateTag = (v: DataView, chunk: number): number => v.getInt32(chunk + CHUNK_LENGTH)

/** Writes a chunk header. */
export function writeChunk(
  v: DataView,
  chunk: number,
  type: number,
  flags: number,
  octets: number,
): void {
  v.setUint8(chunk, type)
  v.setUint8(chunk + 1, flags)
  v.setUint16(chunk + 2, octets)
}
