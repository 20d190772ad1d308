/** The transport half of format.ts. As there: any octets at all, and never an exception. */
import * as address from './wire/address.js'
import * as icmp from './wire/icmp.js'
import * as icmpv6 from './wire/icmpv6.js'
import { AH, ESP, ICMP, ICMPV6, IGMP, SCTP, TCP, UDP } from './wire/ip-protocol.js'
import * as ndp from './wire/ndp.js'
import * as sctp from './wire/sctp.js'
import * as tcp from './wire/tcp.js'
import * as udp from './wire/udp.js'

/** A network header's view of what it carries. */
export interface Layer {
  v: DataView
  l4: number
  end: number
  protocol: number
}

export interface TransportText {
  /** `.80`, or nothing for protocols without ports. */
  srcPort: string
  dstPort: string
  text: string
}

/** tcpdump's letters, in its order. */
const FLAG_LETTERS: readonly [mask: number, letter: string][] = [
  [tcp.FIN, 'F'],
  [tcp.SYN, 'S'],
  [tcp.RST, 'R'],
  [tcp.PSH, 'P'],
  [tcp.ACK, '.'],
  [tcp.URG, 'U'],
  [tcp.ECE, 'E'],
  [tcp.CWR, 'W'],
]

const ICMP_NAMES: Record<number, string> = {
  [icmp.ECHO_REPLY]: 'echo-reply',
  [icmp.UNREACHABLE]: 'unreachable',
  [icmp.SOURCE_QUENCH]: 'source-quench',
  [icmp.REDIRECT]: 'redirect',
  [icmp.ECHO]: 'echo',
  [icmp.TIME_EXCEEDED]: 'time-exceeded',
  [icmp.PARAMETER_PROBLEM]: 'parameter-problem',
  [icmp.TIMESTAMP]: 'timestamp',
  [icmp.TIMESTAMP_REPLY]: 'timestamp-reply',
}

const ICMP_CODES: Record<number, readonly string[]> = {
  [icmp.UNREACHABLE]: ['net', 'host', 'protocol', 'port', 'need-frag', 'source-route'],
  [icmp.TIME_EXCEEDED]: ['ttl', 'reassembly'],
}

const ICMPV6_NAMES: Record<number, string> = {
  [icmpv6.UNREACHABLE]: 'unreachable',
  [icmpv6.PACKET_TOO_BIG]: 'too-big',
  [icmpv6.TIME_EXCEEDED]: 'time-exceeded',
  [icmpv6.PARAMETER_PROBLEM]: 'parameter-problem',
  [icmpv6.ECHO]: 'echo',
  [icmpv6.ECHO_REPLY]: 'echo-reply',
  [icmpv6.ROUTER_SOLICITATION]: 'router-solicitation',
  [icmpv6.ROUTER_ADVERTISEMENT]: 'router-advertisement',
  [icmpv6.NEIGHBOUR_SOLICITATION]: 'neighbour-solicitation',
  [icmpv6.NEIGHBOUR_ADVERTISEMENT]: 'neighbour-advertisement',
}

const ICMPV6_CODES: Record<number, readonly string[]> = {
  [icmpv6.UNREACHABLE]: ['no-route', 'prohibited', 'scope', 'address', 'port'],
  [icmpv6.TIME_EXCEEDED]: ['hop-limit', 'reassembly'],
}

const CHUNK_NAMES = [
  'DATA',
  'INIT',
  'INIT-ACK',
  'SACK',
  'HEARTBEAT',
  'HEARTBEAT-ACK',
  'ABORT',
  'SHUTDOWN',
  'SHUTDOWN-ACK',
  'ERROR',
  'COOKIE-ECHO',
  'COOKIE-ACK',
  'ECNE',
  'CWR',
  'SHUTDOWN-COMPLETE',
]

/** `quote` formats the IP packet at an offset, for ICMP errors. */
export function formatTransport(layer: Layer, quote: (at: number) => string): TransportText {
  const { v, l4, end, protocol } = layer
  switch (protocol) {
    case TCP:
      return { ...ports(layer), text: formatTcp(v, l4, end) }
    case UDP:
      return { ...ports(layer), text: formatUdp(v, l4, end) }
    case SCTP:
      return { ...ports(layer), text: formatSctp(v, l4, end) }
    case ICMP:
      return plain(formatIcmp(layer, quote))
    case ICMPV6:
      return plain(formatIcmpv6(layer, quote))
    default:
      return plain(`${otherName(protocol)} len ${end - l4}`)
  }
}

const plain = (text: string): TransportText => ({ srcPort: '', dstPort: '', text })

/** TCP, UDP and SCTP all start with them; an ICMP error may quote no more than these. */
function ports({ v, l4, end }: Layer): { srcPort: string; dstPort: string } {
  if (end - l4 < 4) return { srcPort: '', dstPort: '' }
  return { srcPort: `.${v.getUint16(l4)}`, dstPort: `.${v.getUint16(l4 + 2)}` }
}

