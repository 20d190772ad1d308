import { randomInt } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../clock.js'
import type { Driver } from '../driver/driver.js'
import type { Pipeline } from '../engine.js'
import { EXPIRIES_PER_TURN } from '../limits.js'
import type { NetworkView } from '../net/network.js'
import { Output } from '../output.js'
import type { Packet } from '../packet.js'
import type { RestoredService, Results, SettingsConfig, SharedMemory } from '../protocol.js'
import { Reassembler } from '../reassembly.js'
import { TICK } from '../shared/memory.js'
import { TICK_MS, TimerWheel } from '../timer-wheel.js'
import { Admin } from './admin.js'
import { Bindings } from './app/bindings.js'
import { Applications } from './app/index.js'
import { Clients } from './clients.js'
import { ConnSlab } from './conn-slab.js'
import { ConnTable } from './conn-table.js'
import { Connections } from './conn.js'
import { Core } from './core.js'
import { Defence } from './defence.js'
import { Crew, type CrewMember } from './crew.js'
import type { Dest } from './dest.js'
import { Estimator } from './est.js'
import { EchoedOptions } from './echoed-options.js'
import { Forwarder } from './forwarder.js'
import { Guarded } from './guarded.js'
import { HostStack } from './host-stack.js'
import { Icmp } from './icmp.js'
import { Ipsec } from './ipsec.js'
import { IcmpErrors } from './icmp-errors.js'
import { IpOptions } from './ip-options.js'
import { Farewell } from './kill/farewell.js'
import { Killer } from './kill/killer.js'
import { Tombstones } from './kill/tombstones.js'
import { LocalOut } from './local-out.js'
import { MarkRules } from './mark-rules.js'
import { OwnServers } from './own-servers.js'
import { EngineData } from './pe/engine-data.js'
import { Probes } from './probes.js'
import { Protocols } from './proto/index.js'
import { Responder } from './responder.js'
import { Rows } from './rows.js'
import { Scheduling } from './scheduling.js'
import { ServiceTable } from './service-table.js'
import { defaultSettings, type Settings } from './settings.js'
import { Traffic } from './traffic.js'
import { TRASH_PERIOD_TICKS } from './trash.js'
import { TunnelErrors } from './tunnel-errors.js'
import { Transmit } from './xmit/transmit.js'
import { Tunnel } from './xmit/tunnel.js'

/** Timer nodes of the periodic jobs, below AUXILIARY. */
const TRASH_NODE = 1
const ESTIMATOR_NODE = 2
const SCHEDULER_NODE = 3
const PURGE_NODE = 4
const DEFENCE_NODE = 5
const SWEEP_NODE = 6
const ESTIMATOR_TICKS = 200
const DEFENCE_TICKS = 100
const SCHEDULER_TICKS = 6000
/** Connections looked at in one tick for a server that is gone. */
const PURGED_PER_TICK = 65536
/** From here on records are not all in the processor's caches: 64 octets of each, and buckets. */
const COLD_CONNS = 4096
/** How often half-received datagrams are looked through. */
const REASSEMBLY_MS = 250
const DAY_MS = 86_400_000

export interface IpvsOptions {
  driver: Driver
  network: NetworkView
  clock: Clock
  memory: SharedMemory
  /** Keys of the connection hash; random in the appliance, fixed in tests. */
  seeds?: readonly [number, number, number]
  /** A uniform integer in [0, bound]. */
  random?: (bound: number) => number
  /** Octets of memory that the process may still take; the system's word by default. */
  availableOctets?: () => number
  /** Tick number at the clock's zero; a golden replay needs the recording's phase. */
  firstTick?: number
  /** Told which memory will be read at random. */
  advise?: (memory: Int32Array) => void
  /** Only with several workers: which one it is, and the memory of the others. */
  crew?: CrewMember & { peers: readonly SharedMemory[] }
  /** Milliseconds since midnight, UTC, for timestamp options. */
  timeOfDayMs?: () => number
  /** Octets of memory for fragments that wait; touched when made. */
  reassemblyOctets?: number
}

