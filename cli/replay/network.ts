/**
 * The network that a replay runs in: the one described by its configuration, or one made up from
 * the services and the capture, with every host on one link and all neighbours known. Neighbours
 * that were not described are learnt from the capture's frames; those that it never shows get an
 * invented address, so that nothing waits for an answer that no recording will give.
 */
import type { Port } from '../../dataplane/driver/driver.js'
import { selectHop } from '../../dataplane/net/fib.js'
import { NUD_PERMANENT } from '../../dataplane/net/neighbours.js'
import { NetworkTable } from '../../dataplane/net/network-table.js'
import { RouteType, TABLE_LOCAL, TABLE_MAIN } from '../../dataplane/net/route.js'
import * as address from '../../dataplane/wire/address.js'
import type { Mac } from '../../dataplane/wire/mac.js'
import type { NamedService } from './configuration.js'
import { holds, MTU_DEFAULT, type NetworkPlan } from './network-plan.js'

/** Index that stands for the loopback interface, which is no port. */
const LOOPBACK = 1
const FIRST_INDEX = 2
const DEFAULT_NAME = 'in'
const MAX_LENGTHS = { 4: 32, 6: 128 } as const

export class ReplayNetwork {
  readonly table: NetworkTable
  readonly ports: readonly Port[]
  readonly #plan: NetworkPlan
  /** Hardware addresses of this host: configured, or seen as where packets for a VIP went. */
  readonly #own = new Set<string>()
  readonly #configured = new Set<string>()
  readonly #known = new Map<string, Mac>()

