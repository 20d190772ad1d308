import t from 'tap'
import { cutAsReceived, cutToMtu } from '../../dataplane/fragment.js'
import type { Packet } from '../../dataplane/packet.js'
import { parse } from '../../dataplane/parse.js'
import * as ipv4 from '../../dataplane/wire/ipv4.js'
import { build, copyOf, ipBytes, take, toHex, type PacketRecord } from '../fixtures/packets.js'
import { scapy } from '../fixtures/scapy.js'
import { Random } from '../fixtures/seed.js'

const V4 = { src: '192.0.2.9', dst: '198.51.100.1' }
const V6 = { src: '2001:db8::9', dst: '2001:db8::80' }
const data = Random.from(1).bytes(65_000)
const udp = (octets: number) => ({
  udp: { srcPort: 1, dstPort: 2, payload: data.slice(0, octets) },
})

function parsed(record: PacketRecord): Packet {
  const pkt = build(record)
  t.equal(parse(pkt), 0)
  return pkt
}

function toMtu(pkt: Packet, mtuOctets: number, id = 0): Packet[] {
  const pieces: Packet[] = []
  t.ok(cutToMtu(pkt, mtuOctets, id, take, piece => pieces.push(piece)))
  return pieces
}

/** Not `strictSame`: the difference of two long packets is no help to anybody. */
const same = (pieces: readonly Packet[], hex: readonly string[]) =>
  pieces.map(piece => toHex(ipBytes(piece))).join() === hex.join()

t.test('IPv4: the same fragments as scapy makes', async t => {
  const given = [
    [udp(4000), 1480],
    [udp(1473), 1480],
    [udp(20_000), 1400],
    [udp(5000), 552],
  ].map(([transport, room]) => {
    const pkt = parsed({ ...V4, id: 4711, ttl: 9, tos: 0x10, ...(transport as object) })
    return { pkt, room: room as number, hex: toHex(ipBytes(pkt)) }
  })
  const script = `
answer([[bytes(f).hex() for f in fragment(ip(g['hex']), fragsize=g['room'])] for g in given])`
  const answers = scapy(
    script,
    given.map(({ room, hex }) => ({ room, hex })),
  ) as string[][]
  for (const [i, { pkt, room }] of given.entries()) {
    t.ok(same(toMtu(pkt, room + 20), answers[i]!))
    // A few octets too many for another eight make no difference, unless the last piece needs them.
    if (pkt.end - pkt.l4 > room + 7) t.ok(same(toMtu(pkt, room + 27), answers[i]!))
  }
})

t.test('IPv6: the same fragments as scapy makes', async t => {
  const hopByHop = [{ protocol: 0, bytes: [0, 0, 5, 2, 0, 0, 1, 0] }]
  const options = [{ protocol: 60, bytes: [0, 0, 1, 4, 0, 0, 0, 0] }]
  const routing = [{ protocol: 43, bytes: [0, 2, 2, 0, ...new Array<number>(20).fill(7)] }]
  const records: PacketRecord[] = [
    { ...V6, ...udp(4000) },
    { ...V6, ttl: 3, tos: 9, flowLabel: 77, extensions: hopByHop, ...udp(3000) },
    { ...V6, extensions: options, ...udp(3000) },
    { ...V6, extensions: [...hopByHop, ...routing, ...options], ...udp(3000) },
  ]
  const packets = records.map(parsed)
  // scapy cuts where a Fragment header was put; where that is, is the question that RFC 8200 answers.
  const script = `
def cut(hexadecimal, index):
    p = ip(hexadecimal)
    last = p
    for _ in range(given['keep'][index]): last = last.payload
    rest = last.payload
    last.remove_payload()
    del last.nh
    return [bytes(f).hex() for f in fragment6(p / IPv6ExtHdrFragment(id=0x1234abcd) / rest, 1400)]
answer([cut(h, i) for i, h in enumerate(given['hex'])])`
  const hex = packets.map(pkt => toHex(ipBytes(pkt)))
  const answers = scapy(script, { hex, keep: [0, 1, 0, 2] }) as string[][]
  for (const [i, pkt] of packets.entries()) {
    t.ok(same(toMtu(pkt, 1400, 0x1234abcd), answers[i]!), `record ${i}`)
  }
})

