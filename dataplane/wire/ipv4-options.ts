// IPv4 options, RFC 791 section 3.1: one octet (END, NOP) or type, length, data.
//
//    7      6 5   4       0
//   +------+-----+---------+
//   | copy |class| number  |
//   +------+-----+---------+
export const END = 0
export const NOP = 1
export const RECORD_ROUTE = 7
export const TIMESTAMP = 68
/** Commercial IP security (draft-ietf-cipso-ipsecurity-01). */
export const CIPSO = 134
export const LOOSE_SOURCE_ROUTE = 131
export const STRICT_SOURCE_ROUTE = 137
export const ROUTER_ALERT = 148
/** Octets of all options together: what the header length leaves. */
export const MAX_OCTETS = 40
/** Where an option with slots says which is the next free one; the type is octet 1 there. */
export const POINTER_AT = 2
/** Of a timestamp option: how often there was no room (high half), and what a slot holds. */
export const FLAGS_AT = 3
/** Slots: times; addresses with times; the same, for those routers alone that are named already. */
export const TIMES = 0
export const ADDRESSES = 1
export const PRESPECIFIED = 3
/** Bit of the type: the option goes into every fragment, not only into the first. */
export const COPY = 0x80

export const type = (v: DataView, at: number): number => v.getUint8(at)

/**
 * Octets of the option at `at`, or 0 when it has a bad length or reaches past `end`. END is one
 * octet and the walk stops there.
 */
export function length(v: DataView, at: number, end: number): number {
  if (v.getUint8(at) <= NOP) return 1
  if (end - at < 2) return 0
  const octets = v.getUint8(at + 1)
  return octets >= 2 && octets <= end - at ? octets : 0
}

/** Offset of the first option of that type in `[at, end)`, 0 when absent, -1 when malformed. */
export function find(v: DataView, at: number, end: number, wanted: number): number {
  while (at < end) {
    const found = type(v, at)
    if (found === END) return 0
    const octets = length(v, at, end)
    if (octets === 0) return -1
    if (found === wanted) return at
    at += octets
  }
  return 0
}
