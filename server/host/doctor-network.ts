/** Checks of interfaces and of the kernel settings that decide what happens beside Sluice. */
import { nearest } from '../nearest.js'
import type { Config } from '../config.js'
import type { Host } from './doctor.js'
import { fine, type Finding } from './finding.js'
import { defaultInterfaces, refusal, type HostInterface } from './interfaces.js'

export function checkInterfaces(
  config: Pick<Config, 'interfaces'>,
  present: readonly HostInterface[],
): { used: HostInterface[]; found: Finding[] } {
  const check = 'interfaces'
  const usable = defaultInterfaces(present)
  if (config.interfaces.length === 0) {
    if (usable.length > 0) {
      const names = usable.map(each => each.name).join(' ')
      return { used: usable, found: [fine(check, `${names} (Ethernet, up)`)] }
    }
    const down = present.find(each => each.ethernet && !each.up && each.master === null)
    return {
      used: [],
      found: [
        {
          check,
          severity: 'fatal',
          message: 'no Ethernet interface is up',
          remedy: down ? `ip link set ${down.name} up` : 'ip link show',
        },
      ],
    }
  }
  const used: HostInterface[] = []
  const found: Finding[] = []
  for (const name of config.interfaces) {
    const reason = refusal(name, present)
    const link = present.find(each => each.name === name)
    if (reason === null) {
      used.push(link!)
      found.push(carrier(link!))
    } else found.push(refused(name, reason, link, usable))
  }
  return { used, found }
}

const carrier = (link: HostInterface): Finding =>
  link.running
    ? fine('interfaces', `${link.name} is Ethernet and up`)
    : {
        check: 'interfaces',
        severity: 'warning',
        message: `${link.name} is up but has no carrier: cable, or the other end, is down`,
        remedy: null,
      }

function refused(
  name: string,
  reason: string,
  link: HostInterface | undefined,
  usable: readonly HostInterface[],
): Finding {
  const names = usable.map(each => each.name)
  const meant = link ? null : (nearest(name, names) ?? names[0] ?? null)
  const remedy = link && !link.up ? `ip link set ${name} up` : meant && `--interface ${meant}`
  return { check: 'interfaces', severity: 'fatal', message: reason, remedy }
}

export function checkAddressing(
  driver: Config['driver'],
  used: readonly HostInterface[],
  host: Pick<Host, 'sysctls' | 'read'>,
): Finding[] {
  return [
    ...checkForwarding(used, host),
    ...checkReversePath(driver, used, host),
    ...checkRedirects(used, host),
    ...checkIpv6(used, host),
    ...checkKernelIpvs(host),
  ]
}

/** Sluice moves its own packets; the real servers' other traffic needs a host that forwards. */
function checkForwarding(
  used: readonly HostInterface[],
  { sysctls }: Pick<Host, 'sysctls'>,
): Finding[] {
  const families = [['IPv4', 'net.ipv4.ip_forward', 'ipv4'] as const]
  const all = [...families, ['IPv6', 'net.ipv6.conf.all.forwarding', 'ipv6'] as const]
  return all.flatMap(([label, name, family]): Finding[] => {
    const value = sysctls.get(name.replaceAll('.', '/'))
    const routed = used.some(({ addresses }) =>
      addresses.some(each => each.family === family && !each.address.startsWith('fe80:')),
    )
    if (value === null || !routed) return []
    if (value === '1') return [fine('ip_forward', `${label} forwarding is on`)]
    return [
      {
        check: 'ip_forward',
        severity: 'warning',
        message:
          `${label} forwarding is off: virtual services work, but real servers that use this host ` +
          'as their gateway reach nothing else through it',
        remedy: `sysctl -w ${name}=1`,
      },
    ]
  })
}

/** The kernel uses the larger of `all` and the interface (Documentation/networking/ip-sysctl). */
function checkReversePath(
  driver: Config['driver'],
  used: readonly HostInterface[],
  { sysctls }: Pick<Host, 'sysctls'>,
): Finding[] {
  const check = 'rp_filter'
  const value = (name: string) => Number(sysctls.get(`net/ipv4/conf/${name}/rp_filter`) ?? 0)
  const strict = used.filter(each => Math.max(value('all'), value(each.name)) === 1)
  if (strict.length === 0) return used.length === 0 ? [] : [fine(check, 'not strict')]
  const names = strict.map(each => each.name).join(' ')
  // Packet sockets see a frame before the kernel judges its source address.
  if (driver === 'packet-ring')
    return [fine(check, `strict on ${names}; packet-ring is not subject to it`)]
  return strict.map(each => ({
    check,
    severity: 'warning' as const,
    message:
      `strict on ${each.name}: the kernel drops packets, before raw-socket sees them, whose sender ` +
      'is routed through another interface',
    remedy: `sysctl -w net.ipv4.conf.${dotted(each.name)}.rp_filter=2`,
  }))
}

/** A redirect tells a real server to answer clients directly, untranslated. */
function checkRedirects(
  used: readonly HostInterface[],
  { sysctls }: Pick<Host, 'sysctls'>,
): Finding[] {
  if (sysctls.get('net/ipv4/ip_forward') !== '1') return []
  const on = (name: string) => sysctls.get(`net/ipv4/conf/${name}/send_redirects`) === '1'
  // The kernel sends them when either `all` or the interface says so.
  const sending = used.filter(each => on('all') || on(each.name))
  if (sending.length === 0) return [fine('redirects', 'ICMP redirects are not sent')]
  const settings = ['all', ...sending.map(each => dotted(each.name))]
  return [
    {
      check: 'redirects',
      severity: 'hint',
      message:
        'this host sends ICMP redirects: where clients and real servers share a subnet, a real ' +
        'server would then answer clients directly and break its connections',
      remedy: `sysctl -w ${settings.map(name => `net.ipv4.conf.${name}.send_redirects=0`).join(' ')}`,
    },
  ]
}

function checkIpv6(used: readonly HostInterface[], { sysctls }: Pick<Host, 'sysctls'>): Finding[] {
  const off = used.filter(each => sysctls.get(`net/ipv6/conf/${each.name}/disable_ipv6`) === '1')
  return off.map(each => ({
    check: 'ipv6',
    severity: 'hint' as const,
    message: `IPv6 is off on ${each.name}: no IPv6 virtual address can be put there`,
    remedy: `sysctl -w net.ipv6.conf.${dotted(each.name)}.disable_ipv6=0`,
  }))
}

/** The kernel's own IPVS acts at LOCAL_IN on packets that pass the guard. */
function checkKernelIpvs({ read }: Pick<Host, 'read'>): Finding[] {
  const services = (read('/proc/net/ip_vs') ?? '')
    .split('\n')
    .filter(line => /^(TCP|UDP|SCTP|FWM)\s/.test(line))
  if (services.length === 0) return []
  return [
    {
      check: 'ipvs',
      severity: 'warning',
      message: `the kernel's IPVS has ${services.length} virtual services of its own on this host`,
      remedy: 'ipvsadm --clear',
    },
  ]
}

/** sysctl(8) takes a slash for a dot that is part of a name, as in eth0.100. */
const dotted = (name: string) => name.replaceAll('.', '/')
