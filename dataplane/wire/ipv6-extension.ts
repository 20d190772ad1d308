// The chain of IPv6 extension headers, RFC 8200 section 4. All but Fragment and Authentication:
//
//    0               8               16                            31
//   +---------------+---------------+------------------------------+
//   |  next header  | (octets / 8)-1|  type-specific data          |
//   +---------------+---------------+------------------------------+
//
// Follows exthdrs_core.c:ipv6_find_hdr, which IPVS uses: an Authentication header is stepped over
// as well, and the walk ends at the first header that is none of these.
import * as ipv6Fragment from './ipv6-fragment.js'
import { AH, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ROUTING } from './ip-protocol.js'

/** RFC 8200 names six kinds, each once; more than this many headers is an attack. */
const HEADERS_MAX = 12

/** What a walk found; reuse one object. */
export class UpperLayer {
  /** Protocol of the upper layer, or NO_NEXT_HEADER. */
  protocol = 0
  /** Where it starts. Behind the Fragment header for a later fragment. */
  at = 0
  /** Where the Fragment header starts, 0 without one. */
  fragmentAt = 0
  /** Where the octet stands that names the Fragment header. */
  fragmentNamedAt = 0
  /** Octets of this fragment's offset. */
  fragmentOffset = 0
  moreFragments = false
  /** Where the first routing header with segments left starts, 0 without one. */
  routedAt = 0
}

/** Whether that Next Header value is stepped over by `walk`. */
export const isExtension = (protocol: number): boolean =>
  protocol === HOP_BY_HOP ||
  protocol === ROUTING ||
  protocol === FRAGMENT ||
  protocol === DESTINATION_OPTIONS ||
  protocol === AH

/**
 * Walks the chain that the octet at `namedAt` (a Next Header field) names and that starts at `at`.
 * Returns false when a header reaches past `end`, there are too many or two Fragment headers. Stops behind the Fragment
 * header of a later fragment, whose data is no header.
 */
export function walk(
  v: DataView,
  namedAt: number,
  at: number,
  end: number,
  out: UpperLayer,
): boolean {
  let protocol = v.getUint8(namedAt)
  out.fragmentAt = 0
  out.fragmentOffset = 0
  out.moreFragments = false
  out.routedAt = 0
  for (let count = 0; isExtension(protocol); count++) {
    // Every extension header has at least eight octets.
    if (count === HEADERS_MAX || end - at < 8) return false
    const octets = headerLength(v, protocol, at)
    if (octets > end - at) return false
    if (protocol === FRAGMENT) {
      // A fragment of a fragment: no sender makes one, and each header would tell another story.
      if (out.fragmentAt !== 0) return false
      out.fragmentAt = at
      out.fragmentNamedAt = namedAt
      out.fragmentOffset = ipv6Fragment.fragmentOffset(v, at)
      out.moreFragments = ipv6Fragment.moreFragments(v, at)
    } else if (protocol === ROUTING && out.routedAt === 0 && v.getUint8(at + 3) !== 0) {
      out.routedAt = at
    }
    namedAt = at
    protocol = v.getUint8(at)
    at += octets
    if (out.fragmentOffset !== 0) break
  }
  out.protocol = protocol
  out.at = at
  return true
}

/** Octets of the extension header of that kind at `at`; AH counts in words (RFC 4302). */
export function headerLength(v: DataView, protocol: number, at: number): number {
  if (protocol === FRAGMENT) return ipv6Fragment.LENGTH
  const units = v.getUint8(at + 1)
  return protocol === AH ? (units + 2) << 2 : (units + 1) << 3
}

/**
 * The octets that every fragment repeats (RFC 8200 section 4.5, Per-Fragment headers): up to and
 * including the last of hop-by-hop and routing headers, and destination options before a routing
 * header. Returns the offset behind them, or 0 when the chain is malformed. The offset of the
 * octet that names what follows is left in `out.fragmentNamedAt`.
 */
export function perFragmentEnd(v: DataView, l3: number, end: number, out: UpperLayer): number {
  let namedAt = l3 + 6
  let at = l3 + 40
  let protocol = v.getUint8(namedAt)
  let found = at
  out.fragmentNamedAt = namedAt
  for (let count = 0; isExtension(protocol) && protocol !== FRAGMENT && protocol !== AH; count++) {
    if (count === HEADERS_MAX || end - at < 8) return 0
    const kind = protocol
    const octets = headerLength(v, kind, at)
    if (octets > end - at) return 0
    namedAt = at
    protocol = v.getUint8(at)
    at += octets
    if (kind !== DESTINATION_OPTIONS) {
      found = at
      out.fragmentNamedAt = namedAt
    }
  }
  return found
}
