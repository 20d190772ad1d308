import t from 'tap'
import { COUNTER_NAMES, type CounterName } from '../../dataplane/counters.js'
import { cutAsReceived, cutToMtu } from '../../dataplane/fragment.js'
import type { Packet } from '../../dataplane/packet.js'
import { parse } from '../../dataplane/parse.js'
import { Reassembler } from '../../dataplane/reassembly.js'
import {
  build,
  copyOf,
  ipBytes,
  onesComplement,
  take,
  toHex,
  type PacketRecord,
} from '../fixtures/packets.js'
import { Random } from '../fixtures/seed.js'

const V4 = { src: '192.0.2.9', dst: '198.51.100.1' }
const V6 = { src: '2001:db8::9', dst: '2001:db8::80' }
const data = Random.from(2).bytes(65_000)
const udp = (octets: number) => ({
  udp: { srcPort: 7, dstPort: 53, payload: data.slice(0, octets) },
})

function fixture(octetsMax?: number) {
  const counters = new Float64Array(COUNTER_NAMES.length)
  const options = octetsMax === undefined ? {} : { octetsMax }
  const reassembler = new Reassembler(counters, { seed: 12345, ...options })
  const counted = () =>
    Object.fromEntries(
      COUNTER_NAMES.map((name, i) => [name, counters[i]!]).filter(([, n]) => n !== 0),
    ) as Partial<Record<CounterName, number>>
  return { reassembler, counted }
}

function parsed(pkt: Packet): Packet {
  t.equal(parse(pkt), 0)
  return pkt
}

/** The datagram in fragments, each in memory of its own and parsed. */
function pieces(record: PacketRecord, cut: number | number[], id = 99): Packet[] {
  const whole = parsed(build(record))
  const list: Packet[] = []
  const emit = (piece: Packet) => list.push(parsed(copyOf(piece)))
  if (typeof cut === 'number') t.ok(cutToMtu(whole, cut, id, take, emit))
  else t.ok(cutAsReceived(whole, cut, id, take, emit))
  return list
}

const octetsOf = (pkt: Packet) => pkt.end - pkt.l3

t.test('cut and put together in any order is the identity', async t => {
  const random = Random.of(t)
  const { reassembler, counted } = fixture()
  const rounds = 60
  for (let i = 0; i < rounds; i++) {
    const isIpv6 = random.boolean()
    const extensions =
      isIpv6 && random.boolean() ? [{ protocol: 60, bytes: [0, 0, 1, 4, 0, 0, 0, 0] }] : []
    const options = !isIpv6 && random.boolean() ? [148, 4, 0, 0] : []
    const octets = i === 0 ? 65_000 : random.integer(2000, 30_000)
    const record: PacketRecord = {
      ...(isIpv6 ? V6 : V4),
      id: i,
      options,
      extensions,
      ...udp(octets),
    }
    // Two pieces at least: an IPv6 fragment that is all of its datagram is parsed as the datagram.
    const list = random.shuffle(pieces(record, random.integer(600, Math.min(octets, 9000)), i))
    for (const [n, piece] of list.entries()) {
      const whole = reassembler.add(piece, 0)
      if (n < list.length - 1) {
        if (whole !== null) t.fail('too early')
        continue
      }
      if (whole === null) t.fail(`round ${i} came to nothing`)
      else {
        if (toHex(ipBytes(whole)) !== toHex(ipBytes(build(record)))) t.fail(`round ${i} differs`)
        if (whole.flow.dstPort !== 53 || whole.fragmentOffset !== 0 || whole.moreFragments)
          t.fail('not parsed')
        const sorted = [...list].sort((a, b) => a.fragmentOffset - b.fragmentOffset)
        const header = isIpv6 ? 48 : 20 + options.length
        t.strictSame(
          whole.pieces?.sizes,
          sorted.map(p => octetsOf(p) - header),
        )
        t.equal(whole.pieces?.largestOctets, Math.max(...list.map(octetsOf)))
      }
    }
  }
  t.strictSame(counted(), {}, 'nothing was dropped')
  t.equal(reassembler.count, 0)
  t.equal(reassembler.octetsHeld, 0)
})

