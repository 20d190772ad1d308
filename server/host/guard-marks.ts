/**
 * What the packet guard hides for services by firewall mark: the mark rules themselves, as nftables
 * rules in the same order, the first match deciding. One chain for each version of the rules:
 * while they change, the packets of the old and of the new ones belong to the dataplane.
 *
 *     marks4   jump marks4_0, jump marks4_1 ...      every packet that nothing else has matched
 *     marks4_0 rule of a mark that nobody asks for: return; of one that a service asks for: goto
 *     marked4  what the dataplane does itself with a marked packet is hidden
 *
 * Later fragments have no ports: those of a datagram whose first fragment was hidden are hidden too.
 *
 * FTP's data connections need no mark (IPVS expects them): a client whose marked packets go to an FTP
 * port of an address, `ftp_clients`, may open them to that address. Which port, only the dataplane
 * knows in time, so what the host has no socket for is hidden.
 *
 * The rest of a marked packet's life is the host's: echo requests to its own addresses, protocols
 * that IPVS does not know. IPv4 packets that only a mark has made local are dropped, as Linux would.
 */
import type { FamilyName, MarkRuleConfig } from '../../dataplane/protocol.js'
import type { HostMarkRules, HostService } from '../dataplane/host-state.js'

/** The rules of one time, and whose marks somebody asks for. */
export interface MarkPlan {
  rules: HostMarkRules
  /** `<family> <mark>`. */
  served: ReadonlySet<string>
  /** Ports of FTP control connections. */
  ftpPorts: readonly number[]
}

/** A first fragment with more to come, a later one, and what tells its datagram from others. */
export const FRAGMENTS = {
  4: {
    ends: 'ip saddr . ip daddr',
    first: 'ip frag-off & 0x3fff == 0x2000',
    later: 'ip frag-off & 0x1fff != 0',
    datagram: 'ip saddr . ip daddr . ip id . meta l4proto',
  },
  6: {
    ends: 'ip6 saddr . ip6 daddr',
    first: 'frag frag-off 0 frag more-fragments 1',
    later: 'frag frag-off != 0',
    datagram: 'ip6 saddr . ip6 daddr . frag id . meta l4proto',
  },
} as const

const FAMILIES = [
  [4, 'ipv4', 'ip'],
  [6, 'ipv6', 'ip6'],
] as const
/** Chains of the table that hold nothing but what is here. */
const MAIN = { 4: 'marks4', 6: 'marks6' } as const

/** What these services need; those without a mark need nothing. */
export function markPlans(services: Iterable<HostService>): MarkPlan[] {
  const plans = new Map<HostMarkRules, { served: Set<string>; ftpPorts: readonly number[] }>()
  for (const { key, markRules, ftpPorts = [] } of services) {
    if (!('fwmark' in key) || markRules === undefined) continue
    const plan = plans.get(markRules) ?? { served: new Set(), ftpPorts: [] }
    plan.served.add(`${key.family} ${key.fwmark}`)
    plans.set(markRules, { ...plan, ftpPorts: [...new Set([...plan.ftpPorts, ...ftpPorts])] })
  }
  return [...plans].map(([rules, { served, ftpPorts }]) => ({ rules, served, ftpPorts }))
}

/** The chains inside the table, empty; `verdict` is what hides a packet. */
export function markChains(verdict: string): string[] {
  const away = 'fib daddr type != local'
  return FAMILIES.flatMap(([family]) => [
    `chain marked${family} {`,
    `tcp dport @ftp_ports update @ftp_clients${family} { ${FRAGMENTS[family].ends} }`,
    `${FRAGMENTS[family].first} update @fragments_marked${family} { ${FRAGMENTS[family].datagram} timeout 30s }`,
    `meta l4proto { tcp, udp, sctp } ${verdict}`,
    family === 4
      ? `${away} ${verdict}`
      : `meta l4proto ipv6-icmp icmpv6 type { 1, 2, 3, 4 } ${away} ${verdict}`,
    '}',
    `chain ftp${family} {`,
    `${away} return`,
    'tcp dport < 1024 tcp dport != @ftp_data_ports return',
    // A transfer may take longer than a control connection is remembered that says nothing.
    `update @ftp_clients${family} { ${FRAGMENTS[family].ends} }`,
    `update @data${family} { ${family === 4 ? 'ip' : 'ip6'} saddr . tcp sport }`,
    'socket wildcard <= 1 return',
    verdict,
    '}',
    `chain ${MAIN[family]} {`,
    '}',
  ])
}

