/**
 * From rtnetlink(7) messages to our records. Every decoder takes the extent [at, end) of the part
 * behind the netlink header and returns null for what is malformed or none of our business.
 */
import { IPV4, IPV6 } from '../packet.js'
import { HOST_ORDER } from '../sys/libc.js'
import type { InterfaceAddress } from './addresses.js'
import type { Link } from './links.js'
import type { NeighbourAddress } from './neighbours.js'
import { eachAttribute } from './netlink-message.js'
import type { Gateway, Hop, Route } from './route.js'

const AF_UNSPEC = 0
const AF_INET = 2
const AF_INET6 = 10
const IFF_UP = 0x1
/** Its carrier is there and has been acted upon (operational state, RFC 2863). */
const IFF_RUNNING = 0x40
const RTM_F_CLONED = 0x200
const RTNH_F_DEAD = 0x01
const NTF_PROXY = 0x08

// Attribute numbers of each message kind.
const IFLA = { address: 1, name: 3, mtu: 4 }
const IFA = { address: 1, local: 2, flags: 8 }
const NDA = { destination: 1, linkAddress: 2 }
const RTA = {
  destination: 1,
  interface: 4,
  gateway: 5,
  priority: 6,
  metrics: 8,
  multipath: 9,
  table: 15,
  via: 18,
  encapsulation: 22,
}
const RTAX_MTU = 2
const NEXTHOP = 8 // struct rtnexthop: u16 length, u8 flags, u8 hops, int ifindex

interface Words {
  w0: number
  w1: number
  w2: number
  w3: number
}
const ZERO: Words = { w0: 0, w1: 0, w2: 0, w3: 0 }
interface Mac {
  high: number
  low: number
}
const NO_MAC: Mac = { high: 0, low: 0 }

const familyOf = (af: number): number => (af === AF_INET ? IPV4 : af === AF_INET6 ? IPV6 : 0)

/** An address of four or sixteen octets; null for any other length. */
function words(v: DataView, at: number, end: number): Words | null {
  if (end - at === 4) return { ...ZERO, w0: v.getInt32(at) }
  if (end - at !== 16) return null
  return {
    w0: v.getInt32(at),
    w1: v.getInt32(at + 4),
    w2: v.getInt32(at + 8),
    w3: v.getInt32(at + 12),
  }
}

const u32 = (v: DataView, at: number, end: number): number =>
  end - at >= 4 ? v.getUint32(at, HOST_ORDER) : 0

const macOf = (v: DataView, at: number, end: number): Mac | null =>
  end - at === 6 ? { high: v.getUint16(at), low: v.getInt32(at + 2) } : null

function text(v: DataView, at: number, end: number): string {
  let result = ''
  for (; at < end && v.getUint8(at) !== 0; at++) result += String.fromCharCode(v.getUint8(at))
  return result
}

/** struct ifinfomsg: u8 family, u16 type at 2, int index at 4, u32 flags at 8. */
export function link(v: DataView, at: number, end: number): Link | null {
  // Bridges announce their ports under their own family; those are not links coming or going.
  if (end - at < 16 || v.getUint8(at) !== AF_UNSPEC) return null
  let name = ''
  let mtuOctets = 0
  let macHigh = 0
  let macLow = 0
  eachAttribute(v, at + 16, end, (type, from, to) => {
    if (type === IFLA.name) name = text(v, from, to)
    else if (type === IFLA.mtu) mtuOctets = u32(v, from, to)
    else if (type === IFLA.address) ({ high: macHigh, low: macLow } = macOf(v, from, to) ?? NO_MAC)
  })
  const wanted = IFF_UP | IFF_RUNNING
  const up = (v.getUint32(at + 8, HOST_ORDER) & wanted) === wanted
  return { ifIndex: v.getInt32(at + 4, HOST_ORDER), name, mtuOctets, up, macHigh, macLow }
}

/** struct ifaddrmsg: u8 family, prefix length, flags, scope, u32 index. */
export function address(v: DataView, at: number, end: number): InterfaceAddress | null {
  if (end - at < 8) return null
  const family = familyOf(v.getUint8(at))
  if (family === 0) return null
  let flags = v.getUint8(at + 2)
  const scope = v.getUint8(at + 3)
  // Point-to-point links have the peer in IFA_ADDRESS and their own in IFA_LOCAL.
  const found: { local: Words | null; address: Words | null } = { local: null, address: null }
  eachAttribute(v, at + 8, end, (type, from, to) => {
    if (type === IFA.local) found.local = words(v, from, to)
    else if (type === IFA.address) found.address = words(v, from, to)
    else if (type === IFA.flags) flags = u32(v, from, to)
  })
  const own = found.local ?? found.address
  if (own === null) return null
  return { ifIndex: v.getInt32(at + 4, HOST_ORDER), family, ...own, scope, flags }
}

