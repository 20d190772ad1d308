import { OpError } from '../op-error.js'
import type { ProbeConfig, ProbeEnds } from '../protocol.js'
import { Flow } from '../packet.js'
import * as address from '../wire/address.js'
import type { Admin } from './admin.js'
import type { Connections } from './conn.js'
import type { Dest } from './dest.js'
import { parseAddress, PROTOCOLS } from './config-words.js'

/** Probes whose checker was lost are forgotten after so long; no check may take longer. */
const KEPT_MS = 120_000

interface Probe {
  protocol: number
  client: address.Address
  vip: address.Address
  vport: number
  untilMs: number
  /** The real server under test, when it is not among its service's now: those that are down. */
  lent: Dest | null
}

/**
 * Health checks that come through a service. Each has a connection to the server under test before
 * its first packet comes, so that no scheduler, weight or threshold has a say, and everything after
 * that is done by the code that carries clients' packets. What a server answers directly to the
 * probe (direct routing, tunnels) comes from an address of our own: any other such packet is a
 * martian, and the kernel would drop it.
 */
export class Probes {
  readonly #admin: Admin
  readonly #conns: Connections
  readonly #nowMs: () => number
  readonly #byPort = new Map<number, Probe>()
  readonly #flow = new Flow()

  constructor(admin: Admin, conns: Connections, nowMs: () => number) {
    this.#admin = admin
    this.#conns = conns
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#byPort.size
  }

  /** Throws OpError when service or server are unknown, or there is no room for a connection. */
  open(config: ProbeConfig): void {
    const service = this.#admin.service(config.key)
    const probe = this.#probeOf(config)
    const key = keyOf(probe.protocol, probe.client.family, config.client.port)
    this.#prune()
    this.#end(key)
    const own = service.find(parseAddress(config.dest.address), config.dest.port)
    if (own === undefined) probe.lent = this.#admin.lend(service, config.dest)
    const dest = own ?? probe.lent!
    const { params } = this.#conns
    const { client, vip } = probe
    params.family = client.family
    params.protocol = probe.protocol
    params.c0 = client.w0
    params.c1 = client.w1
    params.c2 = client.w2
    params.c3 = client.w3
    params.cport = config.client.port
    params.v0 = vip.w0
    params.v1 = vip.w1
    params.v2 = vip.w2
    params.v3 = vip.w3
    params.vport = config.vip.port
    params.dport = dest.port !== 0 ? dest.port : config.vip.port
    params.destFamily = 0
    params.engineData = 0
    const c = this.#conns.create(params, dest, 0, service.fwmark)
    if (c === 0) {
      if (probe.lent !== null) this.#admin.takeBack(probe.lent)
      throw new OpError('ENOSPC', 'the connection table is full')
    }
    this.#conns.release(c)
    this.#byPort.set(key, probe)
  }

  /** Takes its connection away, if it still is there. */
  close(ends: ProbeEnds): void {
    const { client, protocol } = this.#probeOf(ends)
    this.#end(keyOf(protocol, client.family, ends.client.port))
  }

  #end(key: number): void {
    const probe = this.#byPort.get(key)
    if (probe === undefined) return
    this.#byPort.delete(key)
    const { client, vip, vport, protocol, lent } = probe
    const f = this.#flow
    f.family = client.family
    f.protocol = protocol
    f.src0 = client.w0
    f.src1 = client.w1
    f.src2 = client.w2
    f.src3 = client.w3
    f.srcPort = key & 0xffff
    f.dst0 = vip.w0
    f.dst1 = vip.w1
    f.dst2 = vip.w2
    f.dst3 = vip.w3
    f.dstPort = vport
    const c = this.#conns.table.inGet(f)
    if (lent === null) {
      if (c !== 0) this.#conns.expireNow(c)
      return
    }
    // Its row may be another's in a moment, so nothing may refer to it.
    if (c !== 0 && this.#conns.destOf(c) === lent) this.#conns.remove(c)
    this.#admin.takeBack(lent)
  }

  /** Whether a probe sent this packet. */
  sent(f: Flow): boolean {
    const probe = this.#byPort.get(keyOf(f.protocol, f.family, f.srcPort))
    if (probe === undefined) return false
    const { client, vip } = probe
    return (
      f.dstPort === probe.vport &&
      isSame(client, f.src0, f.src1, f.src2, f.src3) &&
      isSame(vip, f.dst0, f.dst1, f.dst2, f.dst3)
    )
  }

  /** Whether this packet answers a probe as the service itself. */
  awaits(f: Flow): boolean {
    const probe = this.#byPort.get(keyOf(f.protocol, f.family, f.dstPort))
    if (probe === undefined) return false
    const { client, vip } = probe
    return (
      f.srcPort === probe.vport &&
      isSame(client, f.dst0, f.dst1, f.dst2, f.dst3) &&
      isSame(vip, f.src0, f.src1, f.src2, f.src3)
    )
  }

  #probeOf(ends: ProbeEnds): Probe {
    const client = parseAddress(ends.client.address)
    const vip = parseAddress(ends.vip.address)
    if (client.family !== vip.family)
      throw new OpError('EINVAL', 'a probe and its service are of one address family')
    return {
      ...{ protocol: PROTOCOLS[ends.protocol], client, vip, vport: ends.vip.port },
      untilMs: this.#nowMs() + KEPT_MS,
      lent: null,
    }
  }

  /** Oldest first, which is the order of a Map. */
  #prune(): void {
    for (const [key, { untilMs }] of this.#byPort) {
      if (untilMs > this.#nowMs()) return
      this.#end(key)
    }
  }
}

/** Probes of one kind differ in their ports: whoever makes them sees to it. */
const keyOf = (protocol: number, family: number, port: number) =>
  (protocol << 20) | (family << 16) | port

const isSame = (a: address.Address, w0: number, w1: number, w2: number, w3: number) =>
  a.w0 === w0 && a.w1 === w1 && a.w2 === w2 && a.w3 === w3
