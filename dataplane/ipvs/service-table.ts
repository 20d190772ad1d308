import type { Flow } from '../packet.js'
import type { Dest } from './dest.js'
import { FWD_MASK, MASQ, TUNNEL } from '../shared/conn-record.js'
import type { Address, Service } from './service.js'

const TCP = 6
/** IP_VS_CONN_F_TUNNEL_TYPE_GUE: the one type that has a port. */
const GUE_TUNNEL = 1
const FTP_PORT = 21
const FTP_DATA_PORT = 20
/** First port that needs no privilege (net.ipv4.ip_unprivileged_port_start). */
const UNPRIVILEGED = 1024

/**
 * A masquerading real server, of one protocol or of all (null), in a list of those with its endpoint:
 * a thousand services may share it.
 */
interface Server {
  readonly dest: Dest
  readonly protocol: number | null
  older: Server | null
  newer: Server | null
}

/**
 * Virtual services and the index of real servers, found as IPVS finds them (ip_vs_service_find).
 * Looked at once per new connection, so plain Maps of integer hashes are good enough.
 */
export class ServiceTable {
  readonly #byKey = new Map<number, Service[]>()
  readonly #byMark = new Map<number, Service>()
  readonly #byRow = new Map<number, Service>()
  /** Masquerading real servers by (address, port): who may be answered for. */
  readonly #servers = new Map<Dest, Server>()
  /** The newest of each endpoint. */
  readonly #newest = new Map<number, Server>()
  /** Tunnel real servers by the first word of their address: whose outer packets errors quote. */
  readonly #tunnels = new Map<number, Dest[]>()
  /** How many services and masquerading real servers have an address: whose fragments we collect. */
  readonly #addresses = new Map<number, { address: Address; count: number }[]>()
  readonly #all = new Set<Service>()
  #count4 = 0
  #ftpServices = 0
  #anyPortServices = 0
  /** Whether there ever was a service with a persistence engine. */
  hasEngines = false

  get size(): number {
    return this.#all.size
  }

  [Symbol.iterator](): IterableIterator<Service> {
    return this.#all.values()
  }

  /** Services of that family. */
  count(family: number): number {
    return family === 4 ? this.#count4 : this.#all.size - this.#count4
  }

