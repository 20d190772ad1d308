/**
 * A flood of SYNs, each from another source, against an engine with established connections: they
 * go on, a new client gets through, and memory does not grow. `SOURCES=1000000` for the full size.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { ManualClock } from '../../../dataplane/clock.js'
import { Counter } from '../../../dataplane/counters.js'
import type { LoopbackDriver } from '../../../dataplane/driver/loopback.js'
import { Engine } from '../../../dataplane/engine.js'
import { Ipvs } from '../../../dataplane/ipvs/ipvs.js'
import { allocate } from '../../../dataplane/shared/memory.js'
import { buildBytes } from '../../fixtures/packets.js'
import { PORTS, Topology, WIRES, makeDriver } from '../../golden/topology.js'

const SOURCES = Number(process.env['SOURCES'] ?? 60_000)
/** Much less than sources, so that the table is full for most of the flood. */
const CONNS_MAX = 16_384
const ESTABLISHED = 200
const VIP = '10.0.0.100'
const SERVER = '192.168.10.11'
/** New sources in a second of the flood. */
const PER_SECOND = 10_000
/** Sources between two looks at the established connections: 20 s. */
const SLICE = 20 * PER_SECOND
/** Far less than a word for each source, at full size. */
const GROWTH_MAX_OCTETS = 2 ** 20

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const LAB = { vips: [VIP], vips6: [], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 }
const ETHERNET = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xfe, 8, 0]

type Wire = 'client' | 'server'

/** The engine alone, on the bench of the recordings. */
class Victim {
  readonly counters: Float64Array
  readonly ipvs: Ipvs
  readonly #clock = new ManualClock()
  readonly #driver: LoopbackDriver
  readonly #engine: Engine

  constructor() {
    const memory = allocate(CONNS_MAX)
    const counters = new Float64Array(memory.counters)
    const clock = this.#clock
    const driver = makeDriver(LAB, counters)
    const { network } = new Topology(driver, LAB)
    const ipvs = new Ipvs({ driver, network, clock, memory, seeds: [1, 2, 3] })
    ipvs.restore([])
    this.counters = counters
    this.ipvs = ipvs
    this.#driver = driver
    this.#engine = new Engine({
      ...{ driver, pipeline: ipvs, clock, counters },
      onFault: error => {
        throw error
      },
    })
  }

  setUp(timeoutS: number): void {
    const { admin } = this.ipvs
    const key = { family: 'ipv4', protocol: 'tcp', address: VIP, port: 80 } as const
    const persistence = timeoutS === 0 ? null : { timeoutS, netmask: '255.255.255.255' }
    admin.addService({ key, scheduler: 'wlc', schedulerFlags: [], persistence, onePacket: false })
    admin.addDest(key, {
      ...{ address: SERVER, port: 80, weight: 1, forwarding: 'masq', tunnel: null },
      ...{ upperThreshold: 0, lowerThreshold: 0 },
    })
    this.ipvs.configure({ ...this.ipvs.configuration(), dropEntry: 1, secureTcp: 1 })
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 10) {
      this.#clock.advance(10)
      this.#engine.breathe()
    }
  }

  /** What came out, as `server` or `client`; '' for nothing. */
  client(src: string, srcPort: number, flags: string): string {
    return this.#inject('client', { src, dst: VIP, tcp: { srcPort, dstPort: 80, flags } })
  }
  server(dst: string, dstPort: number, flags: string): string {
    return this.#inject('server', { src: SERVER, dst, tcp: { srcPort: 80, dstPort, flags } })
  }
  #inject(wire: Wire, record: Parameters<typeof buildBytes>[0]): string {
    this.inject(wire, Uint8Array.from([...ETHERNET, ...buildBytes(record)]))
    const seen = this.#driver.sent.map(({ port }) => WIRES[port]!)
    this.#driver.sent.length = 0
    return seen.join()
  }

  inject(wire: Wire, frame: Uint8Array): void {
    this.#driver.inject(PORTS[wire], frame)
    this.#engine.breathe()
  }

  /** Handshake; false when the SYN did not get through. */
  connect(src: string, srcPort: number): boolean {
    if (this.client(src, srcPort, 'S') !== 'server') return false
    this.server(src, srcPort, 'S.')
    return this.client(src, srcPort, '.') === 'server'
  }

  /** Established connections that carry data both ways. */
  alive(): number {
    let count = 0
    for (let i = 0; i < ESTABLISHED; i++) {
      const src = `192.0.2.${1 + (i % 200)}`
      const there = this.client(src, 20_000 + i, 'P.') === 'server'
      if (there && this.server(src, 20_000 + i, 'P.') === 'client') count++
    }
    return count
  }

  /** `count` SYNs of sources that were not seen before. */
  flood(from: number, count: number): void {
    const syn = { srcPort: 1024, dstPort: 80, flags: 'S' }
    const ip = buildBytes({ src: '11.0.0.0', dst: VIP, tcp: syn })
    const frame = Uint8Array.from([...ETHERNET, ...ip])
    const view = new DataView(frame.buffer)
    const sum = view.getUint16(14 + 10)
    for (let i = from; i < from + count; i++) {
      view.setUint32(14 + 12, 0x0b000000 + i)
      view.setUint16(14 + 10, minus(sum, i >>> 16, i & 0xffff))
      this.inject('client', frame)
      this.#driver.sent.length = 0
      if (i % (PER_SECOND / 100) === 0) this.pass(10)
    }
  }
}