export interface DecodedNeighbour {
  address: NeighbourAddress
  state: number
  mac: Mac | null
}

/** struct ndmsg: u8 family, int index at 4, u16 state at 8, u8 flags at 10. */
export function neighbour(v: DataView, at: number, end: number): DecodedNeighbour | null {
  if (end - at < 12 || (v.getUint8(at + 10) & NTF_PROXY) !== 0) return null
  const family = familyOf(v.getUint8(at))
  if (family === 0) return null
  const found: { destination: Words | null; mac: Mac | null } = { destination: null, mac: null }
  eachAttribute(v, at + 12, end, (type, from, to) => {
    if (type === NDA.destination) found.destination = words(v, from, to)
    else if (type === NDA.linkAddress) found.mac = macOf(v, from, to)
  })
  if (found.destination === null) return null
  const ifIndex = v.getInt32(at + 4, HOST_ORDER)
  const state = v.getUint16(at + 8, HOST_ORDER)
  return { address: { ifIndex, family, ...found.destination }, state, mac: found.mac }
}

/** What stands in a route message, or in one next hop of a multipath one. */
interface HopParts {
  ifIndex: number
  via: Gateway | null
  encapsulated: boolean
}

/** Takes an attribute that describes a next hop; returns whether it was one. */
function hopAttribute(
  parts: HopParts,
  family: number,
  v: DataView,
  type: number,
  from: number,
  to: number,
): void {
  if (type === RTA.interface) parts.ifIndex = u32(v, from, to)
  else if (type === RTA.encapsulation) parts.encapsulated = true
  else if (type === RTA.gateway) {
    const found = words(v, from, to)
    if (found !== null) parts.via = { family, ...found }
  } else if (type === RTA.via && to - from > 2) {
    const viaFamily = familyOf(v.getUint16(from, HOST_ORDER))
    const found = words(v, from + 2, to)
    if (found !== null && viaFamily !== 0) parts.via = { family: viaFamily, ...found }
  }
}

function multipath(v: DataView, at: number, end: number, family: number): Hop[] {
  const hops: Hop[] = []
  while (end - at >= NEXTHOP) {
    const octets = v.getUint16(at, HOST_ORDER)
    if (octets < NEXTHOP || octets > end - at) break
    const ifIndex = v.getInt32(at + 4, HOST_ORDER)
    const parts: HopParts = { ifIndex, via: null, encapsulated: false }
    eachAttribute(v, at + NEXTHOP, at + octets, (type, from, to) =>
      hopAttribute(parts, family, v, type, from, to),
    )
    const dead = (v.getUint8(at + 2) & RTNH_F_DEAD) !== 0
    hops.push({ ...parts, weight: v.getUint8(at + 3) + 1, dead })
    at += (octets + 3) & ~3
  }
  return hops
}

function metricsMtu(v: DataView, at: number, end: number): number {
  let mtuOctets = 0
  eachAttribute(v, at, end, (type, from, to) => {
    if (type === RTAX_MTU) mtuOctets = u32(v, from, to)
  })
  return mtuOctets
}

/**
 * struct rtmsg: u8 family, destination length, source length, tos, table, protocol, scope, type,
 * u32 flags. Routes by source prefix and cached exceptions are none of ours.
 */
export function route(v: DataView, at: number, end: number): Route | null {
  if (end - at < 12) return null
  const family = familyOf(v.getUint8(at))
  const prefixLength = v.getUint8(at + 1)
  const flags = v.getUint32(at + 8, HOST_ORDER)
  if (family === 0 || v.getUint8(at + 2) !== 0 || (flags & RTM_F_CLONED) !== 0) return null
  if (prefixLength > (family === IPV4 ? 32 : 128)) return null
  let table = v.getUint8(at + 4)
  let metric = 0
  let mtuOctets = 0
  const found: { destination: Words | null; paths: Hop[] | null } = {
    destination: ZERO,
    paths: null,
  }
  const parts: HopParts = { ifIndex: 0, via: null, encapsulated: false }
  eachAttribute(v, at + 12, end, (type, from, to) => {
    if (type === RTA.destination) found.destination = words(v, from, to)
    else if (type === RTA.table) table = u32(v, from, to)
    else if (type === RTA.priority) metric = u32(v, from, to)
    else if (type === RTA.metrics) mtuOctets = metricsMtu(v, from, to)
    else if (type === RTA.multipath) found.paths = multipath(v, from, to, family)
    else hopAttribute(parts, family, v, type, from, to)
  })
  const single: Hop[] =
    parts.ifIndex === 0 ? [] : [{ ...parts, weight: 1, dead: (flags & RTNH_F_DEAD) !== 0 }]
  if (found.destination === null) return null
  const hops = found.paths ?? single
  const prefix = { family, table, ...found.destination, length: prefixLength }
  return { ...prefix, type: v.getUint8(at + 7), tos: v.getUint8(at + 3), metric, hops, mtuOctets }
}
