/**
 * The bench of the recordings:
 *
 *     client wire == eth0 [director] eth1 == server wire
 *
 * every address fixed and every neighbour known, so that no ARP or ND appears.
 */
import { LoopbackDriver } from '../../dataplane/driver/loopback.js'
import { NUD_PERMANENT } from '../../dataplane/net/neighbours.js'
import { NetworkTable } from '../../dataplane/net/network-table.js'
import { RouteType, TABLE_LOCAL, TABLE_MAIN } from '../../dataplane/net/route.js'
import * as address from '../../dataplane/wire/address.js'
import type { Lab, Wire } from './case.js'

/** Indices of the driver's ports. */
export const PORTS: Record<Wire, number> = { client: 0, server: 1 }
export const WIRES: readonly Wire[] = ['client', 'server']
/** Source of all that comes in on the client wire, and the gateway behind it. */
export const CLIENT_MAC = '02:00:00:00:00:fe'
export const PORT_MACS = ['02:00:00:00:00:01', '02:00:00:00:01:01'] as const
const SERVERS = 9
const LOOPBACK = 1
const INTERFACES: Record<string, number> = { lo: LOOPBACK, eth0: 2, eth1: 3 }

export const serverMac = (k: number): string => `02:00:00:00:01:${(0x10 + k).toString(16)}`

export function makeDriver(lab: Lab, counters: Float64Array): LoopbackDriver {
  const mtus = [lab.mtu_c, lab.mtu_s]
  const ports = PORT_MACS.map((text, i) => {
    const port = { name: `eth${i}`, ifIndex: INTERFACES[`eth${i}`]!, mac: macBytes(text) }
    return { ...port, mtuOctets: mtus[i]! }
  })
  return new LoopbackDriver(ports, counters)
}

export class Topology {
  readonly network: NetworkTable

  constructor(driver: LoopbackDriver, lab: Lab) {
    const network = new NetworkTable(driver)
    this.network = network
    network.begin()
    this.#local('127.0.0.0/8', LOOPBACK)
    this.#local('::1/128', LOOPBACK)
    this.addAddress('10.0.0.1/24', 'eth0')
    this.addAddress('2001:db8::1/64', 'eth0')
    this.addAddress('192.168.10.1/24', 'eth1')
    this.addAddress('2001:db8:10::1/64', 'eth1')
    for (const vip of lab.vips) this.addAddress(`${vip}/32`, 'eth0')
    for (const vip of lab.vips6) this.addAddress(`${vip}/128`, 'eth0')
    this.addRoute('0.0.0.0/0', '10.0.0.254', 'eth0')
    this.addRoute('::/0', '2001:db8::fe', 'eth0')
    this.#neighbour('10.0.0.254', 'eth0', CLIENT_MAC)
    this.#neighbour('2001:db8::fe', 'eth0', CLIENT_MAC)
    for (let k = 1; k <= SERVERS; k++) {
      this.#neighbour(`192.168.10.${10 + k}`, 'eth1', serverMac(k))
      this.#neighbour(`2001:db8:10::${10 + k}`, 'eth1', serverMac(k))
    }
    network.commit()
  }

  /** `ip address add`: the address is local, its network on the link. */
  addAddress(text: string, interfaceName: string): void {
    const prefix = parsePrefix(text)
    const { family, w0, w1, w2, w3, prefixLength } = prefix
    const ifIndex = INTERFACES[interfaceName]!
    const where = { ifIndex, family, w0, w1, w2, w3 }
    this.network.setAddress({ ...where, scope: 0, flags: 0 })
    const bits = family === 4 ? 32 : 128
    this.#route(prefix, bits, RouteType.local, TABLE_LOCAL, ifIndex, null)
    if (prefixLength === bits) return
    this.#route(masked(prefix), prefixLength, RouteType.unicast, TABLE_MAIN, ifIndex, null)
    if (family !== 4) return
    const broadcast = { ...prefix, w0: w0 | ~address.maskWord(prefixLength, 0) }
    this.#route(broadcast, 32, RouteType.broadcast, TABLE_LOCAL, ifIndex, null)
  }

  addRoute(destination: string, via: string, interfaceName: string): void {
    const prefix = parsePrefix(destination)
    const ifIndex = INTERFACES[interfaceName]!
    const { prefixLength } = prefix
    this.#route(prefix, prefixLength, RouteType.unicast, TABLE_MAIN, ifIndex, address.parse(via))
  }

  #local(text: string, ifIndex: number): void {
    const prefix = parsePrefix(text)
    this.#route(prefix, prefix.prefixLength, RouteType.local, TABLE_LOCAL, ifIndex, null)
  }

  #route(
    { family, w0, w1, w2, w3 }: address.Address,
    length: number,
    type: number,
    table: number,
    ifIndex: number,
    via: address.Address | null,
  ): void {
    const hops = [{ ifIndex, via, weight: 1, dead: false, encapsulated: false }]
    const rest = { tos: 0, metric: 0, mtuOctets: 0, hops }
    this.network.addRoute({ family, table, w0, w1, w2, w3, length, type, ...rest })
  }

  #neighbour(text: string, interfaceName: string, mac: string): void {
    const { family, w0, w1, w2, w3 } = address.parse(text)!
    const where = { ifIndex: INTERFACES[interfaceName]!, family, w0, w1, w2, w3 }
    const v = new DataView(macBytes(mac).buffer)
    this.network.setNeighbour(where, NUD_PERMANENT, { high: v.getUint16(0), low: v.getInt32(2) })
  }
}

export const macBytes = (text: string): Uint8Array =>
  Uint8Array.from(text.split(':'), part => parseInt(part, 16))

function parsePrefix(text: string): address.Prefix {
  const prefix = address.parsePrefix(text)
  if (prefix === null) throw new Error(`not an address: ${text}`)
  return prefix
}

const masked = (p: address.Prefix): address.Prefix => ({
  ...p,
  w0: p.w0 & address.maskWord(p.prefixLength, 0),
  w1: p.w1 & address.maskWord(p.prefixLength, 1),
  w2: p.w2 & address.maskWord(p.prefixLength, 2),
  w3: p.w3 & address.maskWord(p.prefixLength, 3),
})
