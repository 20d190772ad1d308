/**
 * The nftables table that keeps the kernel away from packets that the dataplane handles. Its rules
 * never change while Sluice runs; only the elements of its sets do.
 *
 * Two uses, one shape. With packet-ring, whose taps run before netfilter, a matching packet is
 * dropped. With raw-socket it must still be delivered locally, so it is marked: a policy route
 * brings it in, `fwmark_reflect` puts the mark on whatever the host answers, and that is dropped on
 * the way out (a drop at INPUT would come before raw delivery). IPv4 only, as that driver is.
 *
 * What matches, on the dataplane's interfaces only:
 *  - packets to a (VIP, protocol, port), and from a NAT real server's (address, protocol, port)
 *    unless they are for this host itself: replies to its own health checks are not the dataplane's;
 *  - of an FTP service also what clients send to its address's unprivileged ports, and what its real
 *    servers send to an end from which a client did so: passive data connections, whose ports only
 *    the control connection tells;
 *  - later fragments, which carry no ports: those to a VIP or from a real server match unless the
 *    first fragment of the same datagram was seen to be somebody else's. Where connection tracking
 *    is on, the kernel has put datagrams together before (priority -400) and none arrive here;
 *  - ICMP and ICMPv6 errors that quote a packet sent by a VIP or sent to a real server;
 *  - packets that carry the mark of a service, by the mark rules (guard-marks.ts).
 *
 * What the host itself sends concerns the dataplane where a real server is on the balancer (`drop`
 * mode only). Answers of a masquerading one to somebody else are diverted: own-servers.ts routes
 * them to the loopback interface, where the dataplane takes them and we drop them. Those that a
 * service's endpoint sends are pointed out to it and go on.
 */
import { DIVERTED_MARK, SEEN_MARK, SENT_MARK } from '../../dataplane/limits.js'
import type { SetElement } from './guard-elements.js'
import { markChains, markJumps, markSets } from './guard-marks.js'

export const TABLE = 'inet sluice'

/** Marks packets for the raw-socket driver: one high bit, so that other marks live beside it. */
export const RAW_MARK = 0x20000000

export type GuardMode = 'drop' | 'mark'

/** A batch for `nft -f -` that replaces the table, whatever was there, in one transaction. */
export function ruleset(
  mode: GuardMode,
  interfaces: readonly string[],
  token: number,
  elements: Iterable<SetElement>,
): string {
  const verdict =
    mode === 'drop' ? 'counter drop' : `meta mark set meta mark or ${RAW_MARK} counter accept`
  const names = interfaces.map(name => `"${name}"`).join(', ')
  return [
    removal(),
    `table ${TABLE} {`,
    `set owner { type mark; elements = { ${token} }; }`,
    ...sets(),
    ...markSets(),
    ...markChains(verdict),
    ...chainOf(4, IPV4, verdict),
    ...chainOf(6, IPV6, verdict),
    ...(mode === 'drop' ? [...sentOf(4, IPV4), ...sentOf(6, IPV6), ...SENT] : []),
    'chain prerouting {',
    'type filter hook prerouting priority raw; policy accept;',
    ...(mode === 'drop' ? [`iifname "lo" ${carries(DIVERTED_MARK)} counter drop`] : []),
    `iifname { ${names} } meta nfproto vmap { ipv4 : jump ipv4, ipv6 : jump ipv6 }`,
    '}',
    ...(mode === 'mark' ? OUTPUT : []),
    '}',
    ...statements('add', elements),
  ].join('\n')
}

/** A batch that takes the table away; `add` first, so that it cannot fail because there is none. */
export const removal = (): string => `add table ${TABLE}\ndelete table ${TABLE}`

/** `add element` or `delete element` lines, one for each set that is touched. */
export function statements(verb: 'add' | 'delete', elements: Iterable<SetElement>): string[] {
  const bySet = new Map<string, string[]>()
  for (const { set, element } of elements) {
    const list = bySet.get(set)
    if (list) list.push(element)
    else bySet.set(set, [element])
  }
  return [...bySet].map(([set, list]) => `${verb} element ${TABLE} ${set} { ${list.join(',\n')} }`)
}

/**
 * What the host itself would answer to packets that the dataplane serves through raw sockets: RST
 * and ICMP carry the mark of what they answer; a program that listens on every address of the host
 * would answer from a service's endpoint.
 */