/** The whole of IPVS over one driver: packets in through `handle`, time through `tick`. */
export class Ipvs implements Pipeline {
  readonly settings: Settings = defaultSettings()
  readonly services = new ServiceTable()
  readonly marks = new MarkRules()
  /** What the packet guard keeps from the host. */
  readonly guarded = new Guarded()
  /** Whether real servers are this host itself, so that its own packets matter. */
  readonly ownServers: OwnServers
  readonly conns: Connections
  readonly protocols: Protocols
  readonly admin: Admin
  readonly killer: Killer
  readonly probes: Probes
  readonly network: NetworkView
  readonly memory: SharedMemory
  /** Null when this is the only worker. */
  readonly crew: Crew | null
  /** Memory of the first of several workers, null when this is it. */
  readonly #first: SharedMemory | null
  readonly #defence: Defence
  readonly #core: Core
  readonly #localOut: LocalOut
  readonly #bindings: Bindings
  readonly #dests: (Dest | undefined)[] = []
  readonly #wheel: TimerWheel
  readonly #control: Int32Array
  readonly #reassembler: Reassembler
  readonly #errors: IcmpErrors
  readonly #firstTick: number
  readonly #originMs: number
  #reassemblyDueMs = 0
  #purgeCursor = 0
  #ftpPorts: readonly number[] = []
  /** Whether it knows what to do with packets. */
  restored = false

