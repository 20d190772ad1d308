/**
 * ipvsadm's backend in front of an engine in this process. Changes go through the messages that the
 * control plane sends to the worker; listings are read from the same memory as the API's.
 */
import { KernelError, type Backend } from '../../cli/ipvsadm/backend.js'
import { kernelOrder } from '../../server/ipvsadm/kernel-order.js'
import type * as model from '../../server/ipvsadm/model.js'
import { schedulerFlagNames } from '../../server/ipvsadm/values.js'
import type { Control } from '../../dataplane/control.js'
import type { Dest } from '../../dataplane/ipvs/dest.js'
import type { Ipvs } from '../../dataplane/ipvs/ipvs.js'
import { ONEPACKET, SCHED1, SCHED2, SCHED3, type Service } from '../../dataplane/ipvs/service.js'
import { schedulers } from '../../dataplane/ipvs/sched/index.js'
import type * as protocol from '../../dataplane/protocol.js'
import { AUXILIARY, BYPASS, FWD_MASK, TEMPLATE } from '../../dataplane/shared/conn-record.js'
import { stateName } from '../../dataplane/shared/conn-states.js'
import { readEngineData } from '../../dataplane/shared/pe-record.js'
import { readRow } from '../../dataplane/shared/statistics.js'
import * as address from '../../dataplane/wire/address.js'

const PROTOCOLS: Record<number, model.Protocol> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }
const METHODS = ['masq', 'local', 'tunnel', 'dr', 'bypass'] as const
const TUNNELS = ['ipip', 'gue', 'gre'] as const
const CHECKSUMS = ['none', 'checksum', 'remote'] as const
const TICKS_PER_SECOND = 100
const ENGINES = ['', 'sip']

export class EngineBackend implements Backend {
  readonly #ipvs: Ipvs
  readonly #control: Control
  readonly #serviceStats: Float64Array
  readonly #destStats: Float64Array

  constructor(ipvs: Ipvs, control: Control, memory: protocol.SharedMemory) {
    this.#ipvs = ipvs
    this.#control = control
    this.#serviceStats = new Float64Array(memory.services)
    this.#destStats = new Float64Array(memory.dests)
  }

  async info() {
    return { version: '1.2.1', size: 4096 }
  }