const OUTPUT = [
  'chain output {',
  'type filter hook output priority raw; policy accept;',
  `meta mark and ${SENT_MARK} == ${SENT_MARK} accept`,
  `meta mark and ${RAW_MARK} == ${RAW_MARK} counter drop`,
  'ip saddr . meta l4proto . th sport @vip4 counter drop',
  '}',
]

function carries(mark: number): string {
  return `meta mark and ${mark} == ${mark}`
}

/** Of type `route`: a packet whose mark changed is routed again. Behind connection tracking. */
const SENT = [
  'chain sent {',
  'type route hook output priority mangle; policy accept;',
  `${carries(SENT_MARK)} return`,
  'meta nfproto vmap { ipv4 : jump sent4, ipv6 : jump sent6 }',
  '}',
]

/** Where things are in a family's packets; bit offsets behind `@th` start at the ICMP header. */
interface Family {
  ip: 'ip' | 'ip6'
  type: string
  /** Any fragment; only a first one. */
  fragment: string
  first: string
  datagram: string
  errors: string
  /** Raw payload of protocol, source and destination in a quoted header, ports following at once. */
  quoted: readonly Quoted[]
}

interface Quoted {
  when: string
  protocol: string
  src: string
  dst: string
  srcPort: string
  dstPort: string
}

const field = (bit: number, length: number) => `@th,${bit},${length}`

/** IPv4 in ICMP (RFC 792): 8 octets of ICMP, then a header of IHL words, then 8 octets or more. */
function quotedIpv4(ihl: number): Quoted {
  const l4 = 64 + ihl * 32
  return {
    when: `${field(68, 4)} ${ihl}`,
    protocol: field(136, 8),
    src: field(160, 32),
    dst: field(192, 32),
    srcPort: field(l4, 16),
    dstPort: field(l4 + 16, 16),
  }
}

/** IPv6 in ICMPv6 (RFC 4443), with its L4 header right behind or after one 8-octet extension. */
function quotedIpv6(when: string, protocolBit: number, l4: number): Quoted {
  return {
    when,
    protocol: field(protocolBit, 8),
    src: field(128, 128),
    dst: field(256, 128),
    srcPort: field(l4, 16),
    dstPort: field(l4 + 16, 16),
  }
}