function otherName(protocol: number): string {
  if (protocol === ESP) return 'esp'
  if (protocol === AH) return 'ah'
  return protocol === IGMP ? 'igmp' : `proto ${protocol}`
}

const short = (name: string, octets: number): string => `${name} [truncated: ${octets} octets]`

function formatTcp(v: DataView, at: number, end: number): string {
  if (end - at < tcp.MIN_LENGTH) return short('tcp', end - at)
  const header = tcp.headerLength(v, at)
  const flags = tcp.flags(v, at)
  let letters = ''
  for (const [mask, letter] of FLAG_LETTERS) if ((flags & mask) !== 0) letters += letter
  let text = `tcp ${letters || 'none'} seq ${tcp.seq(v, at) >>> 0}`
  if ((flags & tcp.ACK) !== 0) text += ` ack ${tcp.ack(v, at) >>> 0}`
  text += ` win ${tcp.window(v, at)}`
  if ((flags & tcp.URG) !== 0) text += ` urg ${tcp.urgent(v, at)}`
  if (!tcp.isValid(v, at, end)) return `${text} [header of ${header} octets]`
  if (header > tcp.MIN_LENGTH) text += ` options ${header - tcp.MIN_LENGTH}`
  return `${text} len ${end - at - header}`
}

function formatUdp(v: DataView, at: number, end: number): string {
  if (end - at < udp.MIN_LENGTH) return short('udp', end - at)
  const payload = end - at - udp.MIN_LENGTH
  const claimed = udp.length(v, at) - udp.MIN_LENGTH
  const none = udp.checksum(v, at) === 0 ? ' no-checksum' : ''
  return `udp len ${payload}${claimed === payload ? '' : ` [length says ${claimed}]`}${none}`
}

function formatSctp(v: DataView, at: number, end: number): string {
  if (!sctp.isValid(v, at, end)) return short('sctp', end - at)
  const names: string[] = []
  for (let chunk = sctp.firstChunk(v, at, end); chunk >= 0; chunk = sctp.nextChunk(v, chunk, end)) {
    const type = sctp.chunkType(v, chunk)
    names.push(CHUNK_NAMES[type] ?? `chunk-${type}`)
    // A packet of empty chunks would make a line without end.
    if (names.length === 8) break
  }
  const tag = (sctp.verificationTag(v, at) >>> 0).toString(16)
  return `sctp tag 0x${tag} ${names.length === 0 ? '[no chunk]' : names.join(',')} len ${end - at}`
}

function formatIcmp({ v, l4, end }: Layer, quote: (at: number) => string): string {
  if (!icmp.isValid(v, l4, end)) return short('icmp', end - l4)
  const type = icmp.type(v, l4)
  const code = icmp.code(v, l4)
  const text = `icmp ${ICMP_NAMES[type] ?? `type ${type}`}${codeName(ICMP_CODES[type], code)}`
  if (icmp.isQuery(type))
    return `${text} ${identified(icmp.identifier(v, l4), icmp.sequence(v, l4))}`
  if (!icmp.isError(type)) return `${text} len ${end - l4}`
  const needed = type === icmp.UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED
  const mtu = needed ? ` mtu ${icmp.nextHopMtu(v, l4)}` : ''
  return `${text}${mtu} [${quote(l4 + icmp.MIN_LENGTH)}]`
}

function formatIcmpv6({ v, l4, end }: Layer, quote: (at: number) => string): string {
  if (!icmpv6.isValid(v, l4, end)) return short('icmp6', end - l4)
  const type = icmpv6.type(v, l4)
  const code = icmpv6.code(v, l4)
  const text = `icmp6 ${ICMPV6_NAMES[type] ?? `type ${type}`}${codeName(ICMPV6_CODES[type], code)}`
  if (icmpv6.isError(type)) {
    const mtu = type === icmpv6.PACKET_TOO_BIG ? ` mtu ${icmpv6.mtu(v, l4)}` : ''
    return `${text}${mtu} [${quote(l4 + icmpv6.MIN_LENGTH)}]`
  }
  if (type === icmpv6.ECHO || type === icmpv6.ECHO_REPLY) {
    return `${text} ${identified(icmpv6.identifier(v, l4), icmpv6.sequence(v, l4))}`
  }
  return ndp.isValid(v, l4, end) ? `${text} ${ndpTarget(v, l4)}` : `${text} len ${end - l4}`
}

/** ` port`, ` code 13`, or nothing for code 0 of types whose codes have no names. */
function codeName(names: readonly string[] | undefined, code: number): string {
  const name = names?.[code]
  if (name !== undefined) return ` ${name}`
  return code === 0 ? '' : ` code ${code}`
}

const identified = (identifier: number, sequence: number): string =>
  `id ${identifier} seq ${sequence}`

const ndpTarget = (v: DataView, at: number): string =>
  address.format6(ndp.target0(v, at), ndp.target1(v, at), ndp.target2(v, at), ndp.target3(v, at))
