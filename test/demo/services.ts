import {
  FAMILIES,
  SERVER_NAMES,
  serverAddress,
  VIP,
  type Family,
  type ServerName,
} from '../lab/cast.js'
import type { ServiceSpec } from '../lab/director.js'
import { HTTP_PORT, IPERF_PORT, UDP_PORT } from '../lab/real-server.js'

export const WEIGHTS: Readonly<Record<ServerName, number>> = { a: 3, b: 2, c: 1 }

export const label = (family: Family) => (family === 'ipv4' ? 'IPv4' : 'IPv6')
const short = (family: Family) => (family === 'ipv4' ? 'v4' : 'v6')
export const webName = (family: Family) => `web-${short(family)}`
export const dnsName = (family: Family) => `dns-${short(family)}`

/** Weighted HTTP, and UDP queries in turn, once for each family; the first ones are shown whole. */
export function services(): Record<string, ServiceSpec> {
  const all: Record<string, ServiceSpec> = {}
  for (const family of FAMILIES) all[webName(family)] = web(family)
  for (const family of FAMILIES) all[dnsName(family)] = dns(family)
  return all
}

/** Bulk TCP to one real server; what Sluice and nftables compete on. */
export const bulkService = (): ServiceSpec => ({
  ...{ protocol: 'tcp', address: VIP.ipv4, port: IPERF_PORT, scheduler: 'rr' },
  realServers: { a: { address: serverAddress('a', 'ipv4') } },
})

const web = (family: Family): ServiceSpec => ({
  ...{ protocol: 'tcp', address: VIP[family], port: 80, scheduler: 'wrr' },
  realServers: each(name => ({
    ...{ address: serverAddress(name, family), port: HTTP_PORT, weight: WEIGHTS[name] },
  })),
})

const dns = (family: Family): ServiceSpec => ({
  ...{ protocol: 'udp', address: VIP[family], port: 53, scheduler: 'rr' },
  realServers: each(name => ({ address: serverAddress(name, family), port: UDP_PORT })),
})

function each<T>(make: (name: ServerName) => T): Record<string, T> {
  return Object.fromEntries(SERVER_NAMES.map(name => [name, make(name)]))
}
