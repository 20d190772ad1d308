import { Counter } from '../counters.js'
import { IPV4, type Flow, type Packet } from '../packet.js'
import { BYPASS, ONE_PACKET, TEMPLATE } from '../shared/conn-record.js'
import { UDP } from '../wire/ip-protocol.js'
import { maskWord } from '../wire/address.js'
import type { Connections } from './conn.js'
import { ConnParams } from './conn-params.js'
import type { Defence } from './defence.js'
import type { Dest } from './dest.js'
import { Excerpt, type PersistenceEngine } from './pe/engine.js'
import { engineOf } from './pe/index.js'
import { ONEPACKET, type Service } from './service.js'
import type { Settings } from './settings.js'
import type { Traffic } from './traffic.js'

const FTP_PORT = 21
const FTP_DATA_PORT = 20
const TICKS_PER_SECOND = 100

/** What scheduling came to, when it made no connection. */
export const Outcome = {
  /** A connection was made; `conn` names it. */
  scheduled: 0,
  /** Not for IPVS: the host's business. */
  ignored: 1,
  /** The service has nobody to give it to (ip_vs_leave). */
  leave: 2,
  /** Dropped, and counted. */
  dropped: 3,
} as const
export type Outcome = (typeof Outcome)[keyof typeof Outcome]

export interface SchedulingOptions {
  conns: Connections
  settings: Settings
  traffic: Traffic
  defence: Defence
  counters: Float64Array
}

/**
 * Makes the connection of a packet that has none (ip_vs_schedule, ip_vs_sched_persist). Holds the
 * addresses of the client and the virtual side apart from the flow, because a packet quoted by an
 * ICMP error has them the other way round.
 */
export class Scheduling {
  readonly #conns: Connections
  readonly #settings: Settings
  readonly #traffic: Traffic
  readonly #defence: Defence
  readonly #counters: Float64Array
  readonly #template = new ConnParams()
  readonly #found = new Excerpt()
  /** Result of the last `schedule` that answered Outcome.scheduled. */
  conn = 0

  constructor(options: SchedulingOptions) {
    this.#conns = options.conns
    this.#settings = options.settings
    this.#traffic = options.traffic
    this.#defence = options.defence
    this.#counters = options.counters
  }

  /** `pkt` carries the flow; null when another one only quotes it. */
  schedule(service: Service, flow: Flow, inverse: boolean, pkt: Packet | null): Outcome {
    if (this.#defence.toDrop()) {
      this.#counters[Counter.defenceDropPacket]!++
      return Outcome.dropped
    }
    const params = this.#conns.params
    takeEndpoints(params, flow, inverse)
    // The server's side of active FTP comes from port 20 and is nobody's new connection.
    if (params.cport === FTP_DATA_PORT) return Outcome.ignored
    if (service.persistent) return this.#persistent(service, flow, inverse, pkt)
    if (service.fwmark === 0 && params.vport !== service.port) return Outcome.leave
    const dest = service.schedule(flow, inverse)
    if (dest === null) return Outcome.leave
    params.dport = dest.port !== 0 ? dest.port : params.vport
    return this.#create(service, dest, 0)
  }

  /** A connection without real server: its packets go where they were going (cache_bypass). */
  bypass(service: Service, flow: Flow): Outcome {
    const { params } = this.#conns
    takeEndpoints(params, flow, false)
    params.d0 = params.d1 = params.d2 = params.d3 = params.dport = 0
    const onePacket = (service.flags & ONEPACKET) !== 0 && params.protocol === UDP
    const flags = BYPASS | (onePacket ? ONE_PACKET : 0)
    const c = this.#conns.create(params, null, flags, service.fwmark)
    if (c === 0) return this.#full()
    this.conn = c
    return Outcome.scheduled
  }

