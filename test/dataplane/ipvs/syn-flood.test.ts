/**
 * A flood of SYNs, each from another source, against an engine with established connections: they
 * go on, a new client gets through, and memory does not grow. `SOURCES=1000000` for the full size.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Counter } from '../../../dataplane/counters.js'
import { buildBytes } from '../../fixtures/packets.js'
import { Director } from '../../golden/director.js'
import { readHeaders } from '../../golden/headers.js'
import { makeDriver } from '../../golden/topology.js'

const SOURCES = Number(process.env['SOURCES'] ?? 60_000)
/** Much less than sources, so that the table is full for most of the flood. */
const CONNS_MAX = 16_384
const ESTABLISHED = 200
const VIP = '10.0.0.100'
const SERVER = '192.168.10.11'
/** New sources in a second of the flood. */
const PER_SECOND = 10_000
/** Far less than a word for each source, at full size. */
const GROWTH_MAX_OCTETS = 2 ** 20

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const LAB = { vips: [VIP], vips6: [], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 }

class Victim {
  readonly director = new Director(LAB, makeDriver, { connsMax: CONNS_MAX })

  async setUp(options: string): Promise<void> {
    await this.director.command(`ipvsadm -A -t ${VIP}:80 -s wlc ${options}`)
    await this.director.command(`ipvsadm -a -t ${VIP}:80 -r ${SERVER}:80 -m`)
  }

  /** What came out, as `server` or `client`; '' for nothing. */
  client(src: string, srcPort: number, flags: string): string {
    return this.#inject('client', { src, dst: VIP, tcp: { srcPort, dstPort: 80, flags } })
  }
  server(dst: string, dstPort: number, flags: string): string {
    return this.#inject('server', { src: SERVER, dst, tcp: { srcPort: 80, dstPort, flags } })
  }
  #inject(wire: 'client' | 'server', record: Parameters<typeof buildBytes>[0]): string {
    this.director.inject(wire, buildBytes(record))
    return this.director
      .take()
      .filter(f => readHeaders(f.ip)?.protocol === 6)
      .map(f => f.port)
      .join()
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
    const ip = buildBytes({
      src: '11.0.0.0',
      dst: VIP,
      tcp: { srcPort: 1024, dstPort: 80, flags: 'S' },
    })
    const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength)
    const sum = view.getUint16(10)
    for (let i = from; i < from + count; i++) {
      view.setUint32(12, 0x0b000000 + i)
      view.setUint16(10, minus(sum, i >>> 16, i & 0xffff))
      this.director.inject('client', ip)
      this.director.take()
      if (i % (PER_SECOND / 100) === 0) this.director.advanceTo(this.director.nowMs + 10)
    }
  }
}

/** The IP header checksum when two of its words grow: RFC 1624 without its corner case 0xffff. */
function minus(sum: number, ...words: number[]): number {
  let left = sum
  for (const word of words) left = left >= word ? left - word : left - word + 0xffff
  return left
}

for (const [name, options] of [
  ['a plain service', ''],
  ['a persistent service: two entries for a source', '-p 300'],
] as const) {
  t.test(name, async t => {
    const victim = new Victim()
    const { director } = victim
    const { counters, ipvs } = director
    await victim.setUp(options)
    for (const mode of ['drop_entry', 'secure_tcp']) director.sysctl(mode, '1')
    director.advanceTo(1500)
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

    victim.flood(first, SOURCES - first)
    t.equal(victim.alive(), ESTABLISHED, 'and go on working')
    gc()
    const after = process.memoryUsage()
    const growth = after.heapUsed + after.external - before.heapUsed - before.external
    t.comment(`${SOURCES - first} sources later: ${growth} octets more, rss ${after.rss >> 20} MiB`)
    t.ok(growth < GROWTH_MAX_OCTETS, 'memory is flat')
    t.ok(counters[Counter.defenceDropEntry]! > 0)

    // Right after a drop there is room: somebody new gets through within a few tries.
    let tries = 0
    let through = false
    while (!through && tries < 20) {
      tries++
      director.advanceTo(director.nowMs + 500)
      through = victim.connect('192.0.2.250', 30_000 + tries)
    }
    t.ok(through, `a new client connected at try ${tries}`)

    director.advanceTo(director.nowMs + 130_000)
    t.equal(ipvs.settings.dropEntry, 1, 'the defence stands down')
    t.notOk(ipvs.protocols.tcp.secure)
    t.equal(victim.alive(), ESTABLISHED)
  })
}
