import type { Flow } from '../packet.js'
import { SCTP, TCP, UDP } from '../wire/ip-protocol.js'
import type { Address } from './service.js'

const FTP_PORT = 21
const FTP_DATA_PORT = 20
const UNPRIVILEGED = 1024

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
    map.set(key, [...(map.get(key) ?? []), fresh])
  }

  release(role: Role, address: Address, protocol: number, port: number): void {
    const entry = this.#find(role, address, protocol, port)
    if (entry === undefined || --entry.count > 0) return
    const map = this.#counts[role]
    const key = hash(address.w0, address.w3, protocol, port)
    const left = map.get(key)!.filter(e => e !== entry)
    if (left.length > 0) map.set(key, left)
    else map.delete(key)
  }

  /** Whether the flow goes to a virtual service's endpoint; `inverse`: comes from one. */
  isToVip(flow: Flow, inverse: boolean): boolean {
    const { protocol } = flow
    if (protocol !== TCP && protocol !== UDP && protocol !== SCTP) return false
    const address = inverse ? sourceOf(flow) : destinationOf(flow)
    const port = inverse ? flow.srcPort : flow.dstPort
    if (this.#has(Role.vip, address, protocol, port)) return true
    if (protocol !== TCP || (port !== FTP_DATA_PORT && port < UNPRIVILEGED)) return false
    return this.#find(Role.vip, address, TCP, FTP_PORT) !== undefined
  }

  /** Whether the flow comes from a masquerading real server; `inverse`: goes to one. */
  isFromReal(flow: Flow, inverse: boolean): boolean {
    const { protocol } = flow
    if (protocol !== TCP && protocol !== UDP && protocol !== SCTP) return false
    const address = inverse ? destinationOf(flow) : sourceOf(flow)
    return this.#has(Role.real, address, protocol, inverse ? flow.dstPort : flow.srcPort)
  }

  #has(role: Role, address: Address, protocol: number, port: number): boolean {
    return (
      this.#find(role, address, protocol, port) !== undefined ||
      this.#find(role, address, protocol, 0) !== undefined
    )
  }

  #find(role: Role, a: Address, protocol: number, port: number): Entry | undefined {
    return this.#counts[role]
      .get(hash(a.w0, a.w3, protocol, port))
      ?.find(
        e =>
          e.port === port &&
          e.protocol === protocol &&
          e.w0 === a.w0 &&
          e.w3 === a.w3 &&
          e.w1 === a.w1 &&
          e.w2 === a.w2 &&
          e.family === a.family,
      )
  }
}

interface Entry extends Address {
  protocol: number
  port: number
  count: number
}

const hash = (w0: number, w3: number, protocol: number, port: number): number =>
  Math.imul(w0 ^ Math.imul(w3, 0x9e3779b1) ^ (protocol << 16) ^ port, 0x85ebca6b)

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
