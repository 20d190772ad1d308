import { OpError } from '../op-error.js'
import type {
  DestConfig,
  DestKey,
  RestoredService,
  Results,
  ServiceConfig,
  ServiceKey,
  ServiceRows,
  Way,
} from '../protocol.js'
import { INACTIVE, MASQ, NOOUTPUT } from '../shared/conn-record.js'
import * as address from '../wire/address.js'
import type { AdminOptions } from './admin-options.js'
import {
  checkThresholds,
  checkUnicast,
  configOf,
  destAddress,
  familyNumber,
  identityOf,
  keyOf,
  METHODS,
  netmaskOf,
  parseAddress,
  PROTOCOLS,
  serviceConfigOf,
  SERVICE_FLAGS,
  TUNNEL_CHECKSUMS,
  TUNNELS,
} from './config-words.js'
import { Dest } from './dest.js'
import { Role } from './guarded.js'
import { GuardedReals } from './guarded-reals.js'
import { setRamp } from './newcomers.js'
import { schedulers } from './sched/index.js'
import { ONEPACKET, PERSISTENT, Service } from './service.js'
import type { ServiceTable } from './service-table.js'
import { Trash } from './trash.js'

/**
 * Configuration of virtual services and real servers, with ip_vs_ctl.c's rules and errors. Every
 * change takes effect for the next packet and touches no existing connection.
 */
export class Admin {
  readonly #o: AdminOptions
  readonly #services: ServiceTable
  readonly trash: Trash
  readonly #guardedReals: GuardedReals

