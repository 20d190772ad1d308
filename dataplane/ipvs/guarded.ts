import type { Flow } from '../packet.js'
import { AH, ESP, SCTP, TCP, UDP } from '../wire/ip-protocol.js'
import type { Address } from './service.js'

const FTP_PORT = 21
const FTP_DATA_PORT = 20
const UNPRIVILEGED = 1024
const ISAKMP_PORT = 500

export const Role = { vip: 0, real: 1 } as const
export type Role = (typeof Role)[keyof typeof Role]

/**
 * The endpoints whose packets the packet guard keeps from the host: of virtual services, and of
 * masquerading real servers. For these the dataplane does what the host would have done with a
 * packet that IPVS leaves alone. They stay while a deleted real server is in the trash, because
 * its connections go on.
 */
export class Guarded {
  readonly #counts = [new Map<number, Entry[]>(), new Map<number, Entry[]>()] as const

  #ftpPorts: readonly number[] = [FTP_PORT]
  /** Counts changes of what is held. */
  generation = 0

  /** Whose endpoints count as held here too; a shadow engine's is the real one's. */
  base: Guarded | null = null

  /** Ports of FTP control connections, whose data connections are guarded too. */
  get ftpPorts(): readonly number[] {
    return this.#ftpPorts
  }

  /** With or without a helper, a service on port 21 takes its data connections (ip_vs_service_find). */
  set ftpPorts(ports: readonly number[]) {
    this.#ftpPorts = [...new Set([FTP_PORT, ...ports])]
  }

  isFtp(protocol: number, port: number): boolean {
    return protocol === TCP && this.#ftpPorts.includes(port)
  }

  hold(role: Role, address: Address, protocol: number, port: number): void {
    const entry = this.#find(role, address, protocol, port)
    if (entry !== undefined) {
      entry.count++
      return
    }
    const { family, w0, w1, w2, w3 } = address
    const key = hash(w0, w3, protocol, port)
    const fresh = { family, w0, w1, w2, w3, protocol, port, count: 1 }
    const map = this.#counts[role]
    this.generation++
    map.set(key, [...(map.get(key) ?? []), fresh])
  }

  release(role: Role, address: Address, protocol: number, port: number): void {
    const entry = this.#find(role, address, protocol, port)
    if (entry === undefined || --entry.count > 0) return
    this.generation++
    const map = this.#counts[role]
    const key = hash(address.w0, address.w3, protocol, port)
    const left = map.get(key)!.filter(e => e !== entry)
    if (left.length > 0) map.set(key, left)
    else map.delete(key)
  }

  /** Whether exactly this endpoint is kept from the host. */
  holds(role: Role, address: Address, protocol: number, port: number): boolean {
    return this.#find(role, address, protocol, port) !== undefined
  }

  /** Whether the flow goes to a virtual service's endpoint; `inverse`: comes from one. */
  isToVip(f: Flow, inverse: boolean): boolean {
    if (this.base !== null && this.base.isToVip(f, inverse)) return true
    return inverse
      ? this.#isVip(f.family, f.src0, f.src1, f.src2, f.src3, f.protocol, f.srcPort)
      : this.#isVip(f.family, f.dst0, f.dst1, f.dst2, f.dst3, f.protocol, f.dstPort)
  }

  /** Whether the flow comes from a masquerading real server; `inverse`: goes to one. */
  isFromReal(f: Flow, inverse: boolean): boolean {
    if (this.base !== null && this.base.isFromReal(f, inverse)) return true
    const reals = this.#counts[Role.real]
    return inverse
      ? has(reals, f.family, f.dst0, f.dst1, f.dst2, f.dst3, f.protocol, f.dstPort)
      : has(reals, f.family, f.src0, f.src1, f.src2, f.src3, f.protocol, f.srcPort)
  }

  /** The address of every endpoint held, as often as there are ports. */
  *addresses(role: Role): IterableIterator<Address> {
    for (const chain of this.#counts[role].values()) yield* chain
  }

  #isVip(
    family: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    protocol: number,
    port: number,
  ): boolean {
    const vips = this.#counts[Role.vip]
    if (has(vips, family, w0, w1, w2, w3, protocol, port)) return true
    if (protocol !== TCP || (port !== FTP_DATA_PORT && port < UNPRIVILEGED)) return false
    for (let i = 0; i < this.#ftpPorts.length; i++) {
      if (find(vips, family, w0, w1, w2, w3, TCP, this.#ftpPorts[i]!) !== undefined) return true
    }
    return false
  }

  #find(role: Role, a: Address, protocol: number, port: number): Entry | undefined {
    return find(this.#counts[role], a.family, a.w0, a.w1, a.w2, a.w3, protocol, port)
  }
}

interface Entry extends Address {
  protocol: number
  port: number
  count: number
}

const hash = (w0: number, w3: number, protocol: number, port: number): number =>
  Math.imul(w0 ^ Math.imul(w3, 0x9e3779b1) ^ (protocol << 16) ^ port, 0x85ebca6b)

/** The endpoint itself, or port 0: every port. Nothing is allocated: it is asked of every packet. */
function has(
  map: ReadonlyMap<number, Entry[]>,
  family: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  protocol: number,
  port: number,
): boolean {
  if (map.size === 0) return false
  // IPsec follows the key exchange between the same addresses (ipsec.ts).
  if (protocol === ESP || protocol === AH) {
    return find(map, family, w0, w1, w2, w3, UDP, ISAKMP_PORT) !== undefined
  }
  if (protocol !== TCP && protocol !== UDP && protocol !== SCTP) return false
  return (
    find(map, family, w0, w1, w2, w3, protocol, port) !== undefined ||
    find(map, family, w0, w1, w2, w3, protocol, 0) !== undefined
  )
}

function find(
  map: ReadonlyMap<number, Entry[]>,
  family: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  protocol: number,
  port: number,
): Entry | undefined {
  const chain = map.get(hash(w0, w3, protocol, port))
  if (chain === undefined) return undefined
  for (let i = 0; i < chain.length; i++) {
    const e = chain[i]!
    if (e.port !== port || e.protocol !== protocol || e.family !== family) continue
    if (e.w0 === w0 && e.w1 === w1 && e.w2 === w2 && e.w3 === w3) return e
  }
  return undefined
}
