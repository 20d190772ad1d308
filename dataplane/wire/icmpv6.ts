// ICMPv6, RFC 4443. The checksum covers the pseudo-header of RFC 8200 section 8.1.
//
//    0               8               16                            31
//   +---------------+---------------+------------------------------+
//   |     type      |     code      |           checksum           |
//   |              rest of header, by type and code                |
//   |       quoted packet, or the data of an echo ...              |
//   +--------------------------------------------------------------+
const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const REST = 4
export const MIN_LENGTH = 8
/** Offset of the checksum, as virtio-net names it. */
export const CHECKSUM_OFFSET = CHECKSUM

/** Error types, below 128. */
export const UNREACHABLE = 1
export const PACKET_TOO_BIG = 2
export const TIME_EXCEEDED = 3
export const PARAMETER_PROBLEM = 4
/** Informational types. */
export const ECHO = 128
export const ECHO_REPLY = 129
export const ROUTER_SOLICITATION = 133
export const ROUTER_ADVERTISEMENT = 134
export const NEIGHBOUR_SOLICITATION = 135
export const NEIGHBOUR_ADVERTISEMENT = 136
/** Codes of UNREACHABLE. */
export const NO_ROUTE = 0
export const PROHIBITED = 1
export const ADDRESS = 3
export const PORT = 4
/** Codes of PARAMETER_PROBLEM. */
export const ERRONEOUS_FIELD = 0
export const UNKNOWN_NEXT_HEADER = 1
/** Codes of TIME_EXCEEDED. */
export const HOP_LIMIT = 0
export const REASSEMBLY = 1

/** Whether `[at, end)` has room for the header; type, code and checksum are not checked. */
export const isValid = (_v: DataView, at: number, end: number): boolean => end - at >= MIN_LENGTH

export const type = (v: DataView, at: number): number => v.getUint8(at + TYPE)
export const code = (v: DataView, at: number): number => v.getUint8(at + CODE)
export const checksum = (v: DataView, at: number): number => v.getUint16(at + CHECKSUM)
/** The second word, whatever it means. */
export const rest = (v: DataView, at: number): number => v.getInt32(at + REST)
/** Identifier and sequence number of an echo. */
export const identifier = (v: DataView, at: number): number => v.getUint16(at + REST)
export const sequence = (v: DataView, at: number): number => v.getUint16(at + REST + 2)
/** Of PACKET_TOO_BIG. */
export const mtu = (v: DataView, at: number): number => v.getUint32(at + REST)

/** Whether that type quotes the packet it is about (RFC 4443 section 2.1). */
export const isError = (type: number): boolean => type < 128

export const setType = (v: DataView, at: number, type: number): void => v.setUint8(at + TYPE, type)
export const setCode = (v: DataView, at: number, code: number): void => v.setUint8(at + CODE, code)
export const setChecksum = (v: DataView, at: number, check: number): void =>
  v.setUint16(at + CHECKSUM, check)
export const setRest = (v: DataView, at: number, rest: number): void => v.setInt32(at + REST, rest)
