/** From a virtual_server to services and real servers, with what keepalived does when it starts. */
import { schedulerFlags } from '../../ipvsadm/values.js'
import type { DestSpec, ServiceKey, ServiceSpec } from '../../ipvsadm/model.js'
import type { Assembly } from '../assembly.js'
import { mark } from '../report.js'
import { checksOf, commonOf } from './checks.js'
import type { Member } from './group.js'
import type { RealServer } from './real-server.js'
import { policyOf } from './service-policy.js'
import type { Node } from './tree.js'
import { granularityOf, NAT, type Method } from './values.js'
import type { VirtualServer } from './virtual-server.js'

const TIMEOUT_DEFAULT_S = 360
const NO_PORT = 'Without a port it takes every one, which needs persistence: 360 seconds.'
const NO_PROTOCOL = 'Without a protocol it is UDP, as for keepalived.'

export function addServices(server: VirtualServer, assembly: Assembly): void {
  const { node, members, servers } = server
  const { entry } = node
  if (!assembly.spend(members.length * (servers.length + 1)))
    return mark(entry, 'refused', 'It makes more real servers than can be imported at once.')
  completeDefaults(server)
  if (members.length > 1) mark(entry, 'changed', `It makes ${members.length} virtual services.`)
  const checks = servers.map(each => checksOf(each.checkers, { ...server.timing, ...each.timing }))
  const common = commonOf(checks)
  const texts = checks.map(each => JSON.stringify(each))
  for (const member of members) {
    const spec = specOf(member, server)
    if (spec === null) return
    const service = assembly.addService(spec, entry)
    if (service === null) continue
    if (Object.keys(common).length > 0) service.checks = common
    const policy = policyOf(server.policy, server.method, spec.key.port)
    if (Object.keys(policy).length > 0)
      service.policy = { document: policy, entry: server.policy.sorry?.node.entry ?? entry }
    for (const [i, each] of servers.entries()) {
      const dest = destOf(each, spec.key, server)
      const own = texts[i] === JSON.stringify(common) ? {} : { checks: checks[i]! }
      assembly.addServer(service, { spec: dest, entry: each.node.entry, ...own })
    }
  }
}

/** What keepalived sets by itself, each with its warning there and its reason here. */
function completeDefaults(server: VirtualServer): void {
  const { node, members } = server
  const { entry } = node
  const hasAddress = members.some(({ address }) => address !== null)
  if (hasAddress && server.protocol === null) {
    server.protocol = 'udp'
    mark(entry, 'changed', NO_PROTOCOL)
  }
  if (!hasAddress && server.protocol !== null)
    mark(entry, 'changed', 'A service by mark has no protocol.')
  if (hasAddress && server.onePacket && server.protocol !== 'udp') {
    server.onePacket = false
    mark(entry, 'changed', 'One-packet scheduling is for UDP and was left out.')
  }
  if (server.timeoutS !== null) return
  if (server.granularity !== null) server.timeoutS = TIMEOUT_DEFAULT_S
  else if (members.some(({ address, port }) => address !== null && port === 0)) {
    server.timeoutS = TIMEOUT_DEFAULT_S
    mark(entry, 'changed', NO_PORT)
  }
}

/** Null when it cannot be; then the report says why. */
function specOf(member: Member, server: VirtualServer): ServiceSpec | null {
  const { flags, timeoutS, granularity, onePacket, engine } = server
  const scheduler = server.scheduler ?? 'wlc'
  const family = member.family ?? familyOf(server)
  const whole = family === 4 ? '255.255.255.255' : 128
  const netmask = granularity === null ? whole : granularityOf(granularity.text, family)
  if (netmask === null) {
    const wanted = family === 4 ? 'an IPv4 netmask' : 'a prefix length of IPv6'
    mark(granularity!.node.entry, 'refused', `'${granularity!.text}' is not ${wanted}.`)
    mark(server.node.entry, 'refused', 'Its persistence_granularity was refused.')
    return null
  }
  const { address, port, fwmark } = member
  const spec: ServiceSpec = {
    key: { family, protocol: server.protocol ?? 'tcp', address: address ?? '', port, fwmark },
    scheduler,
    schedulerFlags: schedulerFlags(flagsFor(scheduler, flags).join(','), scheduler),
    persistence: timeoutS === null ? null : { timeoutS, netmask },
    ...{ engine, onePacket },
  }
  if (fwmark !== 0) spec.key.protocol = 'tcp'
  return spec
}

function flagsFor(scheduler: string, flags: readonly Node[]): string[] {
  const goes = ({ keyword }: Node) =>
    keyword.startsWith('flag-') || keyword.startsWith(`${scheduler}-`)
  for (const flag of flags)
    if (!goes(flag)) mark(flag.entry, 'ignored', `The scheduler is ${scheduler} in the end.`)
  return flags.filter(goes).map(({ keyword }) => keyword)
}

/** Of a mark: as told, or that of its real servers; tunnels decide only when they agree. */
function familyOf({ family, granularity, method, servers, members }: VirtualServer): 4 | 6 {
  if (family !== null) return family
  const addressed = members.find(member => member.address !== null)
  if (addressed?.family) return addressed.family
  if (granularity !== null) return granularity.text.includes('.') ? 4 : 6
  const isDirect = (server: RealServer) => (server.method ?? method ?? NAT).forwarding !== 'tunnel'
  const direct = servers.find(isDirect)
  if (direct !== undefined) return direct.endpoint.family === 'ipv6' ? 6 : 4
  return servers.length > 0 && servers.every(({ endpoint }) => endpoint.family === 'ipv6') ? 6 : 4
}

function destOf(each: RealServer, key: ServiceKey, server: VirtualServer): DestSpec {
  const method: Method = each.method ?? server.method ?? NAT
  const { text, family, port: given } = each.endpoint
  let port = given ?? key.port
  if (method.forwarding !== 'masq' && port !== key.port) {
    const reason =
      key.fwmark === 0
        ? `Nothing rewrites its port, so it is the service's, ${key.port}.`
        : 'Nothing rewrites its port, so it has none.'
    mark(each.node.entry, 'changed', reason)
    port = key.port
  }
  return {
    ...{ family: family === 'ipv4' ? 4 : 6, address: text, port },
    ...{ forwarding: method.forwarding, tunnel: method.tunnel },
    weight: each.weight ?? server.weight,
    ...{ upperThreshold: each.upperThreshold, lowerThreshold: each.lowerThreshold },
  }
}