t.test('datagrams are told apart by addresses, identification and IPv4 protocol', async t => {
  const { reassembler } = fixture()
  const records: PacketRecord[] = [
    { ...V4, id: 1, ...udp(2000) },
    { ...V4, id: 2, ...udp(2001) },
    { ...V4, src: '192.0.2.10', id: 1, ...udp(2002) },
    { ...V4, dst: '198.51.100.2', id: 1, ...udp(2003) },
    { ...V4, id: 1, raw: { protocol: 47, bytes: data.slice(0, 2004) } },
    { ...V6, ...udp(2005) },
    { ...V6, src: '2001:db8::a', ...udp(2006) },
  ]
  const lists = records.map(record => pieces(record, 1500, 1))
  for (const list of lists) t.equal(reassembler.add(list[0]!, 0), null)
  t.equal(reassembler.count, records.length)
  for (const [i, list] of lists.entries()) {
    const whole = reassembler.add(list[1]!, 0)
    t.equal(toHex(ipBytes(whole!)), toHex(ipBytes(build(records[i]!))))
  }
})

t.test('duplicates are ignored, overlaps destroy the datagram (RFC 5722)', async t => {
  for (const base of [V4, V6]) {
    const record: PacketRecord = { ...base, id: 3, ...udp(2992) }
    const [a, b, c] = pieces(record, [1000, 1000, 1000]) as [Packet, Packet, Packet]
    const duplicates = fixture()
    for (const piece of [a, a, c, c]) t.equal(duplicates.reassembler.add(piece, 0), null)
    t.ok(duplicates.reassembler.add(b, 0))
    t.strictSame(duplicates.counted(), { fragmentDuplicate: 2 })

    const [, shifted] = pieces(record, [992, 1000, 1008]) as [Packet, Packet, Packet]
    const overlaps = fixture()
    overlaps.reassembler.add(a, 0)
    t.equal(overlaps.reassembler.add(shifted, 0), null)
    t.strictSame(overlaps.counted(), { reassemblyOverlap: 1 })
    t.equal(overlaps.reassembler.octetsHeld, 0)
    // What comes after it begins anew, and waits in vain.
    t.equal(overlaps.reassembler.add(b, 0), null)
    t.equal(overlaps.reassembler.add(c, 0), null)
    t.equal(overlaps.reassembler.count, 1)
  }
})

t.test('pieces that contradict the length destroy the datagram', async t => {
  const long = pieces({ ...V4, id: 3, ...udp(2992) }, [1000, 1000, 1000])
  const short = pieces({ ...V4, id: 3, ...udp(1992) }, [1000, 1000])
  for (const order of [
    [short[1]!, long[2]!],
    [long[2]!, short[1]!],
    [short[1]!, long[1]!, long[2]!],
  ]) {
    const { reassembler, counted } = fixture()
    for (const piece of order) t.equal(reassembler.add(piece, 0), null)
    t.equal(counted().reassemblyOverlap, 1)
    t.equal(reassembler.count, 0)
  }
})

t.test(
  'time runs out after 30 s for IPv4 and 60 s for IPv6, with the first fragment at hand',
  async t => {
    const { reassembler, counted } = fixture()
    const four = pieces({ ...V4, id: 1, ...udp(2000) }, 1500)
    const headless = pieces({ ...V4, id: 2, ...udp(2000) }, 1500)
    const six = pieces({ ...V6, ...udp(2000) }, 1500)
    reassembler.add(four[0]!, 1000)
    reassembler.add(headless[1]!, 2000)
    reassembler.add(six[0]!, 3000)
    const seen: (string | null)[] = []
    const expire = (nowMs: number) => {
      seen.length = 0
      reassembler.expire(nowMs, first => seen.push(first === null ? null : toHex(ipBytes(first))))
      return [...seen]
    }
    t.strictSame(expire(30_999), [])
    t.strictSame(expire(31_000), [toHex(ipBytes(four[0]!))])
    t.strictSame(expire(32_000), [null])
    t.strictSame(expire(62_999), [])
    t.strictSame(expire(63_000), [toHex(ipBytes(six[0]!))])
    t.strictSame(counted(), { reassemblyTimeout: 3 })
    t.equal(reassembler.octetsHeld, 0)
  },
)

