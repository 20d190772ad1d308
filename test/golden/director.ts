/**
 * The director of the recordings, rebuilt: the real engine over the loopback driver, with the
 * addresses, routes and neighbours of the bench, a clock moved by hand, and a host around it.
 */
import { run, type Outcome } from '../../cli/ipvsadm/command.js'
import { ManualClock } from '../../dataplane/clock.js'
import type { NetworkTable } from '../../dataplane/net/network-table.js'
import { Control } from '../../dataplane/control.js'
import type { LoopbackDriver } from '../../dataplane/driver/loopback.js'
import { Engine } from '../../dataplane/engine.js'
import { Ipvs } from '../../dataplane/ipvs/ipvs.js'
import type { MarkRuleConfig } from '../../dataplane/protocol.js'
import { TICK_MS } from '../../dataplane/timer-wheel.js'
import { allocate } from '../../dataplane/shared/memory.js'
import type { Lab, MarkRule, Wire } from './case.js'
import { EngineBackend } from './engine-backend.js'
import { GuardRules } from './guard-rules.js'
import { readHeaders } from './headers.js'
import { Host, type HostFrame } from './host.js'
import { withSysctl } from './sysctls.js'
import { CLIENT_MAC, PORTS, PORT_MACS, Topology, WIRES, macBytes, serverMac } from './topology.js'

/** Of the recordings: tick numbers are -4 modulo 512 at time 0. */
const FIRST_TICK = 512 - 4
/** Where in a tick a recording starts; the times in a case are rounded to milliseconds. */
const START_MS = 0.5
const CONNS_MAX = 16384
const SEEDS = [1, 2, 3] as const
/** Half-received datagrams are looked through four times a second. */
const STEP_MAX_MS = 250
const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const

export interface SeenFrame {
  port: Wire
  dmac: string
  etherType: number
  ip: Uint8Array
}

export interface DirectorOptions {
  connsMax?: number
  /** Of memory, that the process may still take. */
  availableOctets?: () => number
  /** Milliseconds since midnight, UTC. */
  timeOfDayMs?: () => number
  /** A uniform integer in [0, bound]. */
  random?: (bound: number) => number
}

export class Director {
  readonly ipvs: Ipvs
  /** By Counter. */
  readonly counters: Float64Array
  readonly #clock = new ManualClock()
  readonly #driver: LoopbackDriver
  readonly #engine: Engine
  readonly #backend: EngineBackend
  readonly #topology: Topology
  readonly #host: Host
  readonly #guard: GuardRules
  readonly #rules: MarkRuleConfig[] = []
  #seen: SeenFrame[] = []

