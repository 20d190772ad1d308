/**
 * One readable line for a packet, after tcpdump's manner, for tests, replay and the log of faults:
 *
 *     ip 192.0.2.9.31337 > 198.51.100.1.80: tcp S seq 1 win 65535 len 0 ttl 64
 *
 * Reads only octets, never what parse found, and takes any octets at all: what is cut short or
 * nonsense is said so in brackets. Nothing here is for the packet path.
 */
import { formatTransport, type Layer } from './format-transport.js'
import type { Packet } from './packet.js'
import * as address from './wire/address.js'
import * as arp from './wire/arp.js'
import * as checksum from './wire/checksum.js'
import * as ethernet from './wire/ethernet.js'
import * as gre from './wire/gre.js'
import { GRE, IPIP, IPV6, NO_NEXT_HEADER } from './wire/ip-protocol.js'
import * as ipv4 from './wire/ipv4.js'
import * as ipv4Options from './wire/ipv4-options.js'
import * as ipv6 from './wire/ipv6.js'
import * as ipv6Extension from './wire/ipv6-extension.js'
import * as ipv6Fragment from './wire/ipv6-fragment.js'
import * as mac from './wire/mac.js'
import * as virtioNet from './wire/virtio-net.js'

/** Packets within packets that are still shown. */
const DEPTH_MAX = 4

const GSO_NAMES: Record<number, string> = {
  [virtioNet.GSO_TCPV4]: 'tcp4',
  [virtioNet.GSO_TCPV6]: 'tcp6',
  [virtioNet.GSO_UDP]: 'ufo',
  [virtioNet.GSO_UDP_L4]: 'udp',
}

const OPTION_NAMES: Record<number, string> = {
  [ipv4Options.RECORD_ROUTE]: 'rr',
  [ipv4Options.TIMESTAMP]: 'ts',
  [ipv4Options.LOOSE_SOURCE_ROUTE]: 'lsrr',
  [ipv4Options.STRICT_SOURCE_ROUTE]: 'ssrr',
  [ipv4Options.ROUTER_ALERT]: 'ra',
}

/** The IP packet `[l3, end)` and, when there is any, what the offload header says. */
export function format(pkt: Packet): string {
  const { view, l2, l3, end } = pkt
  return formatIp(view, l3, end) + formatOffload(view, l2 - virtioNet.LENGTH)
}

/** An Ethernet frame: addresses, then ARP or IP. */
export function formatFrame(v: DataView, at: number, end: number): string {
  end = Math.min(end, v.byteLength)
  if (!ethernet.isValid(v, at, end)) return `eth [truncated: ${Math.max(0, end - at)} octets]`
  const from = mac.format(ethernet.srcHigh(v, at), ethernet.srcLow(v, at))
  const to = mac.format(ethernet.dstHigh(v, at), ethernet.dstLow(v, at))
  return `${from} > ${to} ${formatEtherType(v, ethernet.etherType(v, at), at + ethernet.MIN_LENGTH, end)}`
}

/** The IP packet at `at`, either version; `end` is where its octets end. */
export function formatIp(v: DataView, at: number, end: number, depth = 0): string {
  end = Math.min(end, v.byteLength)
  if (at < 0 || end - at < 1) return 'ip [empty]'
  const version = v.getUint8(at) >>> 4
  if (version === 4) return formatIpv4(v, at, end, depth)
  return version === 6 ? formatIpv6(v, at, end, depth) : `ip [version ${version}]`
}

function formatEtherType(v: DataView, type: number, at: number, end: number): string {
  if (type === ethernet.IPV4 || type === ethernet.IPV6) return formatIp(v, at, end)
  if (type === ethernet.ARP) return formatArp(v, at, end)
  if (type === ethernet.VLAN && end - at >= 4) {
    const tag = v.getUint16(at) & 0xfff
    return `vlan ${tag} ${formatEtherType(v, v.getUint16(at + 2), at + 4, end)}`
  }
  return `ethertype 0x${type.toString(16)} len ${end - at}`
}