  constructor(options: IpvsOptions) {
    const { driver, network, clock, memory } = options
    const counters = new Float64Array(memory.counters)
    const totals = new Float64Array(memory.totals)
    const peers = options.crew?.peers ?? []
    const serviceRows = Rows.over(memory.services, ...peers.map(peer => peer.services))
    const destRows = Rows.over(memory.dests, ...peers.map(peer => peer.dests))
    const random = options.random ?? ((bound: number) => randomInt(bound + 1))
    const nowMs = () => clock.now()
    const { settings, services, marks } = this
    this.network = network
    this.ownServers = new OwnServers(this.#dests, network)
    this.memory = memory
    this.#control = new Int32Array(memory.control)
    this.#originMs = clock.now()
    this.#firstTick = options.firstTick ?? this.#control[TICK]! + 1
    this.#first = (options.crew?.index ?? 0) > 0 ? peers[0]! : null
    const controls = peers.map(peer => new Int32Array(peer.control))
    const slab = new ConnSlab(memory.conns, this.#control, controls)
    const crew = options.crew ? new Crew(options.crew, this.guarded, settings) : null
    this.#wheel = new TimerWheel(slab.words, this.#firstTick)
    const seeds = options.seeds ?? [seed(), seed(), seed()]
    const table = new ConnTable(slab, { seeds, ...(options.advise && { advise: options.advise }) })
    const destOf = (row: number) => this.#dests[row]
    const engineData = new EngineData({
      ...{ memory: memory.engineData, control: this.#control, conns: slab.words, seeds },
    })
    const rows = new Int32Array(memory.apps)
    const bindings = new Bindings(rows)
    this.#bindings = bindings
    bindings.setFtpPorts(settings.ftpPorts)
    this.conns = new Connections({ slab, table, wheel: this.#wheel, engineData, destOf, bindings })
    this.protocols = new Protocols(this.conns)
    const applications = new Applications({
      ...{ conns: this.conns, tcp: this.protocols.tcp, rows, settings, counters },
      take: octets => driver.take(octets),
    })

    const serviceEstimator = new Estimator(serviceRows.memory)
    const destEstimator = new Estimator(destRows.memory)
    const totalEstimator = new Estimator(totals)
    totalEstimator.register(0)
    const dests = this.#dests
    const { ownServers } = this
    this.admin = new Admin({
      ...{ services, guarded: this.guarded, serviceRows, destRows },
      ...{ serviceEstimator, destEstimator, totalEstimator, dests, random, nowMs, settings },
      ownServers,
      onUnlink: first => this.#onUnlink(first),
      onService: service => crew?.note(service),
    })
    this.probes = new Probes(this.admin, this.conns, nowMs)
    const output = new Output(driver, counters, seeds[0])
    const timeOfDayMs = options.timeOfDayMs ?? (() => Date.now() % DAY_MS)
    const ipOptions = new IpOptions(network, timeOfDayMs)
    const echoed = new EchoedOptions(ipOptions, timeOfDayMs)
    const errors = new IcmpErrors({ driver, network, output, counters, settings, echoed, nowMs })
    const forwarder = new Forwarder(network, output, errors, ipOptions)
    const { guarded } = this
    const hostStack = new HostStack({ guarded, forwarder, driver, counters, echoed })
    const traffic = new Traffic(totals, serviceRows.memory, destRows.memory)
    const clients = new Clients(slab.words, network)
    const tunnel = new Tunnel({ driver, network, output, counters, settings })
    const transmit = new Transmit({
      ...{ records: slab, network, forwarder, tunnel, traffic, applications, counters },
      ...{ settings, nowMs },
    })
    this.crew = crew
    const { conns, protocols } = this
    const defence = new Defence({
      ...{ conns, services, settings, counters, random, tcp: protocols.tcp },
      control: this.#control,
      availableOctets: options.availableOctets ?? (() => process.availableMemory()),
    })
    this.#defence = defence
    const scheduling = new Scheduling({ conns, settings, traffic, defence, counters })
    const tunnelErrors = new TunnelErrors({ conns, services, traffic, transmit, errors, crew })
    const icmp = new Icmp({
      ...{ conns, services, protocols, scheduling, traffic, transmit },
      tunnelErrors,
      ...{ clients, forwarder, output, counters, settings, crew },
    })
    const ipsec = new Ipsec({ conns, traffic, transmit, clients, forwarder, crew })
    const reassembler = new Reassembler(counters, {
      seed: seeds[1],
      ...(options.reassemblyOctets === undefined ? {} : { octetsMax: options.reassemblyOctets }),
    })
    const farewell = new Farewell({
      ...{ driver, output, conns, clients, transmit, hostStack, random },
    })
    const tombstones = new Tombstones({ conns, protocols, farewell, hostStack, counters })
    this.killer = new Killer({ conns, finder: this.admin, tombstones, counters })
    this.#errors = errors
    this.#reassembler = reassembler
    const passing = { conns, applications, traffic, output, counters }
    const responder = new Responder({ ...passing, options: ipOptions })
    this.#localOut = new LocalOut({
      ...{ conns, services, protocols, clients, icmp, responder, tombstones },
      ...{ network, output, counters, settings: this.settings },
      crew,
    })
    this.#core = new Core({
      ...{ conns, services, protocols, scheduling, traffic, icmp, ipsec, errors, forwarder },
      ...{ hostStack, tombstones, responder, marks, network, transmit, clients },
      localOut: this.#localOut,
      ...{ reassembler, counters, settings, crew, nowMs, probes: this.probes },
      options: ipOptions,
    })
    conns.setJob(TRASH_NODE, () => {
      this.admin.trash.sweep(this.#wheel.nowTick)
      if (this.admin.trash.size > 0) this.#wheel.arm(TRASH_NODE, TRASH_PERIOD_TICKS)
    })
    conns.setJob(PURGE_NODE, () => this.#purge())
    const sweep = () => {
      if (defence.sweep()) this.#wheel.arm(SWEEP_NODE, 0)
    }
    conns.setJob(SWEEP_NODE, sweep)
    this.#every(DEFENCE_NODE, DEFENCE_TICKS, () => {
      defence.tick()
      sweep()
    })
    this.#every(ESTIMATOR_NODE, ESTIMATOR_TICKS, () => {
      if (settings.runEstimation)
        for (const one of [totalEstimator, serviceEstimator, destEstimator]) one.tick()
      this.admin.trash.releaseIdle()
      this.#followFtpPorts()
    })
    this.#every(SCHEDULER_NODE, SCHEDULER_TICKS, () => {
      for (const service of services) service.scheduler?.tick?.()
    })
  }

  /** The real server with that row of statistics, deleted ones in the trash included. */
  destAt(row: number): Dest | undefined {
    return this.#dests[row]
  }

  expect(burst: readonly Packet[], count: number): void {
    if (this.conns.records.size >= COLD_CONNS) this.#core.expect(burst, count)
  }

  handle(pkt: Packet): void {
    this.#core.handle(pkt)
  }

  hostSent(pkt: Packet, diverted: boolean): void {
    this.#localOut.handle(pkt, diverted)
  }

  tick(nowMs: number): void {
    const tick = this.#tickAt(nowMs)
    this.#control[TICK] = tick
    this.conns.advance(tick, EXPIRIES_PER_TURN)
    if (this.killer.busy) this.killer.step()
    if (nowMs >= this.#reassemblyDueMs) {
      this.#reassemblyDueMs = nowMs + REASSEMBLY_MS
      this.#reassembler.expire(nowMs, first => {
        if (first !== null) this.#errors.reassemblyTimeExceeded(first)
      })
    }
  }

  /** Milliseconds until a timer is due: how long the loop may sleep. */
  idleMs(nowMs: number): number {
    if (this.killer.busy) return 0
    const due = this.#wheel.nextDue() - this.#tickAt(nowMs)
    return Math.max(0, due * TICK_MS)
  }

  /** Builds the configuration anew and takes over the connections a former worker left. */
  restore(configured: readonly RestoredService[]): Results['restore'] {
    const services = this.admin.restore(configured)
    const adoptedConns = this.conns.adopt(this.#dests.filter(d => d !== undefined))
    if (this.#first !== null) this.crew?.recall(this.#first)
    this.#followFtpPorts()
    this.restored = true
    return { services, adoptedConns }
  }

  /** Takes over the knobs; connections feel changed timeouts with their next packet. */
  configure({ timeouts, stateTimeouts, ...knobs }: SettingsConfig): void {
    const { protocols } = this
    if (stateTimeouts !== undefined) protocols.setStateTimeouts(stateTimeouts)
    if (knobs.ftpPorts !== undefined) {
      this.#bindings.setFtpPorts(knobs.ftpPorts)
      this.#followFtpPorts()
    }
    Object.assign(this.settings, knobs)
    if (this.crew !== null) for (const service of this.services) this.crew.note(service)
    protocols.tcp.sloppy = knobs.sloppyTcp
    protocols.sctp.sloppy = knobs.sloppySctp
    protocols.setTimeouts(timeouts.tcpS, timeouts.tcpFinS, timeouts.udpS)
  }

  /** What `configure` would set to leave everything as it is. */
  configuration(): SettingsConfig {
    const { tcp, udp } = this.protocols
    const s = this.settings
    return {
      ...{ expireNodestConn: s.expireNodestConn, connReuseMode: s.connReuseMode },
      ...{ expireQuiescentTemplate: s.expireQuiescentTemplate, sloppyTcp: s.sloppyTcp },
      ...{ sloppySctp: s.sloppySctp, natIcmpSend: s.natIcmpSend, scheduleIcmp: s.scheduleIcmp },
      ...{ pmtuDisc: s.pmtuDisc, cacheBypass: s.cacheBypass },
      timeouts: {
        tcpS: tcp.timeoutS('ESTABLISHED')!,
        tcpFinS: tcp.timeoutS('FIN_WAIT')!,
        udpS: udp.timeoutS('UDP')!,
      },
      ...{ dropEntry: s.dropEntry, dropPacket: s.dropPacket, secureTcp: s.secureTcp },
      ...{ amemthresh: s.amemthresh, amDroprate: s.amDroprate, runEstimation: s.runEstimation },
      ...{ lblcExpirationS: s.lblcExpirationS, lblcrExpirationS: s.lblcrExpirationS },
      ...{ ftpPorts: s.ftpPorts, ftpForeignPort: s.ftpForeignPort },
      ...{ ftpForeignServer: s.ftpForeignServer },
      ...{ ftpRewriteRetransmissions: s.ftpRewriteRetransmissions },
      stateTimeouts: this.protocols.stateTimeouts(),
    }
  }

  /** A port that is FTP's no more stays guarded as one for as long as it has connections. */
  #followFtpPorts(): void {
    const ports = this.#bindings.livePorts()
    if (isDeepStrictEqual(ports, this.#ftpPorts)) return
    this.#ftpPorts = ports
    this.guarded.ftpPorts = ports
    this.admin.followFtpPorts()
  }

  /**
   * Treats packets as `other` would at this moment, as far as configuration in force for all of
   * them goes; services and connections are given by `restore`.
   */
  resemble(other: Ipvs): void {
    this.configure(other.configuration())
    Object.assign(this.settings, other.settings)
    this.protocols.tcp.secure = other.protocols.tcp.secure
    this.marks.set(other.marks.rules)
    this.guarded.base = other.guarded
    this.#defence.resemble(other.#defence)
    this.#errors.resemble(other.#errors)
  }

  #tickAt(nowMs: number): number {
    return this.#firstTick + Math.floor((nowMs - this.#originMs) / TICK_MS)
  }

  /** The sweep starts with the first entry; expire_nodest_conn's work follows a tick later. */
  #onUnlink(first: boolean): void {
    if (first) this.#wheel.arm(TRASH_NODE, TRASH_PERIOD_TICKS)
    if (this.settings.expireNodestConn) {
      this.#purgeCursor = 0
      this.#wheel.arm(PURGE_NODE, 1)
    }
  }

  #purge(): void {
    this.#purgeCursor = this.conns.purgeUnavailable(this.#purgeCursor, PURGED_PER_TICK)
    if (this.#purgeCursor !== 0) this.#wheel.arm(PURGE_NODE, 0)
  }

  #every(node: number, ticks: number, job: () => void): void {
    this.conns.setJob(node, () => {
      job()
      this.#wheel.arm(node, ticks)
    })
    this.#wheel.arm(node, ticks)
  }
}

const seed = (): number => randomInt(2 ** 32) | 0
