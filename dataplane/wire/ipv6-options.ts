// Options of IPv6 hop-by-hop and destination options headers, RFC 8200 section 4.2: one octet of
// padding, or type, length of the data, data. The two high bits of a type say what becomes of a
// packet with an option that is not known:
//
//    7   6 5       0
//   +-----+---------+
//   | act |  number |    00 goes on, all others are dropped (10 and 11 with an answer)
//   +-----+---------+
const PAD1 = 0
const PADN = 1
const ROUTER_ALERT = 5
const HEADER_OCTETS = 2
const ACTION = 0xc0
/** No alignment needs more (RFC 4942 section 2.1.9.5; ip6_parse_tlv). */
const PADDING_MAX = 7

/**
 * Whether the kernel lets a packet pass whose hop-by-hop header is `[at, end)`. It sees it, and
 * answers it, before its packet filter does (ip6_rcv_core). Jumbograms never come here whole.
 */
export function isAcceptable(v: DataView, at: number, end: number): boolean {
  let padding = 0
  for (at += HEADER_OCTETS; at < end;) {
    const type = v.getUint8(at)
    if (type === PAD1) {
      if (++padding > PADDING_MAX) return false
      at++
      continue
    }
    if (end - at < 2) return false
    const octets = v.getUint8(at + 1) + 2
    if (octets > end - at) return false
    if (type === PADN) {
      padding += octets
      if (padding > PADDING_MAX || !isZero(v, at + 2, at + octets)) return false
    } else {
      padding = 0
      if (type === ROUTER_ALERT ? octets !== 4 : (type & ACTION) !== 0) return false
    }
    at += octets
  }
  return true
}

function isZero(v: DataView, at: number, end: number): boolean {
  for (; at < end; at++) if (v.getUint8(at) !== 0) return false
  return true
}
