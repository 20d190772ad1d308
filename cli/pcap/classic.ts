/**
 * The classic capture format (draft-ietf-opsawg-pcap). All numbers in the byte order of the machine
 * that wrote it, which the magic number tells, as it tells the unit of the fraction of a second.
 *
 *     file    | magic | version | -- | -- | snaplen | link type |
 *     packet  | seconds | fraction | captured octets | wire octets | octets ... |
 */
import { CaptureError, PACKET_OCTETS_MAX, type CapturedPacket } from './capture.js'
import type { OctetSource } from './octet-source.js'

export const MICROSECOND_MAGIC = 0xa1b2c3d4
export const NANOSECOND_MAGIC = 0xa1b23c4d
export const HEADER_OCTETS = 24
export const RECORD_OCTETS = 16
const BILLION = 1_000_000_000n
/** The upper bits say how many octets of FCS a frame ends with. */
const LINK_TYPE_MASK = 0xffff
const FCS_PRESENT = 0x04000000

/** How a classic file's numbers are to be read, from its first four octets; null for another file. */
export function dialectOf(magic: DataView): { little: boolean; nanoseconds: boolean } | null {
  for (const little of [true, false]) {
    const value = magic.getUint32(0, little)
    if (value === MICROSECOND_MAGIC) return { little, nanoseconds: false }
    if (value === NANOSECOND_MAGIC) return { little, nanoseconds: true }
  }
  return null
}

/** Packets of the file whose magic number has been taken already. */
export function* readClassic(
  source: OctetSource,
  { little, nanoseconds }: { little: boolean; nanoseconds: boolean },
): Generator<CapturedPacket> {
  const rest = viewOf(source.take(HEADER_OCTETS - 4))
  if (rest.byteLength < HEADER_OCTETS - 4)
    throw new CaptureError('the file ends within its header', source.position)
  const version = rest.getUint16(0, little)
  if (version !== 2) throw new CaptureError(`unknown version ${version} of the format`, 4)
  const network = rest.getUint32(16, little)
  const linkType = network & LINK_TYPE_MASK
  const fcsOctets = (network & FCS_PRESENT) !== 0 ? (network >>> 28) * 2 : 0
  const unit = nanoseconds ? 1n : 1000n
  for (let number = 1; ; number++) {
    const position = source.position
    const header = viewOf(source.take(RECORD_OCTETS))
    if (header.byteLength === 0) return
    if (header.byteLength < RECORD_OCTETS)
      throw new CaptureError(`the file ends within the header of packet ${number}`, position)
    const captured = header.getUint32(8, little)
    if (captured > PACKET_OCTETS_MAX) {
      const detail = `packet ${number} claims ${captured} octets; the file is damaged`
      throw new CaptureError(detail, position)
    }
    const bytes = source.take(captured)
    if (bytes.length < captured) {
      const detail = `the file ends within packet ${number}, ${bytes.length} of ${captured} octets`
      throw new CaptureError(detail, position)
    }
    const seconds = BigInt(header.getUint32(0, little))
    const timeNs = seconds * BILLION + BigInt(header.getUint32(4, little)) * unit
    // Some writers leave the length on the wire at zero.
    const wireOctets = Math.max(captured, header.getUint32(12, little))
    const packet = { number, position, timeNs, linkType, interfaceName: null }
    // A frame check sequence is the end of the frame on the wire, not of what it carries.
    const cut = Math.max(0, captured - Math.max(0, wireOctets - fcsOctets))
    const end = fcsOctets === 0 ? captured : captured - Math.min(cut, fcsOctets)
    yield { ...packet, bytes: bytes.subarray(0, end), wireOctets: wireOctets - fcsOctets }
  }
}

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
