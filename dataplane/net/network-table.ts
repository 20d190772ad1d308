/**
 * What the kernel knows of links, addresses, routes and neighbours, and what follows from it for
 * each destination. rtnetlink.ts feeds it in the appliance, tests by hand.
 *
 * Adjacencies are made on demand and numbered anew in each generation, so that a new generation
 * is all it takes to make every cached one void.
 */
import type { Driver, Port } from '../driver/driver.js'
import { Addresses, type InterfaceAddress } from './addresses.js'
import { AdjacencyTable } from './adjacency-table.js'
import { Fib, selectHop, type Placement } from './fib.js'
import { Links, type Link } from './links.js'
import { LocalCache } from './local-cache.js'
import { Neighbours, type Neighbour, type NeighbourAddress } from './neighbours.js'
import { Refusal, type Adjacency, type NetworkView, type RefusalKind } from './network.js'
import { RouteType, type Hop, type Route } from './route.js'

/** What a dump of the kernel's tables covers, in the order in which they are read. */
export const DUMP_KINDS = ['links', 'addresses', 'routes', 'neighbours'] as const
export type DumpKind = (typeof DUMP_KINDS)[number]

/** What is asked of the driver; tests without frames leave `ethernet` out. */
type FrameDriver = Pick<Driver, 'ports'> & Partial<Pick<Driver, 'ethernet'>>

export class NetworkTable implements NetworkView {
  readonly links: Links
  readonly addresses: Addresses
  readonly fib: Fib
  readonly neighbours: Neighbours

  readonly #driver: FrameDriver
  readonly #local = new LocalCache()
  readonly #adjacencies = new AdjacencyTable()
  /** Whether the tables are another one's, who must not notice. */
  readonly #isReader: boolean
  #batches = 0
  #dirty = false

  /** The driver's ports are read at each resolution: MAC addresses, MTUs and indices may change. */
  constructor(
    driver: FrameDriver,
    limits: { routesMax?: number; neighboursMax?: number } = {},
    tables: Pick<NetworkTable, 'links' | 'addresses' | 'fib' | 'neighbours'> | null = null,
  ) {
    this.#driver = driver
    this.#isReader = tables !== null
    this.links = tables?.links ?? new Links()
    this.addresses = tables?.addresses ?? new Addresses()
    this.fib = tables?.fib ?? new Fib(limits.routesMax)
    this.neighbours = tables?.neighbours ?? new Neighbours(limits.neighboursMax)
  }

