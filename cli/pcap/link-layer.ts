/**
 * Finds the IP packet in a captured frame, and what its link layer says about where it came from
 * (https://www.tcpdump.org/linktypes.html).
 *
 *     Ethernet   | dst 6 | src 6 | type 2 | ...
 *     cooked     | packet type 2 | ARPHRD 2 | length 2 | address 8 | protocol 2 | ...
 *     cooked v2  | protocol 2 | -- 2 | interface 4 | ARPHRD 2 | packet type 1 | length 1 | address 8 |
 */
import * as mac from '../../dataplane/wire/mac.js'
import { LinkType, type CapturedPacket } from './capture.js'
import { viewOf } from './classic.js'

export interface LinkFrame {
  /** From the network header on; null when it is not IP. */
  ip: Uint8Array | null
  etherType: number
  /** Null where the link layer has none. */
  srcMac: mac.Mac | null
  dstMac: mac.Mac | null
  /** What Linux's packet type says; null where there is none. */
  delivery: 'host' | 'group' | 'other' | 'outgoing' | null
  /** Its VLAN, 0 for none. */
  vlan: number
}

const IPV4 = 0x0800
const IPV6 = 0x86dd
const VLANS: readonly number[] = [0x8100, 0x88a8, 0x9100]
const DELIVERIES = ['host', 'group', 'group', 'other', 'outgoing'] as const
const MAC_OCTETS = 6

/** Null for a frame too short for its link layer, a text for a link type that is not understood. */
export function readLinkLayer({ linkType, bytes }: CapturedPacket): LinkFrame | string | null {
  switch (linkType) {
    case LinkType.ethernet:
      return readEthernet(bytes)
    case LinkType.raw:
    case LinkType.rawBsd:
    case LinkType.rawOpenBsd:
    case LinkType.ipv4:
    case LinkType.ipv6:
      return readRaw(bytes)
    case LinkType.cooked:
      return readCooked(bytes)
    case LinkType.cooked2:
      return readCooked2(bytes)
    default:
      return `link type ${linkType} is not understood; known are Ethernet (1), raw IP (101, 12, 14, 228, 229) and Linux cooked (113, 276)`
  }
}

function readEthernet(bytes: Uint8Array): LinkFrame | null {
  if (bytes.length < 14) return null
  const view = viewOf(bytes)
  const dstMac = { high: view.getUint16(0), low: view.getInt32(2) }
  const srcMac = { high: view.getUint16(6), low: view.getInt32(8) }
  const delivery = (dstMac.high & 0x0100) !== 0 ? 'group' : null
  return network(bytes, view.getUint16(12), 14, { srcMac, dstMac, delivery })
}

function readRaw(bytes: Uint8Array): LinkFrame | null {
  if (bytes.length < 1) return null
  const version = bytes[0]! >>> 4
  // Neither is IP of an unknown version, which the engine shall see too.
  const etherType = version === 6 ? IPV6 : IPV4
  return network(bytes, etherType, 0, { srcMac: null, dstMac: null, delivery: null })
}

function readCooked(bytes: Uint8Array): LinkFrame | null {
  if (bytes.length < 16) return null
  const view = viewOf(bytes)
  const srcMac = cookedMac(view, 4, 6)
  const delivery = DELIVERIES[view.getUint16(0)] ?? null
  return network(bytes, view.getUint16(14), 16, { srcMac, dstMac: null, delivery })
}

function readCooked2(bytes: Uint8Array): LinkFrame | null {
  if (bytes.length < 20) return null
  const view = viewOf(bytes)
  const octets = view.getUint8(11)
  const srcMac = octets === MAC_OCTETS ? { high: view.getUint16(12), low: view.getInt32(14) } : null
  const delivery = DELIVERIES[view.getUint8(10)] ?? null
  return network(bytes, view.getUint16(0), 20, { srcMac, dstMac: null, delivery })
}

function cookedMac(view: DataView, lengthAt: number, at: number): mac.Mac | null {
  if (view.getUint16(lengthAt) !== MAC_OCTETS) return null
  return { high: view.getUint16(at), low: view.getInt32(at + 2) }
}

/** Steps over VLAN tags, of which the outermost is remembered. */
function network(
  bytes: Uint8Array,
  etherType: number,
  at: number,
  rest: Pick<LinkFrame, 'srcMac' | 'dstMac' | 'delivery'>,
): LinkFrame | null {
  const view = viewOf(bytes)
  let vlan = 0
  while (VLANS.includes(etherType)) {
    if (bytes.length < at + 4) return null
    vlan ||= view.getUint16(at) & 0xfff
    etherType = view.getUint16(at + 2)
    at += 4
  }
  const isIp = etherType === IPV4 || etherType === IPV6
  return { ...rest, etherType, vlan, ip: isIp ? bytes.subarray(at) : null }
}