  constructor(plan: NetworkPlan | null, services: readonly NamedService[]) {
    this.#plan = plan ?? onOneLink()
    this.ports = this.#plan.interfaces.map(({ name, mac, mtuOctets }, index) => {
      const { high, low } = mac ?? inventedMac(index)
      const ifIndex = FIRST_INDEX + index
      return {
        index,
        name,
        ifIndex,
        macHigh: high,
        macLow: low,
        mtuOctets,
        segments: true,
        sums: false,
      }
    })
    for (const { mac } of this.#plan.interfaces) if (mac !== null) this.#own.add(textOf(mac))
    const table = new NetworkTable({ ports: this.ports, ethernet: true })
    this.table = table
    table.begin()
    this.#route(prefixOf('127.0.0.0/8'), RouteType.local, LOOPBACK, null)
    this.#route(prefixOf('::1/128'), RouteType.local, LOOPBACK, null)
    for (const [port, { addresses }] of this.#plan.interfaces.entries())
      for (const prefix of addresses) this.#addAddress(prefix, port)
    for (const service of services) this.#addVirtualAddress(service, plan === null)
    for (const { destination, via, port } of this.#plan.routes)
      this.#route(destination, RouteType.unicast, FIRST_INDEX + port, via)
    for (const { address: where, mac, port } of this.#plan.neighbours) {
      this.#configured.add(keyOf(where, FIRST_INDEX + port))
      this.#setNeighbour(where, FIRST_INDEX + port, mac)
    }
    table.commit()
    for (const service of services)
      for (const { config } of service.servers) this.#ensure(address.parse(config.address)!)
  }

  /** Whether the host delivers packets for that address to itself. */
  isLocal = (a: address.Address): boolean => this.table.isLocal(a.family, a.w0, a.w1, a.w2, a.w3)

  isOwnMac = (mac: Mac): boolean => this.#own.has(textOf(mac))

  /** Null when unicast frames for any hardware address may be this host's. */
  get strictMacs(): boolean {
    return this.#plan.interfaces.every(({ mac }) => mac !== null)
  }

  /** Learns that frames for this host carry that address. */
  learnOwn(mac: Mac): void {
    this.#own.add(textOf(mac))
  }

  /** The port that a frame came in by, as far as its headers tell. */
  portOf(name: string | null, dstMac: Mac | null, source: address.Address | null): number {
    const { interfaces } = this.#plan
    if (interfaces.length === 1) return 0
    const byName = interfaces.findIndex(each => each.name === name)
    if (byName >= 0) return byName
    const byMac = interfaces.findIndex(
      ({ mac }) => mac !== null && dstMac !== null && textOf(mac) === textOf(dstMac),
    )
    if (byMac >= 0) return byMac
    const hop = source === null ? null : this.#hop(source)
    return hop === null || hop.ifIndex < FIRST_INDEX ? 0 : hop.ifIndex - FIRST_INDEX
  }

  /** Learns from a frame where its sender, or the router it came through, can be reached. */
  learn(source: address.Address, mac: Mac | null): void {
    const hop = this.#hop(source)
    if (hop === null || hop.ifIndex < FIRST_INDEX) return
    const where = hop.via ?? source
    const key = keyOf(where, hop.ifIndex)
    const known = this.#known.get(key)
    if (known !== undefined && (mac === null || this.#configured.has(key))) return
    if (mac !== null && known?.high === mac.high && known.low === mac.low) return
    this.#setNeighbour(where, hop.ifIndex, mac ?? inventedMac(where))
  }

  /** How the host's kernel would send a packet to that destination; null when it would not. */
  frameFor(
    ip: Uint8Array,
    destination: address.Address,
  ): { port: number; frame: Uint8Array } | null {
    const hop = this.#hop(destination)
    if (hop === null || hop.ifIndex < FIRST_INDEX) return null
    const port = hop.ifIndex - FIRST_INDEX
    const where = hop.via ?? destination
    const { high, low } = this.#known.get(keyOf(where, hop.ifIndex)) ?? inventedMac(where)
    const { macHigh, macLow } = this.ports[port]!
    const frame = new Uint8Array(14 + ip.length)
    const view = new DataView(frame.buffer)
    view.setUint16(0, high)
    view.setInt32(2, low)
    view.setUint16(6, macHigh)
    view.setInt32(8, macLow)
    view.setUint16(12, destination.family === 4 ? 0x0800 : 0x86dd)
    frame.set(ip, 14)
    return { port, frame }
  }

  #ensure(where: address.Address): void {
    this.learn(where, null)
  }

  #hop(to: address.Address): { ifIndex: number; via: address.Address | null } | null {
    const { family, w0, w1, w2, w3 } = to
    const route = this.table.fib.lookup(family, w0, w1, w2, w3)
    return route?.type === RouteType.unicast ? selectHop(route, 0) : null
  }

  #setNeighbour(where: address.Address, ifIndex: number, mac: Mac): void {
    const { family, w0, w1, w2, w3 } = where
    this.#known.set(keyOf(where, ifIndex), mac)
    this.table.setNeighbour({ ifIndex, family, w0, w1, w2, w3 }, NUD_PERMANENT, mac)
  }

  /** The address is local, its network on the link. */
  #addAddress(prefix: address.Prefix, port: number): void {
    const { family, w0, w1, w2, w3, prefixLength } = prefix
    const ifIndex = FIRST_INDEX + port
    const bits = MAX_LENGTHS[family as 4 | 6]
    this.table.setAddress({ ifIndex, family, w0, w1, w2, w3, scope: 0, flags: 0 })
    this.#route({ ...prefix, prefixLength: bits }, RouteType.local, ifIndex, null)
    if (prefixLength < bits) this.#route(prefix, RouteType.unicast, ifIndex, null)
    if (family !== 4 || prefixLength > 30) return
    const last = w0 | ~address.maskWord(prefixLength, 0)
    const broadcast = { ...prefix, w0: last, prefixLength: bits }
    this.#route(broadcast, RouteType.broadcast, ifIndex, null)
  }

  /** As Sluice puts it on the host, unless somebody else does. */
  #addVirtualAddress(service: NamedService, always: boolean): void {
    const { key } = service.config
    if ('fwmark' in key || !(service.manageAddress || always)) return
    const vip = address.parse(key.address)!
    const { interfaces } = this.#plan
    const named = interfaces.findIndex(({ name }) => name === service.interfaceName)
    const near = interfaces.findIndex(({ addresses }) => addresses.some(p => holds(p, vip)))
    const port = Math.max(0, named >= 0 ? named : near)
    if (!this.isLocal(vip))
      this.#addAddress({ ...vip, prefixLength: MAX_LENGTHS[vip.family as 4 | 6] }, port)
  }

  #route(prefix: address.Prefix, type: number, ifIndex: number, via: address.Address | null): void {
    const { family, prefixLength: length } = prefix
    const table = type === RouteType.unicast ? TABLE_MAIN : TABLE_LOCAL
    const words = {
      w0: prefix.w0 & address.maskWord(length, 0),
      w1: prefix.w1 & address.maskWord(length, 1),
      w2: prefix.w2 & address.maskWord(length, 2),
      w3: prefix.w3 & address.maskWord(length, 3),
    }
    const hops = [{ ifIndex, via, weight: 1, dead: false, encapsulated: false }]
    const rest = { tos: 0, metric: 0, mtuOctets: 0, hops }
    this.table.addRoute({ family, table, ...words, length, type, ...rest }, 'append')
  }
}

function onOneLink(): NetworkPlan {
  const only = { name: DEFAULT_NAME, mac: null, mtuOctets: MTU_DEFAULT, addresses: [] }
  const everything = ['0.0.0.0/0', '::/0'].map(prefixOf)
  const routes = everything.map(destination => ({ destination, via: null, port: 0 }))
  return { interfaces: [only], routes, neighbours: [] }
}

/** Locally administered. Of an IPv4 host it ends with the address; of our own ports with the index. */
function inventedMac(of: address.Address | number): Mac {
  if (typeof of === 'number') return { high: 0x0253, low: of + 1 }
  if (of.family === 4) return { high: 0x0204, low: of.w0 }
  return { high: 0x0206, low: of.w0 ^ of.w1 ^ of.w2 ^ of.w3 }
}

const prefixOf = (text: string): address.Prefix => address.parsePrefix(text)!
const textOf = ({ high, low }: Mac): string => `${high} ${low}`
const keyOf = ({ family, w0, w1, w2, w3 }: address.Address, ifIndex: number): string =>
  `${ifIndex} ${family} ${w0} ${w1} ${w2} ${w3}`