  constructor(options: AdminOptions) {
    this.#o = options
    this.#services = options.services
    this.#guardedReals = new GuardedReals(options.guarded)
    const unguard = (dest: Dest) => this.#guardedReals.release(dest)
    this.trash = new Trash(options.guarded, unguard, dest => this.#free(dest))
  }

  has(key: ServiceKey): boolean {
    return this.#lookup(key) !== undefined
  }

  /** `keepRow`: with the figures of a former worker; `wanted`: the row that other workers gave it. */
  addService(
    config: ServiceConfig,
    keepRow: number | null = null,
    wanted: number | null = null,
  ): { row: number } {
    if (this.has(config.key)) throw new OpError('EEXIST', 'the virtual service already exists')
    const service = this.prepareService(config, wanted, keepRow)
    this.showService(service)
    return { row: service.row }
  }

  /** A service that no packet finds yet. Its endpoint is kept from the host already. */
  prepareService(
    config: ServiceConfig,
    wanted: number | null = null,
    keepRow: number | null = null,
  ): Service {
    const identity = identityOf(config.key)
    const row = this.#o.serviceRows.claim(keepRow, wanted)
    if (row === 0) throw new OpError('ENOSPC', 'no room for another virtual service')
    const service = new Service(row, identity)
    try {
      this.#configure(service, config)
    } catch (error) {
      this.#o.serviceRows.give(row)
      throw error
    }
    if (service.fwmark === 0) {
      this.#o.guarded.hold(Role.vip, service, service.protocol, service.port)
    }
    this.#o.serviceEstimator.register(row)
    return service
  }

  /** From now on packets find it. */
  showService(service: Service): void {
    this.#services.add(service)
    for (const dest of service.dests) dest.available = true
    this.#o.onService(service)
  }

  /** Packets find neither it nor, by their connections, its real servers. */
  hideService(service: Service): void {
    this.#services.remove(service)
    for (const dest of service.dests) dest.available = false
  }

  editService(config: ServiceConfig): { row: number } {
    const service = this.service(config.key)
    this.#configure(service, config)
    this.#o.onService(service)
    return { row: service.row }
  }

  delService(key: ServiceKey): void {
    const service = this.service(key)
    this.hideService(service)
    this.clearService(service)
  }

  /** Takes apart what is hidden. */
  clearService(service: Service): void {
    for (const dest of [...service.dests]) this.#unlink(service, dest)
    this.trash.orphan(service.row)
    service.scheduler?.done?.()
    service.scheduler = null
    if (service.fwmark === 0) {
      this.#o.guarded.release(Role.vip, service, service.protocol, service.port)
    }
    this.#o.serviceEstimator.unregister(service.row)
    this.#o.serviceRows.give(service.row)
  }

  addDest(
    key: ServiceKey,
    config: DestConfig,
    keepRow: number | null = null,
    wanted: number | null = null,
  ): { row: number } {
    return this.addDestTo(this.service(key), config, keepRow, wanted)
  }

  addDestTo(
    service: Service,
    config: DestConfig,
    keepRow: number | null = null,
    wanted: number | null = null,
  ): { row: number } {
    const where = destAddress(service, config)
    checkThresholds(config)
    if (service.find(where, config.port) !== undefined) {
      throw new OpError('EEXIST', `the real server ${config.address}:${config.port} already exists`)
    }
    checkUnicast(where)
    const dest =
      this.trash.take(service, where, config.port, wanted) ??
      this.#create(where, config.port, keepRow, wanted)
    // A real server that comes back to another service object starts counting anew.
    if (keepRow === null && dest.serviceRow !== service.row) {
      this.#o.destEstimator.zero(dest.row)
    }
    dest.serviceRow = service.row
    dest.available = true
    dest.rememberWeight(config.weight)
    this.#set(dest, config)
    setRamp(service, dest, config.ramp, this.#o.nowMs)
    this.#o.destEstimator.resume(dest.row)
    service.dests.unshift(dest)
    this.#services.addServer(service, dest)
    this.#guardedReals.hold(service, dest)
    service.scheduler?.add(dest)
    if (this.#services.byRow(service.row) === service) this.#o.onService(service)
    return { row: dest.row }
  }

  editDest(key: ServiceKey, config: DestConfig): { row: number } {
    const service = this.service(key)
    destAddress(service, config)
    checkThresholds(config)
    const dest = this.dest(service, config)
    this.#services.removeServer(dest)
    this.#set(dest, config)
    setRamp(service, dest, config.ramp, this.#o.nowMs)
    this.#services.addServer(service, dest)
    this.#guardedReals.hold(service, dest)
    service.scheduler?.edit(dest)
    return { row: dest.row }
  }

  delDest(key: ServiceKey, config: DestKey): void {
    const service = this.service(key)
    this.#unlink(service, this.dest(service, config))
  }

  /** A real server that no service has, for whoever binds connections to it. Throws OpError. */
  lend(service: Service, way: Way): Dest {
    const config = { ...way, weight: 0, upperThreshold: 0, lowerThreshold: 0 }
    const where = destAddress(service, config)
    checkUnicast(where)
    const dest = this.#create(where, way.port, null, null)
    this.#set(dest, config)
    this.#guardedReals.hold(service, dest)
    return dest
  }

  /** What was lent, without connections. */
  takeBack(dest: Dest): void {
    this.#guardedReals.release(dest)
    this.#free(dest)
  }

  /** Newest first. */
  destsOf(key: ServiceKey): DestKey[] {
    return this.service(key).dests.map(dest => configOf(dest))
  }

  /** Unlike Linux, where only deleting and adding them anew changes it. Newest first. */
  orderDests(key: ServiceKey, order: readonly DestKey[]): void {
    const service = this.service(key)
    const dests = order.map(each => this.dest(service, each))
    if (new Set(dests).size !== service.dests.length) {
      throw new OpError('EINVAL', 'not every real server of the service has one place')
    }
    // The list itself stays: its scheduler holds it.
    service.dests.splice(0, dests.length, ...dests)
    if (dests.length > 0) service.scheduler?.add(dests[0]!)
  }

  flush(): void {
    for (const service of [...this.#services]) this.delService(keyOf(service))
  }

  zero(key: ServiceKey | null): void {
    const services = key === null ? [...this.#services] : [this.service(key)]
    for (const service of services) {
      this.#o.serviceEstimator.zero(service.row)
      for (const dest of service.dests) this.#o.destEstimator.zero(dest.row)
    }
    if (key === null) this.#o.totalEstimator.zero(0)
  }

  /** Other ports are FTP's: guards the real servers' data ports accordingly. */
  followFtpPorts(): void {
    for (const service of this.#services)
      for (const dest of service.dests) this.#guardedReals.hold(service, dest)
  }

  /** Builds everything anew, each in the row it had, so that counters and connections go on. */
  restore(services: readonly RestoredService[]): ServiceRows[] {
    return services.map(({ service, row, dests }) => {
      const added = this.addService(service, row)
      return {
        row: added.row,
        dests: dests.map(d => ({
          address: d.dest.address,
          port: d.dest.port,
          row: this.addDest(service.key, d.dest, d.row ?? 0).row,
        })),
      }
    })
  }

  /** Where the statistics of all services and their real servers stand. */
  rows(): Results['rows']['services'] {
    return [...this.#services].map(service => ({
      key: keyOf(service),
      rows: {
        row: service.row,
        dests: service.dests.map(dest => ({ ...configOf(dest), row: dest.row })),
      },
    }))
  }

  /** What undoes a deletion: the configuration of a service or a dest as it stands. */
  describeService(key: ServiceKey): { service: ServiceConfig; dests: DestConfig[] } {
    const service = this.service(key)
    return {
      service: serviceConfigOf(service, key),
      dests: service.dests.map(dest => configOf(dest, this.#o.nowMs())).reverse(),
    }
  }

  describeDest(key: ServiceKey, dest: DestKey): DestConfig {
    return configOf(this.dest(this.service(key), dest), this.#o.nowMs())
  }

  #lookup(key: ServiceKey): Service | undefined {
    if ('fwmark' in key) return this.#services.getMark(familyNumber(key.family), key.fwmark)
    return this.#services.get(parseAddress(key.address), PROTOCOLS[key.protocol], key.port)
  }

  /** Throws ESRCH when there is none. */
  service(key: ServiceKey): Service {
    const service = this.#lookup(key)
    if (service === undefined) throw new OpError('ESRCH', 'no such virtual service')
    return service
  }

  /** Throws ENOENT when there is none. */
  dest(service: Service, key: DestKey): Dest {
    const dest = service.find(parseAddress(key.address), key.port)
    if (dest === undefined) {
      throw new OpError('ENOENT', `no real server ${key.address}:${key.port} in this service`)
    }
    return dest
  }

  #configure(service: Service, config: ServiceConfig): void {
    const factory = schedulers[config.scheduler]
    let flags = 0
    for (const name of config.schedulerFlags) flags |= SERVICE_FLAGS[name] ?? 0
    if (config.onePacket) flags |= ONEPACKET
    if (config.persistence !== null) flags |= PERSISTENT
    service.netmask = netmaskOf(service.family, config.persistence?.netmask)
    service.timeoutS = config.persistence?.timeoutS ?? 0
    service.persistenceEngine = config.persistence?.engine ?? config.persistenceEngine ?? ''
    if (service.persistenceEngine !== '') this.#services.hasEngines = true
    service.flags = flags
    service.refuses = config.refuses ?? false
    // The same scheduler keeps its state; it sees the flags through its context.
    if (service.schedulerName !== config.scheduler || service.scheduler === null) {
      service.scheduler?.done?.()
      service.scheduler = factory(service.schedulerContext(this.#o))
      service.schedulerName = config.scheduler
    }
  }

  #create(
    where: address.Address,
    port: number,
    keepRow: number | null,
    wanted: number | null,
  ): Dest {
    const { destRows } = this.#o
    let row = destRows.claim(keepRow, wanted)
    if (row === 0 && this.trash.evict()) row = destRows.claim(keepRow, wanted)
    if (row === 0) throw new OpError('ENOSPC', 'no room for another real server')
    const dest = new Dest(row, destRows.memory, { ...where, port }, destRows.peers)
    this.#o.dests[row] = dest
    this.#o.destEstimator.register(row)
    return dest
  }

  #set(dest: Dest, config: DestConfig): void {
    const { upperThreshold, lowerThreshold } = config
    // Cleared by an edit only when the limit went away or was raised (semantics 2.3).
    if (upperThreshold === 0 || upperThreshold > dest.upperThreshold) dest.overloaded = false
    dest.upperThreshold = upperThreshold
    dest.lowerThreshold = lowerThreshold
    dest.weight = config.weight
    if (config.weight !== 0) dest.rememberWeight(config.weight)
    const method = METHODS[config.forwarding]
    dest.connFlags = method | INACTIVE | (method === MASQ ? 0 : NOOUTPUT)
    dest.tunnelType = config.tunnel === null ? 0 : TUNNELS[config.tunnel.type]
    dest.tunnelPort = config.tunnel?.port ?? 0
    dest.tunnelFlags = config.tunnel === null ? 0 : TUNNEL_CHECKSUMS[config.tunnel.checksum]
    dest.invalidateRoute()
    this.#o.ownServers.look(dest)
  }

  #unlink(service: Service, dest: Dest): void {
    const index = service.dests.indexOf(dest)
    service.dests.splice(index, 1)
    this.#services.removeServer(dest)
    dest.available = false
    // Its rates stand still while it is in the trash (ip_vs_stop_estimator).
    this.#o.destEstimator.unregister(dest.row)
    service.scheduler?.del(dest, index)
    const first = this.trash.size === 0
    this.trash.put(dest, service)
    this.#o.onUnlink(first)
  }

  #free(dest: Dest): void {
    this.#o.ownServers.forget(dest)
    this.#o.dests[dest.row] = undefined
    this.#o.destEstimator.unregister(dest.row)
    this.#o.destRows.give(dest.row)
  }
}