  async addService(service: model.ServiceSpec) {
    // The kernel looks for the service before it looks at the rest (ip_vs_genl_set_cmd).
    if (this.#lookUp(service.key) !== undefined) throw new KernelError('EEXIST')
    this.apply({ op: 'addService', service: serviceConfig(service) })
  }

  async editService(service: model.ServiceSpec) {
    this.#find(service.key)
    this.apply({ op: 'editService', service: serviceConfig(service) })
  }

  async delService(key: model.ServiceKey) {
    this.apply({ op: 'delService', key: serviceKey(key) })
  }

  async addDest(key: model.ServiceKey, dest: model.DestSpec) {
    this.#find(key)
    this.apply({ op: 'addDest', key: serviceKey(key), dest: destConfig(dest) })
  }

  async editDest(key: model.ServiceKey, dest: model.DestSpec) {
    this.#find(key)
    this.apply({ op: 'editDest', key: serviceKey(key), dest: destConfig(dest) })
  }

  async delDest(key: model.ServiceKey, dest: model.DestKey) {
    const { address: text, port } = dest
    this.apply({ op: 'delDest', key: serviceKey(key), dest: { address: text, port } })
  }

  async flush() {
    this.apply({ op: 'flush' })
  }

  /** The recorded kernel zeroes everything or nothing: to a service's key it says ESRCH. */
  async zero(key: model.ServiceKey | null) {
    if (key !== null) throw new KernelError('ESRCH')
    this.apply({ op: 'zero', key: null })
  }

  async services() {
    const newestFirst = [...this.#ipvs.services].reverse()
    return kernelOrder(newestFirst.map(s => this.#listed(s)))
  }

  async service(key: model.ServiceKey) {
    return this.#listed(this.#find(key))
  }

  async connections() {
    const { records } = this.#ipvs.conns
    const connections: model.Connection[] = []
    for (let c = AUXILIARY; c < records.high; c++) {
      if (records.isInUse(c)) connections.push(this.#connection(c))
    }
    return connections
  }

  async timeouts() {
    return this.#ipvs.configuration().timeouts
  }

  async setTimeouts(timeouts: model.Timeouts) {
    const settings = this.#ipvs.configuration()
    const { tcpS, tcpFinS, udpS } = settings.timeouts
    const kept = {
      tcpS: timeouts.tcpS || tcpS,
      tcpFinS: timeouts.tcpFinS || tcpFinS,
      udpS: timeouts.udpS || udpS,
    }
    this.apply({ op: 'setSettings', settings: { ...settings, timeouts: kept } })
  }

  async daemons(): Promise<model.DaemonSpec[]> {
    return []
  }

  async startDaemon(): Promise<void> {
    throw new KernelError('EOPNOTSUPP', 'synchronisation is not there yet')
  }

  async stopDaemon(): Promise<void> {
    throw new KernelError('ESRCH')
  }

  /** Carries out an operation of the control plane. */
  apply(op: protocol.Op): void {
    const reply = this.#control.answer({ id: 0, ...op })
    if (!reply.ok) throw new KernelError(reply.code, reply.detail)
  }

  #find(key: model.ServiceKey): Service {
    const found = this.#lookUp(key)
    if (found === undefined) throw new KernelError('ESRCH')
    return found
  }

  #lookUp(key: model.ServiceKey): Service | undefined {
    const { services } = this.#ipvs
    const where = address.parse(key.address)
    const number = Number(Object.keys(PROTOCOLS).find(n => PROTOCOLS[Number(n)] === key.protocol))
    return key.fwmark !== 0
      ? services.getMark(key.family, key.fwmark)
      : services.get(where!, number, key.port)
  }

  #listed(service: Service): model.ListedService {
    const { flags, family, persistent, netmask } = service
    const bits: [number, number][] = [
      [SCHED1, 1],
      [SCHED2, 2],
      [SCHED3, 4],
    ]
    return {
      key: {
        family: family as model.Family,
        protocol: PROTOCOLS[service.protocol]!,
        address: service.fwmark === 0 ? textOf(service) : '',
        port: service.port,
        fwmark: service.fwmark >>> 0,
      },
      scheduler: service.schedulerName,
      schedulerFlags: bits.reduce((all, [bit, own]) => all | ((flags & bit) !== 0 ? own : 0), 0),
      persistence: persistent
        ? { timeoutS: service.timeoutS, netmask: family === 4 ? address.format4(netmask) : netmask }
        : null,
      engine: service.persistenceEngine,
      onePacket: (flags & ONEPACKET) !== 0,
      statistics: readRow(this.#serviceStats, service.row),
      dests: service.dests.map(d => this.#listedDest(d)),
    }
  }

  #listedDest(dest: Dest): model.ListedDest {
    const { activeConns, inactConns, persistConns, upperThreshold, lowerThreshold } = dest
    return {
      family: dest.family as model.Family,
      address: textOf(dest),
      port: dest.port,
      forwarding: METHODS[dest.connFlags & FWD_MASK]!,
      weight: dest.weight,
      ...{ upperThreshold, lowerThreshold, activeConns, inactConns, persistConns },
      tunnel: {
        type: TUNNELS[dest.tunnelType]!,
        port: dest.tunnelPort,
        checksum: CHECKSUMS[dest.tunnelFlags]!,
      },
      statistics: readRow(this.#destStats, dest.row),
    }
  }

  #connection(c: number): model.Connection {
    const { records, wheel } = this.#ipvs.conns
    const family = records.family(c) as model.Family
    const destFamily = (records.destFamily(c) || family) as model.Family
    const number = records.protocol(c)
    const flags = records.flags(c)
    const words = (read: (c: number, i: number) => number) => [0, 1, 2, 3].map(i => read(c, i))
    const endpoint = (f: model.Family, [w0, w1, w2, w3]: number[], port: number) => ({
      ...{ family: f, port },
      address: f === 4 ? address.format4(w0!) : address.format6(w0!, w1!, w2!, w3!),
    })
    const isBypass = (flags & FWD_MASK) === BYPASS
    const { engineData } = this.#ipvs.conns
    const engine = readEngineData(engineData.words, records.engineData(c))
    return {
      protocol: PROTOCOLS[number]?.toUpperCase() ?? 'IP',
      expiresS: Math.floor(wheel.remaining(c) / TICKS_PER_SECOND),
      state: stateName(number, records.state(c), (flags & TEMPLATE) !== 0),
      client: endpoint(family, words(records.caddr.bind(records)), records.cport(c)),
      virtual: endpoint(family, words(records.vaddr.bind(records)), records.vport(c)),
      dest: isBypass
        ? endpoint(destFamily, [0, 0, 0, 0], 0)
        : endpoint(destFamily, words(records.daddr.bind(records)), records.dport(c)),
      ...(engine === null ? {} : { engine }),
    }
  }
}

const textOf = (a: address.Address): string => address.format(a.family, a.w0, a.w1, a.w2, a.w3)

function serviceKey(key: model.ServiceKey): protocol.ServiceKey {
  const family = key.family === 4 ? 'ipv4' : 'ipv6'
  if (key.fwmark !== 0) return { family, fwmark: key.fwmark }
  return { family, protocol: key.protocol, address: key.address, port: key.port }
}

function serviceConfig(spec: model.ServiceSpec): protocol.ServiceConfig {
  if (!Object.hasOwn(schedulers, spec.scheduler) || !ENGINES.includes(spec.engine))
    throw new KernelError('ENOENT')
  const isSip = spec.engine === 'sip'
  const engine = isSip ? { engine: 'sip' as const } : {}
  return {
    key: serviceKey(spec.key),
    scheduler: spec.scheduler as protocol.SchedulerName,
    schedulerFlags: schedulerFlagNames(spec.schedulerFlags, spec.scheduler),
    persistence: spec.persistence === null ? null : { ...spec.persistence, ...engine },
    ...(isSip && spec.persistence === null ? { persistenceEngine: 'sip' as const } : {}),
    onePacket: spec.onePacket,
  }
}

function destConfig(spec: model.DestSpec): protocol.DestConfig {
  const { address: text, port, weight, upperThreshold, lowerThreshold, tunnel } = spec
  const forwarding = spec.forwarding as protocol.ForwardingName
  const rest = { upperThreshold, lowerThreshold, tunnel: forwarding === 'tunnel' ? tunnel : null }
  return { address: text, port, weight, forwarding, ...rest }
}