t.test('DF is cleared, and a fragment of a fragment keeps its place', async t => {
  const whole = parsed({ ...V4, id: 1, df: true, ...udp(2992) })
  const pieces = toMtu(whole, 1500)
  t.notOk(pieces.some(piece => ipv4.dontFragment(piece.view, piece.l3)))
  const again = pieces.flatMap(piece => {
    const copy = copyOf(piece)
    parse(copy)
    return toMtu(copy, 576)
  })
  t.strictSame(
    again.map(piece => [piece.fragmentOffset, piece.end - piece.l4, piece.moreFragments]),
    [
      [0, 552, true],
      [552, 552, true],
      [1104, 376, true],
      [1480, 552, true],
      [2032, 552, true],
      [2584, 376, true],
      [2960, 40, false],
    ],
  )
  t.equal(
    again.map(piece => toHex(piece.bytes.slice(piece.l4, piece.end))).join(''),
    toHex(ipBytes(whole).slice(20)),
  )
})

t.test('options without the copy bit stay in the first fragment (RFC 791 section 3.1)', async t => {
  const options = [7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0]
  const pieces = toMtu(parsed({ ...V4, options, ...udp(3000) }), 1500)
  const seen = pieces.map(piece => toHex(piece.bytes.slice(piece.l3 + 20, piece.l3 + 32)))
  const first = '07070400000000' + '94040000' + '00'
  const later = '01010101010101' + '94040000' + '00'
  t.strictSame(seen, [first, later, later])
  for (const piece of pieces) t.equal(parse(copyOf(piece)), 0, 'a good header checksum')
})

t.test('at given sizes, and what is beyond them goes into the last', async t => {
  const sizes = (pkt: Packet, wanted: number[]) => {
    const pieces: Packet[] = []
    t.ok(cutAsReceived(pkt, wanted, 5, take, piece => pieces.push(piece)))
    return pieces.map(piece => [piece.fragmentOffset, piece.end - piece.l4, piece.moreFragments])
  }
  for (const base of [V4, V6]) {
    const pkt = parsed({ ...base, ...udp(992) })
    t.strictSame(sizes(pkt, [8, 800, 192]), [
      [0, 8, true],
      [8, 800, true],
      [808, 192, false],
    ])
    t.strictSame(sizes(pkt, [504, 96]), [
      [0, 504, true],
      [504, 496, false],
    ])
    t.strictSame(sizes(pkt, [504, 1000, 400]), [
      [0, 504, true],
      [504, 496, false],
    ])
  }
})

t.test('no room and no packets are told', async t => {
  const none = (): never => t.fail('nothing may be emitted') as never
  t.notOk(cutToMtu(parsed({ ...V4, ...udp(100) }), 27, 0, take, none))
  t.notOk(cutToMtu(parsed({ ...V6, ...udp(100) }), 55, 0, take, none))
  let left = 2
  const pieces: Packet[] = []
  const few = (octets: number) => (left-- > 0 ? take(octets) : null)
  t.notOk(cutToMtu(parsed({ ...V4, ...udp(1000) }), 128, 0, few, piece => pieces.push(piece)))
  t.equal(pieces.length, 2)
})

t.test(
  'the last fragment may use the room to the full (ip_do_fragment, semantics 7.2)',
  async t => {
    // MTU 1400: 1380 octets of payload in IPv4, 1352 in IPv6; a multiple of eight but for the last.
    const sizes = (base: PacketRecord, octets: number) =>
      toMtu(parsed({ ...base, ...udp(octets - 8) }), 1400).map(piece => piece.end - piece.l4)
    t.strictSame(sizes(V4, 1376 + 1380), [1376, 1380])
    t.strictSame(sizes(V4, 1376 + 1381), [1376, 1376, 5])
    t.strictSame(sizes(V6, 1352 + 1352), [1352, 1352])
    t.strictSame(sizes(V6, 1352 + 1353), [1352, 1352, 1])
  },
)