  constructor(
    lab: Lab,
    makeDriver: (lab: Lab, counters: Float64Array) => LoopbackDriver,
    { connsMax = CONNS_MAX, ...limits }: DirectorOptions = {},
  ) {
    const memory = allocate(connsMax)
    const counters = new Float64Array(memory.counters)
    const clock = this.#clock
    const driver = makeDriver(lab, counters)
    const topology = new Topology(driver, lab)
    const { network } = topology
    const options = { driver, network, clock, memory, seeds: SEEDS, firstTick: FIRST_TICK }
    const ipvs = new Ipvs({ ...options, ...limits })
    this.counters = counters
    ipvs.settings.icmpRateLimitMs = lab.icmp_ratelimit
    // As open as the kernel's helper.
    ipvs.settings.ftpForeignPort = true
    ipvs.settings.ftpForeignServer = true
    ipvs.settings.ftpRewriteRetransmissions = false
    ipvs.restore([])
    clock.advance(START_MS)
    const control = new Control({ ipvs, driver, nowMs: () => clock.now(), onStop: () => {} })
    const guard = new GuardRules(ipvs)
    this.#guard = guard
    this.ipvs = ipvs
    this.#driver = driver
    this.#topology = topology
    this.#engine = new Engine({
      ...{ driver, pipeline: ipvs, clock, counters },
      onFault: error => {
        throw error
      },
    })
    this.#backend = new EngineBackend(ipvs, control, memory)
    this.#host = new Host({ network, hides: (ip, h) => guard.hides(ip, h), clock })
  }

  /** Its routes, to change them under way. */
  get network(): NetworkTable {
    return this.#topology.network
  }

  /** Milliseconds of the case. */
  get nowMs(): number {
    return this.#clock.now() - START_MS
  }

  /** What has come out since the last call. */
  take(): SeenFrame[] {
    const seen = this.#seen
    this.#seen = []
    return seen
  }

  inject(wire: Wire, ip: Uint8Array): void {
    this.#driver.inject(PORTS[wire], frameOf(wire, ip))
    this.#breathe()
    this.#fromHost(this.#host.receive(wire, ip))
  }

  /** Runs every timer on the way, each at its own time. */
  advanceTo(timeMs: number): void {
    const clock = this.#clock
    const target = timeMs + START_MS
    while (clock.now() < target) {
      const now = clock.now()
      const due = Math.floor(now / TICK_MS) * TICK_MS + this.ipvs.idleMs(now)
      const next = Math.min(target, now + STEP_MAX_MS, due > now ? due : now + TICK_MS)
      clock.advance(next - now)
      this.#breathe()
    }
  }

  async command(line: string): Promise<Outcome> {
    const [program, ...args] = line.trim().split(/\s+/)
    if (program !== 'ipvsadm') throw new Error(`unknown command: ${line}`)
    return await run(args, this.#backend)
  }

  sysctl(name: string, value: string): void {
    const settings = withSysctl(this.ipvs.configuration(), name, value)
    this.#backend.apply({ op: 'setSettings', settings })
  }

  addMarkRule(rule: MarkRule): void {
    this.#rules.push({
      ...{ mark: rule.mark, family: rule.family, protocol: PROTOCOLS[rule.protocol] },
      ...{ source: null, destination: rule.destination, sourcePorts: null, interface: null },
      destinationPorts: rule.ports?.map(port => ({ first: port, last: port })) ?? null,
    })
    this.#backend.apply({ op: 'setMarkRules', rules: [...this.#rules] })
  }

  addRoute(destination: string, via: string, interfaceName: string): void {
    this.#topology.addRoute(destination, via, interfaceName)
  }

  addAddress(text: string, interfaceName: string): void {
    this.#topology.addAddress(text, interfaceName)
  }

  #breathe(): void {
    this.#engine.breathe()
    for (const { port, frame } of this.#driver.sent) {
      const b = Buffer.from(frame)
      const dmac = macText(b.subarray(0, 6))
      const from = macText(b.subarray(6, 12))
      if (from !== PORT_MACS[port]) throw new Error(`sent from ${from} on port ${port}`)
      const ip = Uint8Array.from(b.subarray(14))
      this.#seen.push({ port: WIRES[port]!, dmac, etherType: b.readUInt16BE(12), ip })
    }
    this.#driver.sent.length = 0
    // What the dataplane gives to its own host has passed the guard.
    for (const ip of this.#driver.sentIp.splice(0)) this.#fromHost(this.#host.accept(ip))
  }

  /** What the host sends passes the guard too, on its way to the wire or to the dataplane. */
  #fromHost(frames: readonly HostFrame[]): void {
    for (const { port, dmac, ip, forwarded } of frames) {
      const sent = forwarded ? null : this.#guard.sent(ip, readHeaders(ip)!)
      if (sent !== null) {
        this.#driver.injectOfHost(ip, sent === 'diverted')
        this.#breathe()
      }
      if (sent === 'diverted') continue
      const etherType = ip[0]! >>> 4 === 4 ? 0x0800 : 0x86dd
      this.#seen.push({ port, dmac, etherType, ip })
    }
  }
}

const macText = (bytes: Buffer): string => bytes.toString('hex').match(/../g)!.join(':')

/** From the gateway, or from the server whose address the packet has. */
function frameOf(wire: Wire, ip: Uint8Array): Uint8Array {
  const source = wire === 'client' ? CLIENT_MAC : senderMac(ip)
  const type = (ip[0] ?? 0x45) >>> 4 === 6 ? [0x86, 0xdd] : [0x08, 0x00]
  const destination = macBytes(PORT_MACS[PORTS[wire]]!)
  return Uint8Array.from([...destination, ...macBytes(source), ...type, ...ip])
}

function senderMac(ip: Uint8Array): string {
  const src = readHeaders(ip)?.src ?? ''
  const k = Number(/(?:\.|:)(\d+)$/.exec(src)?.[1] ?? 0) - 10
  return serverMac(k >= 1 && k <= 9 ? k : 1)
}