const IPV4: Family = {
  ip: 'ip',
  type: 'ipv4_addr',
  fragment: 'ip frag-off & 0x3fff != 0',
  first: 'ip frag-off & 0x1fff == 0',
  datagram: 'ip saddr . ip daddr . ip id . meta l4proto',
  // Unreachable, source quench, time exceeded, parameter problem: what quotes a packet.
  errors: 'meta l4proto icmp icmp type { 3, 4, 11, 12 }',
  quoted: [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map(quotedIpv4),
}

const IPV6: Family = {
  ip: 'ip6',
  type: 'ipv6_addr',
  fragment: 'exthdr frag exists',
  first: 'frag frag-off 0',
  datagram: 'ip6 saddr . ip6 daddr . frag id . meta l4proto',
  errors: 'meta l4proto ipv6-icmp icmpv6 type { 1, 2, 3, 4 }',
  quoted: [
    quotedIpv6(`${field(112, 8)} { 6, 17, 132 }`, 112, 384),
    // A fragment header, always 8 octets (RFC 8200 section 4.5), that quotes a first fragment.
    quotedIpv6(`${field(112, 8)} 44 ${field(400, 13)} 0`, 384, 448),
    // Hop-by-hop, routing or destination options without more than their first 8 octets.
    quotedIpv6(`${field(112, 8)} { 0, 43, 60 } ${field(392, 8)} 0`, 384, 448),
  ],
}

function sets(): string[] {
  return ([4, 6] as const).flatMap(family => {
    const { type, datagram, quoted } = family === 4 ? IPV4 : IPV6
    const { src, protocol, srcPort } = quoted[0]!
    return [
      ...['vip', 'real'].flatMap(role => [
        `set ${role}${family} { type ${type} . inet_proto . inet_service; }`,
        `set ${role}${family}_any { type ${type} . inet_proto; }`,
        `set ${role}${family}_hosts { type ${type}; }`,
        `set ${role}${family}_ftp { type ${type}; }`,
        `set ${role}${family}_quoted { typeof ${src} . ${protocol} . ${srcPort}; }`,
        `set ${role}${family}_anyq { typeof ${src} . ${protocol}; }`,
      ]),
      // Clients' ends of FTP data connections; longer than an idle one lives by default.
      `set data${family} { type ${type} . inet_service; flags dynamic,timeout; size 262144; timeout 1h; }`,
      // Datagrams whose first fragment was not ours. Their life is that of a reassembly (30 s in
      // Linux); when the set is full, fragments of others are lost rather than ours leaked.
      `set fragments_marked${family} { typeof ${datagram}; flags dynamic,timeout; size 65536; timeout 30s; }`,
      `set others${family} { typeof ${datagram}; flags dynamic,timeout; size 65536; timeout 30s; }`,
    ]
  })
}

/** What the host itself sends, of one family: from its own addresses, to others. */
function sentOf(family: 4 | 6, at: Family): string[] {
  const { ip } = at
  const own = 'fib saddr type local fib daddr type != local'
  const divert = `${own} meta mark set meta mark or ${DIVERTED_MARK} return`
  const seen = `${own} meta mark set meta mark or ${SEEN_MARK} return`
  const vip = `vip${family}`
  const real = `real${family}`
  return [
    `chain sent_errors${family} {`,
    ...at.quoted.flatMap(q => [
      `${q.when} ${q.dst} . ${q.protocol} . ${q.dstPort} @${real}_quoted ${divert}`,
      `${q.when} ${q.dst} . ${q.protocol} @${real}_anyq ${divert}`,
    ]),
    '}',
    `chain sent${family} {`,
    `${ip} saddr . meta l4proto . th sport @${real} ${divert}`,
    `${ip} saddr . meta l4proto @${real}_any ${divert}`,
    `${ip} saddr @${real}_ftp ${ip} daddr . tcp dport @data${family} ${divert}`,
    `${at.errors} jump sent_errors${family}`,
    `${ip} saddr . meta l4proto . th sport @${vip} ${seen}`,
    `${ip} saddr . meta l4proto @${vip}_any ${seen}`,
    `${ip} saddr @${vip}_ftp tcp sport >= 1024 ${seen}`,
    '}',
  ]
}

/** The rules of one family. nft leaves a rule whose header is not in the packet: no match. */
function chainOf(family: 4 | 6, at: Family, verdict: string): string[] {
  const { ip } = at
  const away = 'fib daddr type != local'
  const vip = `vip${family}`
  const real = `real${family}`
  return [
    `chain fragments${family} {`,
    `${ip} daddr != @${vip}_hosts ${ip} saddr != @${real}_hosts return`,
    // Whatever is guarded by its ports has been decided before; this first fragment is not.
    `${at.first} update @others${family} { ${at.datagram} timeout 30s } return`,
    `${at.datagram} @others${family} return`,
    `${ip} daddr @${vip}_hosts ${verdict}`,
    `${away} ${verdict}`,
    '}',
    `chain errors${family} {`,
    ...at.quoted.flatMap(q => [
      `${q.when} ${q.src} . ${q.protocol} . ${q.srcPort} @${vip}_quoted ${verdict}`,
      `${q.when} ${q.src} . ${q.protocol} @${vip}_anyq ${verdict}`,
      `${q.when} ${q.dst} . ${q.protocol} . ${q.dstPort} @${real}_quoted ${away} ${verdict}`,
      `${q.when} ${q.dst} . ${q.protocol} @${real}_anyq ${away} ${verdict}`,
    ]),
    '}',
    `chain ipv${family} {`,
    `${ip} daddr . meta l4proto . th dport @${vip} ${verdict}`,
    `${ip} saddr . meta l4proto . th sport @${real} ${away} ${verdict}`,
    `${ip} daddr . meta l4proto @${vip}_any ${verdict}`,
    `${ip} saddr . meta l4proto @${real}_any ${away} ${verdict}`,
    `${ip} daddr @${vip}_ftp tcp dport >= 1024 update @data${family} { ${ip} saddr . tcp sport }`,
    `${ip} daddr @${vip}_ftp tcp dport >= 1024 ${verdict}`,
    `${ip} saddr @${real}_ftp ${ip} daddr . tcp dport @data${family} ${away} ${verdict}`,
    `${at.fragment} jump fragments${family}`,
    `${at.errors} jump errors${family}`,
    ...markJumps(family),
    '}',
  ]
}