/** The IP header checksum when two of its words grow: RFC 1624 without its corner case 0xffff. */
function minus(sum: number, ...words: number[]): number {
  let left = sum
  for (const word of words) left = left >= word ? left - word : left - word + 0xffff
  return left
}

for (const [name, timeoutS] of [
  ['a plain service', 0],
  ['a persistent service: two entries for a source', 300],
] as const) {
  t.test(name, async t => {
    const victim = new Victim()
    const { counters, ipvs } = victim
    victim.setUp(timeoutS)
    victim.pass(1500)
    for (let i = 0; i < ESTABLISHED; i++) victim.connect(`192.0.2.${1 + (i % 200)}`, 20_000 + i)
    t.equal(victim.alive(), ESTABLISHED)

    // The table fills.
    const first = 2 * CONNS_MAX
    victim.flood(0, first)
    t.ok(counters[Counter.tableFull]! > 0, 'the limit was reached')
    t.equal(ipvs.conns.records.limit - ipvs.conns.records.size < 1000, true)
    t.equal(ipvs.settings.dropEntry, 2, 'drop_entry acts by itself')
    t.ok(ipvs.protocols.tcp.secure, 'secure_tcp too')
    t.equal(victim.alive(), ESTABLISHED, 'established connections work')
    gc()
    const before = process.memoryUsage()

    // drop_entry takes what has been idle for a minute; these are not.
    for (let from = first; from < SOURCES; from += SLICE) {
      victim.flood(from, Math.min(SLICE, SOURCES - from))
      t.equal(victim.alive(), ESTABLISHED, 'and go on working')
    }
    gc()
    const after = process.memoryUsage()
    const heap = after.heapUsed - before.heapUsed
    const external = after.external - before.external
    t.comment(`${SOURCES - first} sources later: ${heap} octets of heap, ${external} of others`)
    t.ok(heap < GROWTH_MAX_OCTETS, 'memory is flat')
    t.ok(external < GROWTH_MAX_OCTETS, 'buffers too')
    t.ok(counters[Counter.defenceDropEntry]! > 0)

    // Right after a drop there is room: somebody new gets through within a few tries.
    let tries = 0
    let through = false
    while (!through && tries < 20) {
      tries++
      victim.pass(500)
      through = victim.connect('192.0.2.250', 30_000 + tries)
    }
    t.ok(through, `a new client connected at try ${tries}`)

    victim.pass(130_000)
    t.equal(ipvs.settings.dropEntry, 1, 'the defence stands down')
    t.notOk(ipvs.protocols.tcp.secure)
    t.equal(victim.alive(), ESTABLISHED)
  })
}