  add(service: Service): void {
    this.#all.add(service)
    this.#byRow.set(service.row, service)
    if (service.family === 4) this.#count4++
    if (service.fwmark !== 0) this.#byMark.set(markKey(service.family, service.fwmark), service)
    else {
      push(this.#byKey, serviceHash(service, service.protocol, service.port), service)
      this.#hold(service, 1)
    }
    if (service.port === FTP_PORT) this.#ftpServices++
    if (service.port === 0) this.#anyPortServices++
  }

  remove(service: Service): void {
    if (!this.#all.delete(service)) return
    this.#byRow.delete(service.row)
    if (service.family === 4) this.#count4--
    if (service.fwmark !== 0) this.#byMark.delete(markKey(service.family, service.fwmark))
    else {
      pull(this.#byKey, serviceHash(service, service.protocol, service.port), service)
      this.#hold(service, -1)
    }
    if (service.port === FTP_PORT) this.#ftpServices--
    if (service.port === 0) this.#anyPortServices--
  }

  /** Exact (family, protocol, address, port). */
  get(address: Address, protocol: number, port: number): Service | undefined {
    const chain = this.#byKey.get(serviceHash(address, protocol, port))
    return chain?.find(s => s.port === port && s.protocol === protocol && same(s, address))
  }

  /** The service whose statistics stand in that row. */
  byRow(row: number): Service | undefined {
    return this.#byRow.get(row)
  }

  getMark(family: number, fwmark: number): Service | undefined {
    return this.#byMark.get(markKey(family, fwmark))
  }

  /**
   * The service of a packet: mark, exact, FTP data, any port (semantics of ip_vs_service_find).
   * `inverse`: the flow was read from a packet quoted by ICMP, so its source is the virtual side.
   */
  find(flow: Flow, fwmark: number, inverse: boolean): Service | undefined {
    if (fwmark !== 0) {
      const marked = this.getMark(flow.family, fwmark)
      if (marked !== undefined) return marked
    }
    const address = inverse ? sourceOf(flow) : destinationOf(flow)
    const port = inverse ? flow.srcPort : flow.dstPort
    const exact = this.get(address, flow.protocol, port)
    if (exact !== undefined) return exact
    if (
      flow.protocol === TCP &&
      this.#ftpServices > 0 &&
      (port === FTP_DATA_PORT || port >= UNPRIVILEGED)
    ) {
      const ftp = this.get(address, TCP, FTP_PORT)
      if (ftp !== undefined) return ftp
    }
    return this.#anyPortServices > 0 ? this.get(address, flow.protocol, 0) : undefined
  }

  addServer(service: Service, dest: Dest): void {
    if ((dest.connFlags & FWD_MASK) === TUNNEL) push(this.#tunnels, tunnelHash(dest), dest)
    if ((dest.connFlags & FWD_MASK) !== MASQ) return
    // A service by mark takes every protocol.
    const protocol = service.fwmark === 0 ? service.protocol : null
    const key = serverHash(dest, dest.port)
    const older = this.#newest.get(key) ?? null
    const server = { dest, protocol, older, newer: null }
    if (older !== null) older.newer = server
    this.#newest.set(key, server)
    this.#servers.set(dest, server)
    this.#hold(dest, 1)
  }

  removeServer(dest: Dest): void {
    if (this.#tunnels.size > 0) pull(this.#tunnels, tunnelHash(dest), dest)
    const server = this.#servers.get(dest)
    if (server === undefined) return
    const { older, newer } = server
    if (older !== null) older.newer = newer
    const key = serverHash(dest, dest.port)
    if (newer !== null) newer.older = older
    else if (older !== null) this.#newest.set(key, older)
    else this.#newest.delete(key)
    this.#servers.delete(dest)
    this.#hold(dest, -1)
  }

  /** Whether the flow's source is a masquerading real server's (address, port). */
  isServerSource(flow: Flow): boolean {
    return this.serverOf(flow) !== undefined
  }

  /** The newest masquerading real server with the flow's source (ip_vs_find_real_service). */
  serverOf(flow: Flow): Dest | undefined {
    const source = sourceOf(flow)
    let server = this.#newest.get(serverHash(source, flow.srcPort)) ?? null
    for (; server !== null; server = server.older) {
      const { dest, protocol } = server
      if (dest.port !== flow.srcPort || !same(dest, source)) continue
      if (protocol === null || protocol === flow.protocol) return dest
    }
    return undefined
  }

  /** Whether packets of that tunnel type go to that IPv4 address (and UDP port, for GUE). */
  isTunnelServer(w0: number, port: number, type: number): boolean {
    const chain = this.#tunnels.get(w0)
    return (
      chain?.some(
        d =>
          d.family === 4 && d.tunnelType === type && (type !== GUE_TUNNEL || d.tunnelPort === port),
      ) ?? false
    )
  }

  /** Real servers that are reached by a tunnel to the flow's destination, whatever its type. */
  tunnelServers(flow: Flow): Dest[] {
    const address = destinationOf(flow)
    return this.#tunnels.get(tunnelHash(address))?.filter(d => same(d, address)) ?? []
  }

  /** Whether a service or a masquerading real server has this address. */
  knowsAddress(family: number, w0: number, w1: number, w2: number, w3: number): boolean {
    const address = { family, w0, w1, w2, w3 }
    return this.#addresses.get(hash(address, 0, 0))?.some(e => same(e.address, address)) ?? false
  }

  #hold(address: Address, by: 1 | -1): void {
    const key = hash(address, 0, 0)
    const entry = this.#addresses.get(key)?.find(e => same(e.address, address))
    if (entry === undefined) {
      const { family, w0, w1, w2, w3 } = address
      push(this.#addresses, key, { address: { family, w0, w1, w2, w3 }, count: 1 })
    } else if ((entry.count += by) === 0) pull(this.#addresses, key, entry)
  }
}

const same = (a: Address, b: Address): boolean =>
  a.w0 === b.w0 && a.w3 === b.w3 && a.w1 === b.w1 && a.w2 === b.w2 && a.family === b.family

const sourceOf = (f: Flow): Address => ({
  family: f.family,
  w0: f.src0,
  w1: f.src1,
  w2: f.src2,
  w3: f.src3,
})
const destinationOf = (f: Flow): Address => ({
  family: f.family,
  w0: f.dst0,
  w1: f.dst1,
  w2: f.dst2,
  w3: f.dst3,
})

const markKey = (family: number, fwmark: number): number => family * 0x1_0000_0000 + (fwmark >>> 0)

/** That of an IPv4 address is the address. */
const tunnelHash = (a: Address): number => a.w0 ^ a.w2 ^ a.w3

const serviceHash = (a: Address, protocol: number, port: number) => hash(a, protocol, port)
const serverHash = (a: Address, port: number) => hash(a, 0, port)

function hash(a: Address, protocol: number, port: number): number {
  let h = Math.imul(a.w0 ^ Math.imul(a.w1, 0x85ebca6b), 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 15) ^ a.w2, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13) ^ a.w3, 0xc2b2ae35)
  return Math.imul(h ^ (h >>> 16) ^ (protocol << 16) ^ port ^ (a.family << 28), 0x27d4eb2f)
}

function push<T>(map: Map<number, T[]>, key: number, value: T): void {
  const chain = map.get(key)
  if (chain === undefined) map.set(key, [value])
  else chain.push(value)
}

function pull<T>(map: Map<number, T[]>, key: number, value: T): boolean {
  const chain = map.get(key)
  const i = chain?.indexOf(value) ?? -1
  if (chain === undefined || i < 0) return false
  if (chain.length === 1) map.delete(key)
  else chain.splice(i, 1)
  return true
}
