/**
 * The lab for forwarding methods whose real servers answer clients themselves: only one direction
 * passes the director.
 *
 *                        203.0.113.1  director  10.0.9.1 (tunnels) or 10.0.0.254 (direct routing)
 *                            |                      |
 *     client ------------- router ------------------+
 *     192.0.2.10             | 10.0.0.253           |
 *                          switch - - - - - - - - - +
 *                            |
 *                           a, b    10.0.0.1, 10.0.0.2
 *
 * IPv6 alike. Tunnelled packets pass the router a second time on their way to the servers, so that
 * it can say what is too big; for direct routing the director is on the servers' own segment.
 */
import {
  CLIENT,
  CLIENT_DEVICE,
  DIRECTOR_CLIENT_SIDE,
  DIRECTOR_DEVICES,
  DIRECTOR_SERVER_SIDE,
  SERVER_DEVICE,
  SERVER_NAMES,
  serverAddress,
  VIP,
  type ServerName,
} from './cast.js'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'
import type { Topology } from './topology.js'

export interface OneWayOptions {
  method: 'dr' | 'tunnel'
  servers?: number
  mtuOctets?: number
}

export interface OneWay extends Topology {
  router: Namespace
}

const [CLIENT_SIDE, SERVER_SIDE] = DIRECTOR_DEVICES
const FRONT = {
  director: pair('203.0.113.1', '2001:db8:3::1'),
  router: pair('203.0.113.2', '2001:db8:3::2'),
}
const BACK = {
  director: pair('10.0.9.1', '2001:db8:9::1'),
  router: pair('10.0.9.2', '2001:db8:9::2'),
}
const GATEWAY = pair('10.0.0.253', '2001:db8:2::fd')
/** Where tunnelled packets come from. */
export const TUNNEL_SOURCE = BACK.director
/** The router's legs. */
export const ROUTER_DEVICES = {
  client: 'down0',
  director: 'front0',
  back: 'back0',
  servers: 'servers0',
}

const ROUTE = {
  ...{ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 },
  // Tests count ICMP errors, so no host may hold some back.
  ...{ 'net.ipv4.icmp_ratelimit': 0, 'net.ipv6.icmp.ratelimit': 0 },
}

export async function buildOneWay(lab: Lab, options: OneWayOptions): Promise<OneWay> {
  const { method, mtuOctets = 1500 } = options
  const [client, router, director, bridge] = [
    await lab.host('client'),
    await lab.host('router'),
    await lab.host('director'),
    await lab.host('switch'),
  ]
  for (const host of [router, director]) await host.sysctl(ROUTE)
  const wire = (a: Namespace, device: string, b: Namespace, far: string) =>
    lab.wire({ host: a, device }, { host: b, device: far }, mtuOctets)
  const plug = async (host: Namespace, device: string, port: string) => {
    await wire(host, device, bridge, port)
    await bridge.ip(`link set ${port} master bridge0`)
  }
  await bridge.ip('link add bridge0 type bridge mcast_snooping 0', 'link set bridge0 up')
  await wire(client, CLIENT_DEVICE, router, ROUTER_DEVICES.client)
  await wire(router, ROUTER_DEVICES.director, director, CLIENT_SIDE)
  await plug(router, ROUTER_DEVICES.servers, 'port-router')
  await address(client, CLIENT_DEVICE, CLIENT)
  await address(router, ROUTER_DEVICES.client, DIRECTOR_CLIENT_SIDE)
  await address(router, ROUTER_DEVICES.director, FRONT.router)
  await address(router, ROUTER_DEVICES.servers, GATEWAY)
  await address(director, CLIENT_SIDE, FRONT.director)
  if (method === 'dr') {
    await plug(director, SERVER_SIDE, 'port-director')
    await address(director, SERVER_SIDE, DIRECTOR_SERVER_SIDE)
  } else {
    await wire(director, SERVER_SIDE, router, ROUTER_DEVICES.back)
    await address(director, SERVER_SIDE, BACK.director)
    await address(router, ROUTER_DEVICES.back, BACK.router)
    await director.ip(
      `route add 10.0.0.0/24 via ${BACK.router.ipv4}`,
      `route add 2001:db8:2::/64 via ${BACK.router.ipv6}`,
    )
  }
  await director.ip(
    `route add 192.0.2.0/24 via ${FRONT.router.ipv4}`,
    `route add 2001:db8:1::/64 via ${FRONT.router.ipv6}`,
  )
  await router.ip(
    `route add 198.51.100.0/24 via ${FRONT.director.ipv4}`,
    `route add 2001:db8:f::/64 via ${FRONT.director.ipv6}`,
  )
  await client.ip(
    `route add default via ${DIRECTOR_CLIENT_SIDE.ipv4}`,
    `route add default via ${DIRECTOR_CLIENT_SIDE.ipv6}`,
  )
  const servers = new Map<ServerName, Namespace>()
  for (const name of SERVER_NAMES.slice(0, options.servers ?? 1)) {
    const host = await lab.host(name)
    servers.set(name, host)
    await plug(host, SERVER_DEVICE, `port-${name}`)
    await host.sysctl({ 'net.ipv4.icmp_ratelimit': 0, 'net.ipv6.icmp.ratelimit': 0 })
    const own = pair(serverAddress(name, 'ipv4'), serverAddress(name, 'ipv6'))
    await address(host, SERVER_DEVICE, own)
  }
  return { client, router, director, servers, hops: null }
}

/**
 * Sends servers' answers by the router, and as if from the virtual address where a program has not
 * bound itself to it; the servers must hold it by now.
 */
export async function answerDirectly({ servers }: OneWay): Promise<void> {
  for (const host of servers.values()) {
    await host.ip(
      `route add default via ${GATEWAY.ipv4} src ${VIP.ipv4}`,
      `route add default via ${GATEWAY.ipv6} src ${VIP.ipv6}`,
    )
  }
}

/** Every interface that carries traffic of clients. */
export async function setOneWayOffload(topology: OneWay, on: boolean): Promise<void> {
  const { client, router, director, servers } = topology
  await client.offload(CLIENT_DEVICE, on)
  const legs = [ROUTER_DEVICES.client, ROUTER_DEVICES.director, ROUTER_DEVICES.servers]
  for (const device of legs) await router.offload(device, on)
  for (const device of DIRECTOR_DEVICES) {
    await director.offload(device, on)
    // Tunnelled offload frames would cross veth whole, and the far ends want them as on a wire.
    const tunnels = ['tx-ipxip4-segmentation', 'off', 'tx-ipxip6-segmentation', 'off']
    await director.must(['ethtool', '-K', device, ...tunnels])
  }
  for (const host of servers.values()) await host.offload(SERVER_DEVICE, on)
}

function pair(ipv4: string, ipv6: string) {
  return { ipv4, ipv6 }
}

async function address(host: Namespace, device: string, own: { ipv4: string; ipv6: string }) {
  await host.ip(
    `addr add ${own.ipv4}/24 dev ${device}`,
    `addr add ${own.ipv6}/64 dev ${device} nodad`,
  )
}
