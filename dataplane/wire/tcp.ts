// TCP header, RFC 9293 section 3.1. Offsets in octets from the start of the header.
//
//    0                               16                            31
//   +-------------------------------+------------------------------+
//   |          source port          |       destination port       |
//   |                       sequence number                        |
//   |                    acknowledgement number                    |
//   +-------+-------+---------------+------------------------------+
//   | offset|  rsv  |     flags     |            window            |
//   |           checksum            |        urgent pointer        |
//   |                      options, padding                        |
//   +--------------------------------------------------------------+
const SRC_PORT = 0
const DST_PORT = 2
const SEQUENCE = 4
const ACKNOWLEDGEMENT = 8
const DATA_OFFSET = 12
const FLAGS = 13
const WINDOW = 14
const CHECKSUM = 16
const URGENT = 18
/** Octets in a header without options. */
export const MIN_LENGTH = 20
/** Offset of the checksum, as virtio-net names it. */
export const CHECKSUM_OFFSET = CHECKSUM

/** Masks of `flags`. */
export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const PSH = 0x08
export const ACK = 0x10
export const URG = 0x20
export const ECE = 0x40
export const CWR = 0x80

/**
 * Whether `[at, end)` holds the fixed header and the options it claims. Ports, flags and checksum
 * are not checked. IPVS asks for less: only the fixed header has to be there.
 */
export function isValid(v: DataView, at: number, end: number): boolean {
  if (end - at < MIN_LENGTH) return false
  const header = headerLength(v, at)
  return header >= MIN_LENGTH && header <= end - at
}

export const srcPort = (v: DataView, at: number): number => v.getUint16(at + SRC_PORT)
export const dstPort = (v: DataView, at: number): number => v.getUint16(at + DST_PORT)
/** Sequence numbers are signed words; compare them with seq.ts. */
export const seq = (v: DataView, at: number): number => v.getInt32(at + SEQUENCE)
export const ack = (v: DataView, at: number): number => v.getInt32(at + ACKNOWLEDGEMENT)
/** Octets of header, options included. */
export const headerLength = (v: DataView, at: number): number =>
  (v.getUint8(at + DATA_OFFSET) >>> 4) << 2
export const flags = (v: DataView, at: number): number => v.getUint8(at + FLAGS)
/** Data offset, reserved bits and flags as one field. */
export const offsetFlags = (v: DataView, at: number): number => v.getUint16(at + DATA_OFFSET)
export const window = (v: DataView, at: number): number => v.getUint16(at + WINDOW)
export const checksum = (v: DataView, at: number): number => v.getUint16(at + CHECKSUM)
export const urgent = (v: DataView, at: number): number => v.getUint16(at + URGENT)

export const setSrcPort = (v: DataView, at: number, port: number): void =>
  v.setUint16(at + SRC_PORT, port)
export const setDstPort = (v: DataView, at: number, port: number): void =>
  v.setUint16(at + DST_PORT, port)
export const setSeq = (v: DataView, at: number, sequence: number): void =>
  v.setInt32(at + SEQUENCE, sequence)
export const setAck = (v: DataView, at: number, sequence: number): void =>
  v.setInt32(at + ACKNOWLEDGEMENT, sequence)
/** Data offset (words << 12), reserved bits and flags as one field. */
export const setOffsetFlags = (v: DataView, at: number, field: number): void =>
  v.setUint16(at + DATA_OFFSET, field)
export const setFlags = (v: DataView, at: number, flags: number): void =>
  v.setUint8(at + FLAGS, flags)
export const setWindow = (v: DataView, at: number, window: number): void =>
  v.setUint16(at + WINDOW, window)
export const setChecksum = (v: DataView, at: number, check: number): void =>
  v.setUint16(at + CHECKSUM, check)
export const setUrgent = (v: DataView, at: number, urgent: number): void =>
  v.setUint16(at + URGENT, urgent)
