/** An engine between a client wire and a server wire, for connections that are to be killed. */
import { ManualClock } from '../../../../dataplane/clock.js'
import type { LoopbackDriver } from '../../../../dataplane/driver/loopback.js'
import { Engine } from '../../../../dataplane/engine.js'
import { formatIp } from '../../../../dataplane/format.js'
import { Ipvs } from '../../../../dataplane/ipvs/ipvs.js'
import type {
  DestConfig,
  KillProgress,
  KillRequest,
  ServiceConfig,
  ServiceKey,
  SharedMemory,
} from '../../../../dataplane/protocol.js'
import { ConnReader } from '../../../../dataplane/shared/conn-reader.js'
import { allocate } from '../../../../dataplane/shared/memory.js'
import { buildBytes, type PacketRecord } from '../../../fixtures/packets.js'
import type { Wire } from '../../../golden/case.js'
import { PORTS, Topology, WIRES, makeDriver } from '../../../golden/topology.js'

const LAB = {
  ...{ vips: ['10.0.0.100'], vips6: ['2001:db8::100'] },
  ...{ mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
}
/** Addresses of one family. */
export const CAST = {
  ipv4: { vip: '10.0.0.100', client: '192.0.2.9', a: '192.168.10.11', b: '192.168.10.12' },
  ipv6: {
    ...{ vip: '2001:db8::100', client: '2001:db8:1::9' },
    ...{ a: '2001:db8:10::11', b: '2001:db8:10::12' },
  },
} as const

export class Bench {
  readonly memory: SharedMemory
  readonly counters: Float64Array
  ipvs: Ipvs
  /** All that was sent since the last kill began. */
  readonly frames: Uint8Array[] = []
  readonly #clock = new ManualClock()
  readonly #driver: LoopbackDriver
  readonly #topology: Topology
  #engine: Engine
  #jobs = 0

  constructor(connsMax = 4096) {
    this.memory = allocate(connsMax)
    this.counters = new Float64Array(this.memory.counters)
    this.#driver = makeDriver(LAB, this.counters)
    this.#topology = new Topology(this.#driver, LAB)
    this.ipvs = this.#ipvs()
    this.ipvs.restore([])
    this.#engine = this.#engineOf(this.ipvs)
  }

  add(key: ServiceKey, servers: readonly string[], rest: Partial<ServiceConfig & DestConfig> = {}) {
    const { admin } = this.ipvs
    const { persistence = null, forwarding = 'masq', tunnel = null, onePacket = false } = rest
    const port = 'port' in key ? key.port : 0
    admin.addService({ key, scheduler: 'rr', schedulerFlags: [], persistence, onePacket })
    // The newest is asked first.
    for (const address of [...servers].reverse()) {
      const limits = { upperThreshold: 0, lowerThreshold: 0 }
      admin.addDest(key, { address, port, weight: 1, forwarding, tunnel, ...limits })
    }
  }

  setWeight(key: ServiceKey, server: string, weight: number): void {
    const port = 'port' in key ? key.port : 0
    const { admin } = this.ipvs
    admin.editDest(key, { ...admin.describeDest(key, { address: server, port }), weight })
  }

  /** Another worker over the same memory, with the configuration of the former. */
  restart(): void {
    const { admin, services } = this.ipvs
    const keys = [...services].map(s => ({
      ...{
        family: s.family === 4 ? ('ipv4' as const) : ('ipv6' as const),
        protocol: 'tcp' as const,
      },
      ...{ address: s.family === 4 ? CAST.ipv4.vip : CAST.ipv6.vip, port: s.port },
    }))
    const restored = keys.map(key => {
      const { service, dests } = admin.describeService(key)
      const rowOf = (dest: DestConfig) => admin.dest(admin.service(key), dest).row
      return {
        service,
        row: admin.service(key).row,
        dests: dests.map(dest => ({ dest, row: rowOf(dest) })),
      }
    })
    this.ipvs = this.#ipvs()
    this.ipvs.restore(restored)
    this.#engine = this.#engineOf(this.ipvs)
  }

  /** What follows from a packet: wire and packet, one line each. */
  client(record: PacketRecord): string[] {
    return this.#inject('client', record)
  }
  server(record: PacketRecord): string[] {
    return this.#inject('server', record)
  }

  /** Time in steps of a tick; what is sent meanwhile. */
  pass(ms: number): string[] {
    for (let left = ms; left > 0; left -= 10) {
      this.#clock.advance(10)
      this.#engine.breathe()
    }
    return this.#taken()
  }

  /** Runs a kill to its end. */
  kill(kill: Partial<KillRequest> = {}): KillProgress & { sent: string[]; turns: number } {
    const id = ++this.#jobs
    const { killer } = this.ipvs
    killer.start(id, { filter: {}, reset: true, dryRun: false, ...kill })
    let turns = 0
    this.frames.length = 0
    for (; killer.busy; turns++) this.#engine.breathe()
    return { ...killer.progress(id), sent: this.#taken(), turns }
  }

  /** As they are listed: state, client, real server. */
  list(): string[] {
    const { conns, control } = this.memory
    const { items } = new ConnReader(conns, control).scan(0, 1e6)
    return items.map(c => {
      const kind = c.template ? 'template' : c.protocol
      return `${kind} ${c.state} ${c.client.address}:${c.client.port} ${c.realServer.address}`
    })
  }

  #inject(wire: Wire, record: PacketRecord): string[] {
    const ip = buildBytes(record)
    const etherType = record.src.includes(':') ? [0x86, 0xdd] : [8, 0]
    const ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xfe, ...etherType]
    this.#driver.inject(PORTS[wire], Uint8Array.from([...ethernet, ...ip]))
    this.#engine.breathe()
    return this.#taken()
  }

  #taken(): string[] {
    return this.#driver.sent.splice(0).map(({ port, frame }) => {
      this.frames.push(frame)
      const v = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
      return `${WIRES[port]!}: ${formatIp(v, 14, frame.length)}`
    })
  }

  #ipvs(): Ipvs {
    const { network } = this.#topology
    const rest = { network, clock: this.#clock, memory: this.memory, seeds: [1, 2, 3] as const }
    return new Ipvs({ driver: this.#driver, ...rest })
  }

  #engineOf(ipvs: Ipvs): Engine {
    return new Engine({
      ...{ driver: this.#driver, pipeline: ipvs, clock: this.#clock, counters: this.counters },
      onFault: error => {
        throw error
      },
    })
  }
}
