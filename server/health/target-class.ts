/**
 * Where a check would send packets to, seen from who may want that. A check whose target is not the
 * real server's own address makes the balancer ask others, so it needs more rights; loopback and
 * link-local addresses reach what is meant for the host itself or its next neighbours (metadata
 * services, for example) and need to be allowed one by one. This only says which it is.
 */
import { isIP } from 'node:net'
import { addressOctets, notUsable, parseAddress } from '../ip-address.js'

export type TargetScope = 'loopback' | 'linkLocal' | 'host' | 'global'

export type TargetClass =
  /** No host can have it: a reason for people. */
  | { usable: false; reason: string }
  | { usable: true; address: string; own: boolean; scope: TargetScope }

/**
 * `serverAddress` is the real server's, `hostAddresses` what this host has, VIPs included; an
 * address among those reaches the host's own services as a loopback address does.
 */
export function classifyTarget(
  target: string,
  serverAddress: string | null,
  hostAddresses: readonly string[] = [],
): TargetClass {
  const address = parseAddress(target)
  if (address === null) return { usable: false, reason: 'it is no IPv4 or IPv6 address' }
  // Connecting to the unspecified address is connecting to the host itself.
  const reason = notUsable(address) ?? compatible(address.text)
  if (reason !== null) return { usable: false, reason }
  const { text } = address
  const own = serverAddress !== null && parseAddress(serverAddress)?.text === text
  const isHosts = hostAddresses.some(each => parseAddress(each)?.text === text)
  return { usable: true, address: text, own, scope: scopeOf(text, isHosts) }
}

function scopeOf(text: string, isHosts: boolean): TargetScope {
  const octets = addressOctets(text)
  if (isIP(text) === 4) {
    // RFC 1122 section 3.2.1.3, RFC 3927.
    if (octets[0] === 127) return 'loopback'
    if (octets[0] === 169 && octets[1] === 254) return 'linkLocal'
  } else {
    // RFC 4291 sections 2.5.3 and 2.5.6.
    if (text === '::1') return 'loopback'
    if (octets[0] === 0xfe && (octets[1]! & 0xc0) === 0x80) return 'linkLocal'
  }
  return isHosts ? 'host' : 'global'
}

/** ::a.b.c.d, RFC 4291 section 2.5.5.1: long deprecated, and a way to write other addresses. */
function compatible(text: string): string | null {
  if (isIP(text) !== 6 || text === '::1') return null
  const isCompatible = addressOctets(text)
    .subarray(0, 12)
    .every(octet => octet === 0)
  return isCompatible ? 'IPv4-compatible IPv6 addresses belong to no host' : null
}