function formatArp(v: DataView, at: number, end: number): string {
  if (!arp.isValid(v, at, end)) return 'arp [malformed]'
  const sender = address.format4(arp.sender(v, at))
  const senderMac = mac.format(arp.senderMacHigh(v, at), arp.senderMacLow(v, at))
  const target = address.format4(arp.target(v, at))
  if (arp.operation(v, at) === arp.REQUEST)
    return `arp who-has ${target} tell ${sender} ${senderMac}`
  if (arp.operation(v, at) === arp.REPLY) return `arp ${sender} is-at ${senderMac} to ${target}`
  return `arp operation ${arp.operation(v, at)}`
}

function formatIpv4(v: DataView, at: number, end: number, depth: number): string {
  if (end - at < ipv4.MIN_LENGTH) return `ip [truncated: ${end - at} octets]`
  const header = ipv4.headerLength(v, at)
  const total = ipv4.totalLength(v, at)
  const src = address.format4(ipv4.src(v, at))
  const dst = address.format4(ipv4.dst(v, at))
  if (header < ipv4.MIN_LENGTH) return `ip ${src} > ${dst}: [header of ${header} octets]`
  if (header > end - at) return `ip ${src} > ${dst}: [truncated: ${end - at} octets]`
  const whole = at + Math.max(total, header)
  const stop = Math.min(end, whole)
  const fragment = ipv4.flagsOffset(v, at)
  const offset = ipv4.fragmentOffset(v, at)
  const protocol = ipv4.protocol(v, at)
  const l4 = at + header
  let tail = ` ttl ${ipv4.ttl(v, at)}`
  if (ipv4.tos(v, at) !== 0) tail += ` tos 0x${ipv4.tos(v, at).toString(16)}`
  if ((fragment & ipv4.DF) !== 0) tail += ' df'
  if (ipv4.isFragment(v, at)) {
    const more = (fragment & ipv4.MF) !== 0
    tail += formatFragment(ipv4.identification(v, at), offset, stop - l4, more)
  }
  if (header > ipv4.MIN_LENGTH) tail += formatOptions(v, at + ipv4.MIN_LENGTH, l4)
  if (!checksum.isGood(v, at, l4)) tail += ' [bad ip checksum]'
  if (total < header) tail += ` [total length ${total}]`
  else if (whole > end) tail += ` [${whole - end} octets missing]`
  const layer = { v, l4, end: stop, protocol }
  return line('ip', src, dst, layer, offset !== 0, tail, depth)
}

function formatIpv6(v: DataView, at: number, end: number, depth: number): string {
  if (end - at < ipv6.LENGTH) return `ip6 [truncated: ${end - at} octets]`
  const src = address.format6(
    ipv6.src0(v, at),
    ipv6.src1(v, at),
    ipv6.src2(v, at),
    ipv6.src3(v, at),
  )
  const dst = address.format6(
    ipv6.dst0(v, at),
    ipv6.dst1(v, at),
    ipv6.dst2(v, at),
    ipv6.dst3(v, at),
  )
  const whole = at + ipv6.LENGTH + ipv6.payloadLength(v, at)
  const stop = Math.min(end, whole)
  let tail = ` hlim ${ipv6.hopLimit(v, at)}`
  if (ipv6.trafficClass(v, at) !== 0) tail += ` class 0x${ipv6.trafficClass(v, at).toString(16)}`
  if (ipv6.flowLabel(v, at) !== 0) tail += ` label 0x${ipv6.flowLabel(v, at).toString(16)}`
  const upper = new ipv6Extension.UpperLayer()
  // The walk reads the octet that names the first header, which is inside the fixed header.
  if (!ipv6Extension.walk(v, at + 6, at + ipv6.LENGTH, stop, upper)) {
    return `ip6 ${src} > ${dst}: [bad extension headers]${tail}`
  }
  if (upper.at > at + ipv6.LENGTH) tail += ` ext ${upper.at - at - ipv6.LENGTH}`
  if (upper.fragmentAt !== 0) {
    const id = ipv6Fragment.identification(v, upper.fragmentAt) >>> 0
    const octets = stop - upper.fragmentAt - ipv6Fragment.LENGTH
    tail += formatFragment(id, upper.fragmentOffset, octets, upper.moreFragments)
  }
  if (upper.routedAt !== 0) tail += ' source-routed'
  if (whole > end) tail += ` [${whole - end} octets missing]`
  const { at: l4, protocol } = upper
  const layer = { v, l4, end: stop, protocol }
  return line('ip6', src, dst, layer, upper.fragmentOffset !== 0, tail, depth)
}

