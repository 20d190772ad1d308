/** What the host's interfaces are, from `ip -j -d addr`, and which of them carry traffic by default. */
import { run as runCommand, type Run } from './command.js'

/** Our own: where health checks through services come from. */
export const PROBE_INTERFACE = 'sluice-probe'

export interface HostAddress {
  family: 'ipv4' | 'ipv6'
  address: string
  prefixLength: number
}

export interface HostInterface {
  name: string
  ifIndex: number
  /** True for Ethernet (ARPHRD_ETHER), whatever stands behind it. */
  ethernet: boolean
  loopback: boolean
  /** Administratively up. */
  up: boolean
  /** Has a carrier, or cannot tell (operstate UNKNOWN counts as yes). */
  running: boolean
  mac: string
  mtuOctets: number
  /** rtnetlink's kind (veth, vlan, bond, bridge, ...), null for a plain network card. */
  kind: string | null
  /** The bridge, bond or team that owns it, null when it stands alone. */
  master: string | null
  addresses: HostAddress[]
}

interface LinkJson {
  ifname: string
  ifindex: number
  flags: string[]
  mtu: number
  operstate: string
  link_type: string
  address?: string
  master?: string
  linkinfo?: { info_kind?: string; info_slave_kind?: string }
  addr_info?: { family: string; local?: string; prefixlen: number; peer?: string }[]
}

export async function listInterfaces(run: Run = runCommand): Promise<HostInterface[]> {
  const links = JSON.parse(await run('ip', ['-j', '-d', 'addr', 'show'])) as LinkJson[]
  // A filter of `ip` prints an empty object for each interface that it leaves out.
  return links.filter(link => link.ifname !== undefined).map(fromJson)
}

function fromJson(link: LinkJson): HostInterface {
  const running = link.operstate === 'UP' || link.operstate === 'UNKNOWN'
  // A VRF groups routes; frames still arrive on its members, so it does not own them.
  const owned = link.master !== undefined && link.linkinfo?.info_slave_kind !== 'vrf'
  return {
    name: link.ifname,
    ifIndex: link.ifindex,
    ethernet: link.link_type === 'ether',
    loopback: link.flags.includes('LOOPBACK'),
    up: link.flags.includes('UP'),
    running,
    mac: link.address ?? '',
    mtuOctets: link.mtu,
    kind: link.linkinfo?.info_kind ?? null,
    master: owned ? link.master! : null,
    addresses: (link.addr_info ?? []).flatMap(({ family, local, prefixlen }) =>
      local === undefined
        ? []
        : [
            {
              family: family === 'inet6' ? ('ipv6' as const) : ('ipv4' as const),
              address: local,
              prefixLength: prefixlen,
            },
          ],
    ),
  }
}

/**
 * Kinds that are Ethernet in form but never where clients or real servers are: sinks, mirrors and
 * the host's ends of overlays. Whoever wants one names it with --interface.
 */
const NOT_BY_DEFAULT: ReadonlySet<string> = new Set([
  'dummy',
  'ifb',
  'nlmon',
  'macvtap',
  'ipvtap',
  'tun',
  'vxlan',
  'geneve',
  'gretap',
  'erspan',
  'ip6gretap',
  'batadv',
])

/**
 * The interfaces used when none is named: Ethernet, up, with a carrier. Members of a bridge, bond or
 * team are left out because their frames are seen again on the master, which is used instead.
 */
export function defaultInterfaces(all: readonly HostInterface[]): HostInterface[] {
  return all.filter(
    each =>
      each.ethernet &&
      !each.loopback &&
      each.name !== PROBE_INTERFACE &&
      each.up &&
      each.running &&
      each.master === null &&
      !(each.kind !== null && NOT_BY_DEFAULT.has(each.kind)),
  )
}

/** Why a named interface cannot be used, or null when it can. */
export function refusal(name: string, all: readonly HostInterface[]): string | null {
  const found = all.find(each => each.name === name)
  if (name === PROBE_INTERFACE) return `${name} is what Sluice itself uses for health checks`
  if (!found) return `there is no interface ${name}`
  if (found.loopback || !found.ethernet) return `${name} is not an Ethernet interface`
  if (found.master !== null) return `${name} belongs to ${found.master}; use ${found.master}`
  if (!found.up) return `${name} is down`
  return null
}
