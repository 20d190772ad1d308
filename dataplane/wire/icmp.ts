// ICMP, RFC 792; the next-hop MTU is RFC 1191 section 4.
//
//    0               8               16                            31
//   +---------------+---------------+------------------------------+
//   |     type      |     code      |           checksum           |
//   |              rest of header, by type and code                |
//   |       quoted datagram, or the data of an echo ...            |
//   +--------------------------------------------------------------+
const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const REST = 4
const NEXT_HOP_MTU = 6
export const MIN_LENGTH = 8

/** Types. */
export const ECHO_REPLY = 0
export const UNREACHABLE = 3
export const SOURCE_QUENCH = 4
export const REDIRECT = 5
export const ECHO = 8
export const TIME_EXCEEDED = 11
export const PARAMETER_PROBLEM = 12
export const TIMESTAMP = 13
export const TIMESTAMP_REPLY = 14
/** Codes of UNREACHABLE. */
export const NET = 0
export const HOST = 1
export const PROTOCOL = 2
export const PORT = 3
export const FRAGMENTATION_NEEDED = 4
/** RFC 1812 5.2.7.1: communication administratively prohibited. */
export const PROHIBITED = 13
/** Codes of TIME_EXCEEDED. */
export const TTL = 0
export const REASSEMBLY = 1

/** Whether `[at, end)` has room for the header; type, code and checksum are not checked. */
export const isValid = (_v: DataView, at: number, end: number): boolean => end - at >= MIN_LENGTH

export const type = (v: DataView, at: number): number => v.getUint8(at + TYPE)
export const code = (v: DataView, at: number): number => v.getUint8(at + CODE)
export const checksum = (v: DataView, at: number): number => v.getUint16(at + CHECKSUM)
/** The second word, whatever it means. */
export const rest = (v: DataView, at: number): number => v.getInt32(at + REST)
/** Identifier and sequence number of an echo or timestamp. */
export const identifier = (v: DataView, at: number): number => v.getUint16(at + REST)
export const sequence = (v: DataView, at: number): number => v.getUint16(at + REST + 2)
/** Of FRAGMENTATION_NEEDED; 0 from routers that predate RFC 1191. */
export const nextHopMtu = (v: DataView, at: number): number => v.getUint16(at + NEXT_HOP_MTU)

/** Whether that type quotes the datagram it is about (RFC 1122 section 3.2.2). */
export const isError = (type: number): boolean =>
  type === UNREACHABLE ||
  type === SOURCE_QUENCH ||
  type === REDIRECT ||
  type === TIME_EXCEEDED ||
  type === PARAMETER_PROBLEM

/** Whether that type is a request or its reply, which may draw an error (RFC 1122 section 3.2.2). */
export const isQuery = (type: number): boolean =>
  type === ECHO || type === ECHO_REPLY || type === TIMESTAMP || type === TIMESTAMP_REPLY

export const setType = (v: DataView, at: number, type: number): void => v.setUint8(at + TYPE, type)
export const setCode = (v: DataView, at: number, code: number): void => v.setUint8(at + CODE, code)
export const setChecksum = (v: DataView, at: number, check: number): void =>
  v.setUint16(at + CHECKSUM, check)
export const setRest = (v: DataView, at: number, rest: number): void => v.setInt32(at + REST, rest)
