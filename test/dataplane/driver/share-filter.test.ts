// The kernel runs the program: real frames, and which of several sockets is given them.
import t from 'tap'
import { openPacketRing, type PacketRing } from '../../../dataplane/driver/packet-ring.js'
import { COUNTER_NAMES } from '../../../dataplane/counters.js'
import {
  RANGES_MAX,
  rangesOf,
  shareProgram,
  type Share,
} from '../../../dataplane/driver/share-filter.js'
import type { Packet } from '../../../dataplane/packet.js'
import { addressKey, shardOf } from '../../../dataplane/shared/shard.js'
import { DescriptorLedger } from '../../../dataplane/sys/descriptors.js'
import { Namespace, veth } from '../../fixtures/netns.js'
import { PacketPeer } from '../../fixtures/packet-peer.js'
import { Random } from '../../fixtures/seed.js'

const WORKERS = 3
const ETHERTYPES = { 4: [0x08, 0x00], 6: [0x86, 0xdd] } as const
type Family = 4 | 6
type Words = readonly [number, number, number, number]

/** An address of that prefix: 198.51.100.N, 10.0.N, or the like in IPv6. */
const words = (family: Family, prefix: number, host: number): Words =>
  family === 4 ? [(prefix << 16) | host, 0, 0, 0] : [0x20010db8, prefix, 0x5eed, host]
const keyOf = (family: Family, w: Words) => addressKey(family, w[0], w[1], w[2], w[3])

function frame(family: Family, src: Words, dst: Words, id: number): Uint8Array {
  const octets = new Uint8Array(10 + 14 + (family === 4 ? 20 : 40) + 8)
  const v = new DataView(octets.buffer)
  octets.set([0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02, ...ETHERTYPES[family]], 10)
  const ip = 24
  if (family === 4) {
    v.setUint16(ip, 0x4500)
    v.setUint16(ip + 2, octets.length - ip)
    v.setUint16(ip + 8, 0x4011)
    v.setInt32(ip + 12, src[0])
    v.setInt32(ip + 16, dst[0])
  } else {
    v.setUint16(ip, 0x6000)
    v.setUint16(ip + 4, 8)
    v.setUint16(ip + 6, 0x1140)
    src.forEach((word, i) => v.setInt32(ip + 8 + 4 * i, word))
    dst.forEach((word, i) => v.setInt32(ip + 24 + 4 * i, word))
  }
  v.setUint32(octets.length - 4, id)
  return octets
}

/** Which worker got each frame, by the frame's number; a frame that two got is an error. */
function gather(rings: readonly PacketRing[], count: number): Map<number, number> {
  const got = new Map<number, number>()
  const burst: Packet[] = []
  for (let idle = 0; got.size < count && idle < 200_000; idle++) {
    for (const [worker, ring] of rings.entries()) {
      const n = ring.receive(burst, 256)
      for (const pkt of burst.slice(0, n)) {
        const id = pkt.view.getUint32(pkt.end - 4)
        if (got.has(id)) throw new Error(`frame ${id} came to ${got.get(id)} and ${worker}`)
        got.set(id, worker)
      }
      ring.flush()
      if (n > 0) idle = 0
    }
  }
  return got
}