/** Of all families: ports of FTP control connections, and those that servers send data from. */
export const markSets = (): string[] => [
  'set ftp_ports { type inet_service; }',
  'set ftp_data_ports { type inet_service; }',
  'set ftp_clients4 { type ipv4_addr . ipv4_addr; flags dynamic,timeout; size 65536; timeout 1h; }',
  'set ftp_clients6 { type ipv6_addr . ipv6_addr; flags dynamic,timeout; size 65536; timeout 1h; }',
]

/** Where a packet of that family is held against the rules, as the last of its chain. */
export const markJumps = (family: 4 | 6): string[] => [
  `meta l4proto tcp ${FRAGMENTS[family].ends} @ftp_clients${family} jump ftp${family}`,
  `jump ${MAIN[family]}`,
]

/** A batch that fills the chains anew; `before` is how many plans they hold now. */
export function markStatements(
  table: string,
  before: number,
  plans: readonly MarkPlan[],
  interfaces: readonly string[],
): string[] {
  const ports = [...new Set(plans.flatMap(({ ftpPorts }) => ftpPorts))]
  return [
    ...portStatements(table, ports),
    ...FAMILIES.flatMap(([family, name, ip]) => {
      const main = MAIN[family]
      const chain = (i: number) => `${table} ${main}_${i}`
      const old = Array.from({ length: before }, (_, i) => i)
      return [
        `flush chain ${table} ${main}`,
        `add rule ${table} ${main} ${FRAGMENTS[family].later} ${FRAGMENTS[family].datagram} @fragments_marked${family} goto marked${family}`,
        ...old.map(i => `flush chain ${chain(i)}`),
        ...old.map(i => `delete chain ${chain(i)}`),
        ...plans.flatMap((plan, i) => [
          `add chain ${chain(i)}`,
          ...linesOf(plan, name, ip, `goto marked${family}`, interfaces).map(
            line => `add rule ${chain(i)} ${line}`,
          ),
          `add rule ${table} ${main} jump ${main}_${i}`,
        ]),
      ]
    }),
  ]
}

/** RFC 959 section 3.2: a server's data port is the one below its control port. */
function portStatements(table: string, ports: readonly number[]): string[] {
  const sets = { ftp_ports: ports, ftp_data_ports: ports.map(port => port - 1) }
  return Object.entries(sets).flatMap(([set, elements]) => [
    `flush set ${table} ${set}`,
    ...(elements.length === 0 ? [] : [`add element ${table} ${set} { ${elements.join(', ')} }`]),
  ])
}

function linesOf(
  { rules, served }: MarkPlan,
  family: FamilyName,
  ip: 'ip' | 'ip6',
  hidden: string,
  interfaces: readonly string[],
): string[] {
  const ours = rules.filter(
    // By any other interface nothing comes in, as the dataplane sees it.
    rule =>
      rule.family === family && (rule.interface === null || interfaces.includes(rule.interface)),
  )
  const isServed = ({ mark }: MarkRuleConfig) => served.has(`${family} ${mark}`)
  const last = ours.findLastIndex(isServed)
  return ours
    .slice(0, last + 1)
    .map(rule => `${matchOf(rule, ip)} ${isServed(rule) ? hidden : 'return'}`)
}

function matchOf(rule: MarkRuleConfig, ip: 'ip' | 'ip6'): string {
  const { source, destination, sourcePorts, destinationPorts } = rule
  const ported = sourcePorts !== null || destinationPorts !== null
  const protocol = rule.protocol ?? (ported ? '{ tcp, udp, sctp }' : null)
  return [
    rule.interface === null ? '' : `iifname "${rule.interface}"`,
    isAny(source) ? '' : `${ip} saddr ${source}`,
    isAny(destination) ? '' : `${ip} daddr ${destination}`,
    protocol === null ? '' : `meta l4proto ${protocol}`,
    sourcePorts === null ? '' : `th sport ${rangesOf(sourcePorts)}`,
    destinationPorts === null ? '' : `th dport ${rangesOf(destinationPorts)}`,
  ]
    .filter(part => part !== '')
    .join(' ')
}

const isAny = (prefix: string | null): boolean => prefix === null || prefix.endsWith('/0')

/** As a set of nft, whose members must not overlap. */
function rangesOf(ranges: readonly { first: number; last: number }[]): string {
  const merged: { first: number; last: number }[] = []
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const previous = merged.at(-1)
    if (previous !== undefined && range.first <= previous.last + 1)
      previous.last = Math.max(previous.last, range.last)
    else merged.push({ ...range })
  }
  const texts = merged.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
  return `{ ${texts.join(', ')} }`
}