  reader(): NetworkView {
    return new NetworkTable(this.#driver, {}, this)
  }

  get generation(): number {
    return this.#adjacencies.generation
  }

  isLocal(family: number, w0: number, w1: number, w2: number, w3: number): boolean {
    const known = this.#local.get(family, w0, w1, w2, w3)
    if (known >= 0) return known === 1
    const local = this.fib.isLocal(family, w0, w1, w2, w3)
    this.#local.set(family, w0, w1, w2, w3, local)
    return local
  }

  resolve(family: number, w0: number, w1: number, w2: number, w3: number): Adjacency {
    const adjacencies = this.#adjacencies
    const route = this.fib.lookup(family, w0, w1, w2, w3)
    if (route !== null && route.type === RouteType.local) return adjacencies.local
    // With routes left out, ours may be a less specific one than the kernel's.
    if (this.fib.overflowed) return adjacencies.kernel(route?.mtuOctets || MTU_UNKNOWN)
    if (route === null) return adjacencies.unreachable[Refusal.network]!
    if (route.type !== RouteType.unicast) return adjacencies.unreachable[refusalOf(route.type)]!
    const hop = selectHop(route, hashOf(w0, w1, w2, w3))
    if (hop === null) return adjacencies.unreachable[Refusal.network]!
    const via = hop.via
    return via === null
      ? this.#through(route, hop, family, w0, w1, w2, w3)
      : this.#through(route, hop, via.family, via.w0, via.w1, via.w2, via.w3)
  }

  /** The adjacency through that next hop, whose neighbour is the given address. */
  #through(
    route: Route,
    hop: Hop,
    family: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
  ): Adjacency {
    const { ifIndex } = hop
    const port = hop.encapsulated ? null : this.#port(ifIndex)
    const link = this.links.get(ifIndex)
    const mtu = route.mtuOctets || (port?.mtuOctets ?? link?.mtuOctets ?? MTU_UNKNOWN)
    // A driver without Ethernet sends everything through the kernel.
    if (port === null || this.#driver.ethernet === false) return this.#adjacencies.kernel(mtu)
    const neighbour = this.neighbours.get(ifIndex, family, w0, w1, w2, w3)
    if (neighbour === null) {
      if (!this.#isReader) this.neighbours.want(ifIndex, w0, w1, w2, w3)
      return this.#adjacencies.kernel(mtu)
    }
    if (!this.#isReader) neighbour.usedEpoch = this.#adjacencies.epoch
    return this.#adjacencies.ethernet(port, neighbour, mtu)
  }

  adjacency(index: number): Adjacency {
    return this.#adjacencies.get(index)
  }

  sourceAddress(portIndex: number, family: number, out: Int32Array): boolean {
    const port = this.#driver.ports[portIndex]
    const address = port === undefined ? null : this.addresses.primary(port.ifIndex, family)
    if (address === null) return false
    out[0] = address.w0
    out[1] = address.w1
    out[2] = address.w2
    out[3] = address.w3
    return true
  }

  sourceFor(
    family: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    out: Int32Array,
  ): boolean {
    const route = this.fib.lookup(family, w0, w1, w2, w3)
    if (route === null) return false
    if (route.type === RouteType.local) {
      out.set([w0, w1, w2, w3])
      return true
    }
    const hop = selectHop(route, hashOf(w0, w1, w2, w3))
    if (hop === null) return false
    const towards = hop.via !== null && hop.via.family === family ? hop.via : { w0, w1, w2, w3 }
    const address = this.addresses.nearest(hop.ifIndex, family, towards)
    if (address === null) return false
    out.set([address.w0, address.w1, address.w2, address.w3])
    return true
  }

  #port(ifIndex: number): Port | null {
    const { ports } = this.#driver
    for (let i = 0; i < ports.length; i++) if (ports[i]!.ifIndex === ifIndex) return ports[i]!
    return null
  }

  /** Several changes up to the matching `commit` make one new generation. */
  begin(): void {
    this.#batches++
  }

  commit(): void {
    this.#batches--
    this.#changed(false)
  }

  /** Makes every cached adjacency void. For changes seen elsewhere: a port's MAC, MTU or index. */
  invalidate(): void {
    this.#changed(true)
  }

  #changed(changed: boolean): void {
    this.#dirty ||= changed
    if (!this.#dirty || this.#batches > 0) return
    this.#dirty = false
    this.#local.clear()
    this.neighbours.forgetWanted()
    this.#adjacencies.advance()
  }

  setLink(link: Link): void {
    this.#changed(this.links.set(link))
  }

  removeLink(ifIndex: number): void {
    const used = this.neighbours.removeInterface(ifIndex, this.#adjacencies.epoch)
    this.#changed(this.links.remove(ifIndex) || used)
  }

  setAddress(address: InterfaceAddress): void {
    this.#changed(this.addresses.set(address))
  }

  removeAddress(address: InterfaceAddress): void {
    this.#changed(this.addresses.remove(address))
  }

  addRoute(route: Route, placement: Placement = 'first'): void {
    this.#changed(this.fib.add(route, placement))
  }

  /** False when we knew of no such route: what we have should be read again. */
  removeRoute(route: Route): boolean {
    const known = this.fib.remove(route)
    this.#changed(known)
    return known
  }

  setNeighbour(
    address: NeighbourAddress,
    state: number,
    mac: { high: number; low: number } | null,
  ): void {
    this.#changed(this.neighbours.set(address, state, mac, this.#adjacencies.epoch))
  }

  removeNeighbour(address: NeighbourAddress): void {
    this.#changed(this.neighbours.remove(address, this.#adjacencies.epoch))
  }

  /** What is set until `endDump` is all there is of that kind. */
  beginDump(kind: DumpKind): void {
    this.#of(kind).beginDump()
  }

  endDump(kind: DumpKind): void {
    this.#changed(this.#of(kind).endDump(this.#adjacencies.epoch))
  }

  #of(kind: DumpKind): { beginDump(): void; endDump(epoch: number): boolean } {
    return kind === 'routes' ? this.fib : this[kind]
  }

  /** Neighbours in use that ought to be verified, a few at a time. */
  staleInUse(max: number): Neighbour[] {
    return this.neighbours.staleInUse(this.#adjacencies.epoch, max, STALE_LOOK)
  }
}

/** IPv6's minimum link MTU is what every link carries (RFC 8200 section 5). */
const MTU_UNKNOWN = 1280
/** Entries looked at in one call: 65,536 neighbours are gone through in 16 calls. */
const STALE_LOOK = 4096

function hashOf(w0: number, w1: number, w2: number, w3: number): number {
  const h = Math.imul(w0 ^ Math.imul(w1 ^ Math.imul(w2 ^ Math.imul(w3, 31), 31), 31), 0x9e3779b1)
  return (h ^ (h >>> 16)) >>> 1
}

function refusalOf(type: number): RefusalKind {
  if (type === RouteType.unreachable) return Refusal.host
  if (type === RouteType.prohibit) return Refusal.prohibited
  return type === RouteType.throw ? Refusal.network : Refusal.silent
}