  #full(): Outcome {
    this.#counters[Counter.tableFull]!++
    return Outcome.dropped
  }

  #create(service: Service, dest: Dest, template: number): Outcome {
    const { params } = this.#conns
    const onePacket = (service.flags & ONEPACKET) !== 0 && params.protocol === UDP
    const c = this.#conns.create(params, dest, onePacket ? ONE_PACKET : 0, service.fwmark)
    if (c === 0) return this.#full()
    if (template !== 0) this.#conns.controlAdd(c, template)
    this.#traffic.conn(dest)
    this.conn = c
    return Outcome.scheduled
  }

  /** Semantics 4.6: the template of the client's network decides, or a new one is made. */
  #persistent(service: Service, flow: Flow, inverse: boolean, pkt: Packet | null): Outcome {
    const { params } = this.#conns
    const own = params.vport === service.port
    const key = this.#template
    writeTemplateKey(key, params, service, own)
    const engine = engineOf(service.persistenceEngine)
    if (engine !== null && (pkt === null || !engine.read(pkt, this.#found))) {
      this.#counters[Counter.noEngineData]!++
      return Outcome.dropped
    }
    let template = this.#findTemplate(key, engine)
    let dest = template === 0 ? undefined : this.#conns.destOf(template)
    if (dest === undefined || !this.#isUsable(dest)) {
      if (template !== 0) this.#conns.invalidateTemplate(template)
      const chosen = service.schedule(flow, inverse)
      if (chosen === null) return Outcome.leave
      dest = chosen
      key.dport = own && service.port !== FTP_PORT ? dest.port : 0
      template = this.#createTemplate(service, dest, engine)
      if (template === 0) return this.#full()
    }
    params.dport = own && dest.port !== 0 ? dest.port : params.vport
    const outcome = this.#create(service, dest, template)
    // Each new connection restarts the template's timer, packets do not.
    this.#conns.release(template)
    return outcome
  }

  /**
   * Whether the packet of a real server, which belongs to no connection, makes one: a call that
   * the server begins.
   */
  isStartedBy(service: Service, pkt: Packet): boolean {
    const engine = engineOf(service.persistenceEngine)
    if (engine === null || !engine.startsFromServer || service.fwmark !== 0) return false
    if (service.port === 0 || pkt.flow.srcPort === 0) return false
    return engine.read(pkt, this.#found)
  }

  /** The connection of such a packet, seen from its client (ip_vs_new_conn_out). */
  scheduleFrom(service: Service, dest: Dest, flow: Flow): Outcome {
    const { params } = this.#conns
    takeEndpoints(params, flow, true)
    params.v0 = service.w0
    params.v1 = service.w1
    params.v2 = service.w2
    params.v3 = service.w3
    params.vport = service.port
    params.dport = flow.srcPort
    if (!service.persistent) return this.#create(service, dest, 0)
    const engine = engineOf(service.persistenceEngine)
    const key = this.#template
    writeTemplateKey(key, params, service, true)
    let template = this.#findTemplate(key, engine)
    const bound = template === 0 ? undefined : this.#conns.destOf(template)
    if (bound !== dest || !this.#isUsable(dest)) {
      // The client's answers must reach the server that calls.
      if (template !== 0) this.#conns.invalidateTemplate(template)
      key.dport = params.dport
      template = this.#createTemplate(service, dest, engine)
      if (template === 0) return this.#full()
    }
    const outcome = this.#create(service, dest, template)
    this.#conns.release(template)
    return outcome
  }

  /** With the data that `engine` has just found, if there is one. */
  #createTemplate(service: Service, dest: Dest, engine: PersistenceEngine | null): number {
    const key = this.#template
    const { engineData } = this.#conns
    key.engineData = engine === null ? 0 : engineData.take(this.#found)
    if (engine !== null && key.engineData === 0) return 0
    const template = this.#conns.create(key, dest, TEMPLATE, service.fwmark)
    if (template !== 0) {
      this.#conns.records.setTimeoutTicks(template, service.timeoutS * TICKS_PER_SECOND)
    } else if (key.engineData !== 0) engineData.give(key.engineData)
    return template
  }

  #findTemplate(p: ConnParams, engine: PersistenceEngine | null): number {
    if (engine !== null) return this.#conns.engineData.find(p, this.#found)
    return this.#conns.table.templateOf(p)
  }

  /** ip_vs_check_template: even a quiesced or overloaded server, unless told otherwise. */
  #isUsable(dest: Dest): boolean {
    return dest.available && !(this.#settings.expireQuiescentTemplate && dest.weight === 0)
  }
}

export function takeEndpoints(params: ConnParams, flow: Flow, inverse: boolean): void {
  params.family = flow.family
  params.protocol = flow.protocol
  params.destFamily = 0
  params.c0 = inverse ? flow.dst0 : flow.src0
  params.c1 = inverse ? flow.dst1 : flow.src1
  params.c2 = inverse ? flow.dst2 : flow.src2
  params.c3 = inverse ? flow.dst3 : flow.src3
  params.cport = inverse ? flow.dstPort : flow.srcPort
  params.v0 = inverse ? flow.src0 : flow.dst0
  params.v1 = inverse ? flow.src1 : flow.dst1
  params.v2 = inverse ? flow.src2 : flow.dst2
  params.v3 = inverse ? flow.src3 : flow.dst3
  params.vport = inverse ? flow.srcPort : flow.dstPort
}

/**
 * What a template is found by: the client's network (a mask in IPv4, a prefix length in IPv6), and
 * the virtual side: address and port for a connection to the service's own port, else the address
 * alone, or the mark for every address, port and protocol that carries it.
 */
export function writeTemplateKey(
  key: ConnParams,
  params: ConnParams,
  service: Service,
  own: boolean,
): void {
  const { netmask } = service
  const ipv4 = params.family === IPV4
  // A marked packet to port 0 counts as one to the service's own port, which is 0.
  const marked = service.fwmark !== 0 && !own
  key.family = params.family
  key.protocol = marked ? 0 : params.protocol
  key.c0 = params.c0 & (ipv4 ? netmask : maskWord(netmask, 0))
  key.c1 = ipv4 ? 0 : params.c1 & maskWord(netmask, 1)
  key.c2 = ipv4 ? 0 : params.c2 & maskWord(netmask, 2)
  key.c3 = ipv4 ? 0 : params.c3 & maskWord(netmask, 3)
  key.cport = 0
  key.v0 = marked ? service.fwmark | 0 : params.v0
  key.v1 = marked ? 0 : params.v1
  key.v2 = marked ? 0 : params.v2
  key.v3 = marked ? 0 : params.v3
  // FTP shares one template between its control and its data connections.
  key.vport = own && service.port !== FTP_PORT ? params.vport : 0
  key.destFamily = 0
  key.dport = 0
}