t.test('each frame is given to exactly one worker, that of its client', async t => {
  const random = Random.of(t)
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  veth(
    { ns: here, name: 'p0', mac: '02:00:00:00:00:01', mtu: 1500 },
    { ns: peer, name: 'q0', mac: '02:00:00:00:00:02', mtu: 1500 },
  )
  for (const [ns, name] of [
    [here, 'p0'],
    [peer, 'q0'],
  ] as const)
    ns.sysctl(`net/ipv6/conf/${name}/disable_ipv6`, '1')
  const ledgers = Array.from({ length: WORKERS }, () => new DescriptorLedger())
  const none = { 4: [], 6: [] }
  const program = (index: number, sets: Pick<Share, 'virtual' | 'real'>) =>
    shareProgram({ index, count: WORKERS, ...sets })
  const rings = here.enter(() =>
    ledgers.map((ledger, index) => {
      const filter = program(index, { virtual: none, real: none })
      const counters = new Float64Array(COUNTER_NAMES.length)
      return openPacketRing(['p0'], counters, ledger, { slots: 1024, filter })
    }),
  )
  const python = await PacketPeer.start(peer, ['q0'])
  t.teardown(async () => {
    await python.stop()
    for (const ring of rings) ring.close()
    here.remove()
    peer.remove()
  })

  // With nothing configured, with a few addresses, with so many that ranges become coarse.
  for (const [virtualCount, realCount] of [
    [0, 0],
    [5, 20],
    [2000, 3000],
  ] as const) {
    const virtual = (family: Family, i: number) => words(family, 0xc633, (i * 7) & 0xffff)
    const real = (family: Family, i: number) => words(family, 0x0a00, i * 3 + 1)
    const list = (count: number, make: typeof real) => ({
      4: Array.from({ length: count }, (_, i) => keyOf(4, make(4, i))),
      6: Array.from({ length: count }, (_, i) => keyOf(6, make(6, i))),
    })
    const sets = { virtual: list(virtualCount, virtual), real: list(realCount, real) }
    const exact = virtualCount + realCount < RANGES_MAX / 2
    for (const [index, ring] of rings.entries()) {
      const instructions = program(index, sets)
      t.ok(instructions.length <= 4096, `${instructions.length} instructions`)
      ring.filter(instructions)
    }
    const expected: number[] = []
    const frames: Uint8Array[] = []
    for (let id = 0; id < 600; id++) {
      const family = random.pick([4, 6] as const)
      const client = words(family, 0xc000 + random.integer(0, 255), random.integer(1, 0xffff))
      const server = real(family, random.integer(0, Math.max(0, realCount - 1)))
      const service = virtual(family, random.integer(0, Math.max(0, virtualCount - 1)))
      const kind = random.pick(['in', 'out', 'server as client', 'other'] as const)
      const [src, dst] = {
        in: [client, service],
        out: [server, client],
        'server as client': [server, service],
        other: [client, words(family, 0xac10, id)],
      }[kind] as [Words, Words]
      frames.push(frame(family, src, dst, id))
      const end = kind === 'out' && realCount > 0 ? dst : src
      expected.push(shardOf(keyOf(family, end), WORKERS))
    }
    for (let i = 0; i < frames.length; i += 100) await python.send('q0', frames.slice(i, i + 100))
    const got = gather(rings, frames.length)
    t.equal(got.size, frames.length, 'none is lost')
    const wrong = expected.filter((worker, id) => got.get(id) !== worker).length
    t.equal(new Set(got.values()).size, WORKERS, 'every worker has some')
    if (exact) t.equal(wrong, 0, `${virtualCount} and ${realCount} addresses: the client's worker`)
    else t.ok(wrong < frames.length / 20, `coarse ranges misjudge few: ${wrong}`)
  }
})

t.test('ranges hold every key, and are no more than asked for', async t => {
  const random = Random.of(t)
  for (let run = 0; run < 200; run++) {
    const keys = Float64Array.from(
      new Set(Array.from({ length: random.integer(1, 300) }, () => random.integer(0, 5000))),
    ).sort()
    const most = random.integer(1, 40)
    const ranges = rangesOf(keys, most)
    if (ranges.length > most) t.fail(`${ranges.length} ranges instead of ${most}`)
    const holds = (key: number) => ranges.some(({ first, last }) => first <= key && key <= last)
    if (!keys.every(holds)) t.fail(`a key is missing: ${keys.join(' ')}`)
    if (ranges.some(({ first }, i) => i > 0 && first <= ranges[i - 1]!.last)) t.fail('they overlap')
  }
  t.strictSame(rangesOf(new Float64Array(), 5), [])
})