t.test('memory is bounded, a flood from one source leaves room for others', async t => {
  const limit = 1 << 20
  const { reassembler, counted } = fixture(limit)
  const patient = pieces({ ...V4, id: 1, ...udp(2000) }, 1500)
  reassembler.add(patient[0]!, 0)
  const flood = (src: string, id: number) => pieces({ ...V4, src, id, ...udp(1600) }, 1500)[0]!
  for (let id = 0; id < 600; id++) reassembler.add(flood('192.0.2.66', id), id)
  t.ok(reassembler.octetsHeld <= limit / 4 + 2048, `one source holds ${reassembler.octetsHeld}`)
  t.equal(counted().reassemblyFull, 600 - limit / 4 / 2048)
  t.ok(reassembler.add(patient[1]!, 600), 'the patient datagram was not touched')
  for (let id = 0; id < 1000; id++) reassembler.add(flood(`192.0.2.${id & 127}`, id), id)
  t.ok(reassembler.octetsHeld <= limit)
  // 600 and 1000 datagrams of one fragment each: whatever is not held was counted.
  t.equal(1600 - counted().reassemblyFull!, reassembler.count)
})

/** A piece made by hand: 8-octet units of offset, and whether more follows. */
function piece4(id: number, units: number, more: boolean, octets: number, options: number[] = []) {
  const raw = { protocol: 47, bytes: data.slice(0, octets) }
  const pkt = build({ ...V4, id, options, raw })
  pkt.view.setUint16(pkt.l3 + 6, units | (more ? 0x2000 : 0))
  pkt.view.setUint16(pkt.l3 + 10, 0)
  const header = pkt.bytes.subarray(pkt.l3, pkt.l3 + 20 + options.length)
  pkt.view.setUint16(pkt.l3 + 10, onesComplement(header))
  return parsed(pkt)
}

t.test('a datagram of more than 65535 octets is refused', async t => {
  // Each piece fits; with the first one's 40 octets of options the whole may be too long.
  const { reassembler, counted } = fixture()
  const nops = new Array<number>(40).fill(1)
  const put = (id: number, lastOctets: number) => {
    t.equal(reassembler.add(piece4(id, 0, true, 32_000, nops), 0), null)
    t.equal(reassembler.add(piece4(id, 4000, true, 33_000), 0), null)
    return reassembler.add(piece4(id, 8125, false, lastOctets), 0)
  }
  const whole = put(1, 475)
  t.equal(whole && octetsOf(whole), 65_535)
  t.equal(put(2, 476), null)
  t.equal(put(3, 479), null)
  t.equal(counted().badIpHeader, 2)
  t.equal(reassembler.count, 0)
})

t.test(
  'congestion marks are merged, DF comes back (RFC 3168 section 5.3, ip_frag_reasm)',
  async t => {
    const run = (tos: readonly number[], df = 0) => {
      const { reassembler } = fixture()
      const list = pieces({ ...V4, id: 1, ...udp(2984) }, [1000, 1000, 992])
      let whole: Packet | null = null
      for (const [i, piece] of list.entries()) {
        const from = piece.view.getUint16(piece.l3)
        piece.view.setUint8(piece.l3 + 1, tos[i]!)
        piece.view.setUint16(piece.l3 + 6, piece.view.getUint16(piece.l3 + 6) | df)
        const check = piece.view.getUint16(piece.l3 + 10)
        const fixed = ~((~check & 0xffff) + piece.view.getUint16(piece.l3) - from + df)
        piece.view.setUint16(piece.l3 + 10, fixed)
        whole = reassembler.add(parsed(piece), 0)
      }
      if (whole === null) return null
      t.equal(whole.pieces!.dontFragment, df !== 0)
      return [whole.view.getUint8(whole.l3 + 1), whole.view.getUint16(whole.l3 + 6)]
    }
    t.strictSame(run([0x10, 0x10, 0x10]), [0x10, 0])
    t.strictSame(run([2, 3, 2]), [3, 0])
    t.strictSame(run([1, 1, 3]), [3, 0])
    t.strictSame(run([2, 1, 2]), [2, 0])
    t.equal(run([0, 3, 0]), null)
    t.strictSame(run([0, 0, 0], 0x4000), [0, 0x4000])
  },
)
