/** Looking ahead changes nothing but time: the same packets, one by one and in bursts. */
import t from 'tap'
import { ManualClock } from '../../../dataplane/clock.js'
import type { LoopbackDriver } from '../../../dataplane/driver/loopback.js'
import { Engine, type Pipeline } from '../../../dataplane/engine.js'
import { Ipvs } from '../../../dataplane/ipvs/ipvs.js'
import { UNPARSED, type Packet } from '../../../dataplane/packet.js'
import { allocate } from '../../../dataplane/shared/memory.js'
import { buildBytes } from '../../fixtures/packets.js'
import { seeded } from '../../fixtures/random.js'
import { PORTS, Topology, makeDriver } from '../../golden/topology.js'

/** Enough that the table counts as larger than the caches. */
const CONNS = 4500
const BURSTS = 60
const PER_BURST = 64
const VIP = '10.0.0.100'
const VIP6 = '2001:db8::100'
const SERVER = '192.168.10.11'
const SERVER6 = '2001:db8:10::11'
const LAB = { vips: [VIP], vips6: [VIP6], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 }
const ETHERNET = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xfe]

class Side {
  readonly counters: Float64Array
  readonly ipvs: Ipvs
  readonly driver: LoopbackDriver
  readonly engine: Engine
  readonly clock = new ManualClock()

  constructor(wrap: (ipvs: Ipvs) => Pipeline) {
    const { clock } = this
    const memory = allocate(16_384)
    const counters = new Float64Array(memory.counters)
    const driver = makeDriver(LAB, counters)
    const { network } = new Topology(driver, LAB)
    const ipvs = new Ipvs({ driver, network, clock, memory, seeds: [1, 2, 3], random: () => 0 })
    ipvs.restore([])
    const onFault = (error: unknown) => {
      throw error
    }
    this.engine = new Engine({ driver, pipeline: wrap(ipvs), clock, counters, onFault })
    this.counters = counters
    this.ipvs = ipvs
    this.driver = driver
    for (const [family, address, server] of [
      ['ipv4', VIP, SERVER],
      ['ipv6', VIP6, SERVER6],
    ] as const) {
      const key = { family, protocol: 'udp', address, port: 53 } as const
      const { admin } = ipvs
      admin.addService({
        ...{ key, scheduler: 'rr', schedulerFlags: [], persistence: null, onePacket: false },
      })
      admin.addDest(key, {
        ...{ address: server, port: 53, weight: 1, forwarding: 'masq', tunnel: null },
        ...{ upperThreshold: 0, lowerThreshold: 0 },
      })
    }
  }

  /** What comes out when these arrive at once. */
  burst(frames: readonly { port: number; frame: Uint8Array }[]): string[] {
    for (const { port, frame } of frames) this.driver.inject(port, frame)
    while (this.engine.breathe() > 0) this.clock.advance(1)
    const out = this.driver.sent.map(({ port, frame }) => `${port} ${frameHex(frame)}`)
    this.driver.sent.length = 0
    return out
  }
}

const frameHex = (frame: Uint8Array) => Buffer.from(frame).toString('hex')

t.test('bursts that were looked at ahead come out as without', async t => {
  const pick = seeded(t)
  let looked = 0
  const ahead = new Side(ipvs => ({
    handle: pkt => ipvs.handle(pkt),
    tick: nowMs => ipvs.tick(nowMs),
    expect: (burst, count) => {
      ipvs.expect(burst, count)
      looked += burst.slice(0, count).filter(pkt => pkt.parsed !== UNPARSED).length
    },
  }))
  const plain = new Side(ipvs => ({
    handle: (pkt: Packet) => ipvs.handle(pkt),
    tick: nowMs => ipvs.tick(nowMs),
  }))

  const fromClient = (i: number, six: boolean) => ({
    port: PORTS.client,
    frame: frame(
      six ? `2001:db8:1::${(i >> 12) + 1}` : `192.0.2.${1 + (i >> 12)}`,
      six ? VIP6 : VIP,
      1024 + (i & 0xfff),
      53,
    ),
  })
  const fromServer = (i: number, six: boolean) => ({
    port: PORTS.server,
    frame: frame(
      six ? SERVER6 : SERVER,
      six ? `2001:db8:1::${(i >> 12) + 1}` : `192.0.2.${1 + (i >> 12)}`,
      53,
      1024 + (i & 0xfff),
    ),
  })
  const malformed = (i: number) => {
    const { port, frame } = fromClient(i, false)
    // Somewhere in the IP header: a wrong checksum, version or length.
    frame[14 + pick(20)]! ^= 1 << pick(8)
    return { port, frame: pick(4) === 0 ? frame.subarray(0, 20) : frame }
  }
  for (let i = 0; i < CONNS; i += 50) {
    const opening = Array.from({ length: 50 }, (_, k) => fromClient(i + k, (i + k) % 2 === 1))
    t.strictSame(ahead.burst(opening), plain.burst(opening))
  }
  t.equal(ahead.ipvs.conns.records.size, CONNS)
  for (let n = 0; n < BURSTS; n++) {
    const frames = Array.from({ length: PER_BURST }, () => {
      const i = pick(CONNS * 1.1)
      const six = i % 2 === 1
      const kind = pick(10)
      return kind === 0 ? malformed(i) : kind < 5 ? fromServer(i, six) : fromClient(i, six)
    })
    const out = ahead.burst(frames)
    t.strictSame(out, plain.burst(frames), `burst ${n}`)
    t.ok(out.length > 0)
  }
  t.strictSame([...ahead.counters], [...plain.counters])
  t.ok(looked >= (BURSTS * PER_BURST) / 2, `${looked} packets were looked at ahead`)
})

function frame(src: string, dst: string, srcPort: number, dstPort: number): Uint8Array {
  const type = src.includes(':') ? [0x86, 0xdd] : [8, 0]
  const payload = Uint8Array.of(1, 2, 3)
  const ip = buildBytes({ src, dst, udp: { srcPort, dstPort, payload } })
  return Uint8Array.from([...ETHERNET, ...type, ...ip])
}