function line(
  name: string,
  src: string,
  dst: string,
  layer: Layer,
  laterFragment: boolean,
  tail: string,
  depth: number,
): string {
  const octets = layer.end - layer.l4
  if (laterFragment) return `${name} ${src} > ${dst}: proto ${layer.protocol} len ${octets}${tail}`
  const inner = formatTunnel(layer, depth)
  if (inner !== null) return `${name} ${src} > ${dst}: ${inner}${tail}`
  const quote = (at: number) =>
    depth < DEPTH_MAX ? formatIp(layer.v, at, layer.end, depth + 1) : '…'
  const { srcPort, dstPort, text } = formatTransport(layer, quote)
  return `${name} ${src}${srcPort} > ${dst}${dstPort}: ${text}${tail}`
}

/** IP in IP and GRE, with the packet inside in brackets; null for all else. */
function formatTunnel({ v, l4, end, protocol }: Layer, depth: number): string | null {
  if (protocol === NO_NEXT_HEADER) return 'none'
  if (depth >= DEPTH_MAX) return null
  if (protocol === IPIP || protocol === IPV6) return `ipip [${formatIp(v, l4, end, depth + 1)}]`
  if (protocol !== GRE) return null
  if (end - l4 < gre.MIN_LENGTH || !gre.isValid(v, l4, end)) return 'gre [malformed]'
  const type = gre.protocolType(v, l4)
  const inner = l4 + gre.headerLength(v, l4)
  const flags = gre.flags(v, l4) === 0 ? '' : ` flags 0x${gre.flags(v, l4).toString(16)}`
  if (type !== ethernet.IPV4 && type !== ethernet.IPV6) return `gre${flags} 0x${type.toString(16)}`
  return `gre${flags} [${formatIp(v, inner, end, depth + 1)}]`
}

const formatFragment = (id: number, offset: number, octets: number, more: boolean): string =>
  ` frag ${id}:${offset}:${octets}${more ? '+' : ''}`

function formatOptions(v: DataView, at: number, end: number): string {
  const names: string[] = []
  while (at < end && ipv4Options.type(v, at) !== ipv4Options.END) {
    const octets = ipv4Options.length(v, at, end)
    const type = ipv4Options.type(v, at)
    if (octets === 0) {
      names.push('bad')
      break
    }
    if (type !== ipv4Options.NOP) names.push(OPTION_NAMES[type] ?? String(type))
    at += octets
  }
  return ` options ${names.length === 0 ? 'none' : names.join(',')}`
}

function formatOffload(v: DataView, at: number): string {
  if (at < 0 || at + virtioNet.LENGTH > v.byteLength) return ''
  const type = virtioNet.gsoType(v, at)
  const ecn = (type & virtioNet.GSO_ECN) !== 0 ? ' ecn' : ''
  const name = GSO_NAMES[type & ~virtioNet.GSO_ECN] ?? String(type)
  const gso = type === 0 ? '' : ` gso ${name} ${virtioNet.gsoSize(v, at)}${ecn}`
  return virtioNet.needsChecksum(v, at) ? `${gso} partial` : gso
}
