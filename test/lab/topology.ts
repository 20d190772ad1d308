/**
 * The lab that everything here runs in.
 *
 *     client ---- director ---- switch ---- a, b, c
 *     192.0.2.10          10.0.0.254        10.0.0.1 … 10.0.0.3
 *     2001:db8:1::10      2001:db8:2::fe    2001:db8:2::1 … ::3
 *
 * The director is the default gateway of both sides, as NAT needs; virtual addresses are in
 * 198.51.100.0/24 and 2001:db8:f::/64. With one real server there is no switch. With `hops` a
 * router stands on either side of the director (203.0.113.0/24 and 10.0.9.0/24 between them), so
 * that somebody else can answer with ICMP.
 */
import {
  CLIENT,
  CLIENT_DEVICE,
  DIRECTOR_CLIENT_SIDE,
  DIRECTOR_DEVICES,
  DIRECTOR_SERVER_SIDE,
  serverAddress,
  SERVER_DEVICE,
  SERVER_NAMES,
  type ServerName,
} from './cast.js'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'

export interface TopologyOptions {
  servers?: number
  hops?: boolean
}

export interface Topology {
  client: Namespace
  director: Namespace
  servers: Map<ServerName, Namespace>
  /** The routers next to the client and to the real servers, when asked for. */
  hops: { near: Namespace; far: Namespace } | null
}

const [CLIENT_SIDE, SERVER_SIDE] = DIRECTOR_DEVICES
const FORWARD = { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 }
// Tests count ICMP errors, so no host may hold some back.
const TALKATIVE = { 'net.ipv4.icmp_ratelimit': 0, 'net.ipv6.icmp.ratelimit': 0 }

/** Builds the hosts, wires and routes. Nothing runs in them yet. */
export async function build(lab: Lab, options: TopologyOptions = {}): Promise<Topology> {
  const names = SERVER_NAMES.slice(0, options.servers ?? SERVER_NAMES.length)
  const client = await lab.host('client')
  const director = await lab.host('director')
  const servers = new Map<ServerName, Namespace>()
  for (const name of names) servers.set(name, await lab.host(name))
  await director.sysctl({ ...FORWARD, ...TALKATIVE })

  const near = { host: director, device: CLIENT_SIDE }
  const far = { host: director, device: SERVER_SIDE }
  const hops = options.hops === true ? await wireHops(lab, director) : null
  await lab.wire(
    { host: client, device: CLIENT_DEVICE },
    hops ? { host: hops.near, device: 'down0' } : near,
  )
  await wireServers(lab, servers, hops ? { host: hops.far, device: 'down0' } : far)
  await address(hops?.near ?? director, hops ? 'down0' : CLIENT_SIDE, DIRECTOR_CLIENT_SIDE)
  await address(hops?.far ?? director, hops ? 'down0' : SERVER_SIDE, DIRECTOR_SERVER_SIDE)
  await settle(client, CLIENT_DEVICE, CLIENT, DIRECTOR_CLIENT_SIDE)
  for (const [name, host] of servers) {
    const own = { ipv4: serverAddress(name, 'ipv4'), ipv6: serverAddress(name, 'ipv6') }
    await settle(host, SERVER_DEVICE, own, DIRECTOR_SERVER_SIDE)
  }
  return { client, director, servers, hops }
}

/** Every interface that carries balanced traffic, to switch offload on or off. */
export async function setOffload(topology: Topology, on: boolean): Promise<void> {
  await topology.client.offload(CLIENT_DEVICE, on)
  for (const device of DIRECTOR_DEVICES) await topology.director.offload(device, on)
  for (const host of topology.servers.values()) await host.offload(SERVER_DEVICE, on)
}

interface Addresses {
  ipv4: string
  ipv6: string
}

async function address(host: Namespace, device: string, own: Addresses): Promise<void> {
  await host.ip(
    `addr add ${own.ipv4}/24 dev ${device}`,
    `addr add ${own.ipv6}/64 dev ${device} nodad`,
  )
}

async function settle(host: Namespace, device: string, own: Addresses, gateway: Addresses) {
  await host.sysctl(TALKATIVE)
  await address(host, device, own)
  await host.ip(`route add default via ${gateway.ipv4}`, `route add default via ${gateway.ipv6}`)
}

async function wireServers(
  lab: Lab,
  servers: ReadonlyMap<ServerName, Namespace>,
  uplink: { host: Namespace; device: string },
): Promise<void> {
  const [only] = servers.values()
  if (servers.size === 1 && only) return lab.wire(uplink, { host: only, device: SERVER_DEVICE })
  const bridge = await lab.host('switch')
  await bridge.ip('link add bridge0 type bridge mcast_snooping 0', 'link set bridge0 up')
  await lab.wire(uplink, { host: bridge, device: 'uplink' })
  await bridge.ip('link set uplink master bridge0')
  for (const [name, host] of servers) {
    await lab.wire({ host, device: SERVER_DEVICE }, { host: bridge, device: `port-${name}` })
    await bridge.ip(`link set port-${name} master bridge0`)
  }
}

async function wireHops(lab: Lab, director: Namespace) {
  const near = await lab.host('near')
  const far = await lab.host('far')
  for (const hop of [near, far]) await hop.sysctl({ ...FORWARD, ...TALKATIVE })
  await lab.wire({ host: director, device: CLIENT_SIDE }, { host: near, device: 'up0' })
  await lab.wire({ host: director, device: SERVER_SIDE }, { host: far, device: 'up0' })
  await address(director, CLIENT_SIDE, { ipv4: '203.0.113.1', ipv6: '2001:db8:3::1' })
  await address(director, SERVER_SIDE, { ipv4: '10.0.9.1', ipv6: '2001:db8:9::1' })
  await address(near, 'up0', { ipv4: '203.0.113.2', ipv6: '2001:db8:3::2' })
  await address(far, 'up0', { ipv4: '10.0.9.2', ipv6: '2001:db8:9::2' })
  await near.ip('route add default via 203.0.113.1', 'route add default via 2001:db8:3::1')
  await far.ip('route add default via 10.0.9.1', 'route add default via 2001:db8:9::1')
  await director.ip(
    'route add 192.0.2.0/24 via 203.0.113.2',
    'route add 10.0.0.0/24 via 10.0.9.2',
    'route add 2001:db8:1::/64 via 2001:db8:3::2',
    'route add 2001:db8:2::/64 via 2001:db8:9::2',
  )
  return { near, far }
}
