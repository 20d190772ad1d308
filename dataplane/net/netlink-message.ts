/**
 * Netlink messages (netlink(7)): a header in the machine's byte order, a fixed part, and attributes
 * of 16-bit length and type, each padded to four octets.
 *
 *     0        4      6       8          12         16
 *     | length | type | flags | sequence | port id  | fixed part | attributes ...
 */
import { HOST_ORDER } from '../sys/libc.js'

export const HEADER = 16
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLM_F_REQUEST = 0x001
export const NLM_F_DUMP_INTR = 0x010
export const NLM_F_REPLACE = 0x100
export const NLM_F_DUMP = 0x300
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

const ATTRIBUTE = 4
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER share the type field. */
const TYPE_MASK = 0x3fff

const align = (octets: number): number => (octets + 3) & ~3

export const length = (v: DataView, at: number): number => v.getUint32(at, HOST_ORDER)
export const type = (v: DataView, at: number): number => v.getUint16(at + 4, HOST_ORDER)
export const flags = (v: DataView, at: number): number => v.getUint16(at + 6, HOST_ORDER)
export const sequence = (v: DataView, at: number): number => v.getUint32(at + 8, HOST_ORDER)

/** Whether a whole message starts at `at`: its length covers the header and stays before `end`. */
export function isValid(v: DataView, at: number, end: number): boolean {
  if (end - at < HEADER) return false
  const octets = length(v, at)
  return octets >= HEADER && octets <= end - at
}

export const next = (v: DataView, at: number): number => at + align(length(v, at))

/**
 * Calls `visit` with the type and the extent of the value of each attribute in [at, end); stops at
 * the first that is not sane.
 */
export function eachAttribute(
  v: DataView,
  at: number,
  end: number,
  visit: (type: number, at: number, end: number) => void,
): void {
  while (end - at >= ATTRIBUTE) {
    const octets = v.getUint16(at, HOST_ORDER)
    if (octets < ATTRIBUTE || octets > end - at) return
    visit(v.getUint16(at + 2, HOST_ORDER) & TYPE_MASK, at + ATTRIBUTE, at + octets)
    at += align(octets)
  }
}

export interface OutgoingAttribute {
  type: number
  value: Uint8Array
}

/** A whole message; `fixed` is the family's part behind the header. */
export function build(
  message: { type: number; flags: number; sequence: number },
  fixed: Uint8Array,
  attributes: readonly OutgoingAttribute[] = [],
): Uint8Array {
  let octets = HEADER + align(fixed.length)
  for (const { value } of attributes) octets += align(ATTRIBUTE + value.length)
  const bytes = new Uint8Array(octets)
  const v = new DataView(bytes.buffer)
  v.setUint32(0, octets, HOST_ORDER)
  v.setUint16(4, message.type, HOST_ORDER)
  v.setUint16(6, message.flags, HOST_ORDER)
  v.setUint32(8, message.sequence, HOST_ORDER)
  bytes.set(fixed, HEADER)
  let at = HEADER + align(fixed.length)
  for (const attribute of attributes) {
    v.setUint16(at, ATTRIBUTE + attribute.value.length, HOST_ORDER)
    v.setUint16(at + 2, attribute.type, HOST_ORDER)
    bytes.set(attribute.value, at + ATTRIBUTE)
    at += align(ATTRIBUTE + attribute.value.length)
  }
  return bytes
}
