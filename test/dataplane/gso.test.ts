import t from 'tap'
import { completeChecksum, segment, segmentOctets } from '../../dataplane/gso.js'
import type { Packet } from '../../dataplane/packet.js'
import { parse } from '../../dataplane/parse.js'
import * as checksum from '../../dataplane/wire/checksum.js'
import * as ipv4 from '../../dataplane/wire/ipv4.js'
import * as tcp from '../../dataplane/wire/tcp.js'
import * as virtioNet from '../../dataplane/wire/virtio-net.js'
import { build, ipBytes, take, toHex, type PacketRecord } from '../fixtures/packets.js'
import { scapy } from '../fixtures/scapy.js'
import { Random } from '../fixtures/seed.js'

const V4 = { src: '192.0.2.9', dst: '198.51.100.1' }
const V6 = { src: '2001:db8::9', dst: '2001:db8::80' }
const TIMESTAMPS = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]

/** A parsed offload frame as the kernel hands it over: partial checksum and all. */
function offload(record: PacketRecord, gsoType: number, gsoSize: number): Packet {
  const pkt = build(record)
  t.equal(parse(pkt), 0)
  const { view, l2, l3, l4, end, flow } = pkt
  const offset = flow.protocol === 6 ? 16 : 6
  virtioNet.setFlags(view, l2 - 10, virtioNet.NEEDS_CSUM)
  virtioNet.setGsoType(view, l2 - 10, gsoType)
  virtioNet.setGsoSize(view, l2 - 10, gsoSize)
  virtioNet.setCsumStart(view, l2 - 10, l4 - l2)
  virtioNet.setCsumOffset(view, l2 - 10, offset)
  view.setUint16(l4 + offset, checksum.pseudo(view, l3, flow.protocol, end - l4))
  return pkt
}

function cut(pkt: Packet): Packet[] {
  const pieces: Packet[] = []
  t.ok(segment(pkt, take, piece => pieces.push(piece)))
  return pieces
}

/** What the segments have to be: built whole, one by one, by code that is not ours to test. */
function expected(record: PacketRecord, gsoSize: number): string[] {
  const payload = (record.tcp ?? record.udp)?.payload ?? new Uint8Array()
  const { flags = '', seq = 0 } = record.tcp ?? {}
  const count = Math.ceil(payload.length / gsoSize)
  return Array.from({ length: count }, (_, i) => {
    const part = payload.slice(i * gsoSize, (i + 1) * gsoSize)
    const last = i === count - 1
    const kept = [...flags].filter(letter => {
      if (letter === 'F' || letter === 'P') return last
      return letter !== 'W' || i === 0
    })
    const one: PacketRecord = { ...record, id: (record.id ?? 0) + i }
    if (record.tcp) {
      one.tcp = { ...record.tcp, payload: part, seq: (seq + i * gsoSize) | 0, flags: kept.join('') }
    }
    if (record.udp) one.udp = { ...record.udp, payload: part }
    return toHex(ipBytes(build(one)))
  })
}

const random = Random.of(t)
const data = random.bytes(20_001)
const cases: readonly [name: string, gsoType: number, gsoSize: number, record: PacketRecord][] = [
  [
    'TCP over IPv4',
    virtioNet.GSO_TCPV4,
    1448,
    {
      ...V4,
      id: 0xfffd,
      df: true,
      tcp: { srcPort: 1, dstPort: 2, seq: -3000, flags: '.P', options: TIMESTAMPS, payload: data },
    },
  ],
  [
    'TCP over IPv4 with congestion signals and FIN',
    virtioNet.GSO_TCPV4 | virtioNet.GSO_ECN,
    1000,
    {
      ...V4,
      tos: 2,
      tcp: { srcPort: 1, dstPort: 2, flags: 'FP.EW', payload: data.slice(0, 3000) },
    },
  ],
  [
    'TCP over IPv4 with IP options',
    virtioNet.GSO_TCPV4,
    536,
    {
      ...V4,
      options: [148, 4, 0, 0],
      tcp: { srcPort: 1, dstPort: 2, flags: '.', payload: data.slice(0, 2000) },
    },
  ],
  [
    'TCP over IPv6',
    virtioNet.GSO_TCPV6,
    1428,
    {
      ...V6,
      flowLabel: 5,
      tcp: { srcPort: 1, dstPort: 2, seq: 7, flags: 'P.', options: TIMESTAMPS, payload: data },
    },
  ],
  [
    'TCP over IPv6 with destination options',
    virtioNet.GSO_TCPV6,
    1000,
    {
      ...V6,
      extensions: [{ protocol: 60, bytes: [0, 0, 1, 4, 0, 0, 0, 0] }],
      tcp: { srcPort: 1, dstPort: 2, flags: '.', payload: data.slice(0, 2500) },
    },
  ],
  [
    'UDP over IPv4',
    virtioNet.GSO_UDP_L4,
    1200,
    { ...V4, id: 9, udp: { srcPort: 1, dstPort: 2, payload: data } },
  ],
  [
    'UDP over IPv6',
    virtioNet.GSO_UDP_L4,
    1232,
    { ...V6, udp: { srcPort: 1, dstPort: 2, payload: data } },
  ],
  [
    'one octet a segment',
    virtioNet.GSO_TCPV4,
    1,
    { ...V4, tcp: { srcPort: 1, dstPort: 2, flags: '.', payload: data.slice(0, 5) } },
  ],
  [
    'everything in one segment',
    virtioNet.GSO_TCPV4,
    1448,
    { ...V4, tcp: { srcPort: 1, dstPort: 2, flags: 'P.', payload: data.slice(0, 1448) } },
  ],
]

const all: string[] = []
for (const [name, gsoType, gsoSize, record] of cases) {
  t.test(
    `${name}: each segment is the packet that would have been sent without offload`,
    async t => {
      const frame = offload(record, gsoType, gsoSize)
      const largest = segmentOctets(frame)
      const pieces = cut(frame)
      const hex = pieces.map(piece => toHex(ipBytes(piece)))
      t.strictSame(hex, expected(record, gsoSize))
      t.equal(Math.max(...pieces.map(piece => piece.end - piece.l3)), largest)
      for (const piece of pieces) {
        t.strictSame({ ...piece.flow }, { ...frame.flow })
        t.equal(piece.l4 - piece.l3, frame.l4 - frame.l3)
        t.notOk(virtioNet.isGso(piece.view, piece.l2 - 10))
        t.notOk(virtioNet.needsChecksum(piece.view, piece.l2 - 10))
      }
      all.push(...hex)
    },
  )
}

t.test('scapy computes the same lengths and checksums for every segment', async t => {
  const script = `
def again(hexadecimal):
    p = ip(hexadecimal)
    for layer in (IP, TCP, UDP, IPv6):
        if layer in p:
            for field in ('len', 'chksum', 'plen'):
                if field in p[layer].fields: del p[layer].fields[field]
    return bytes(p).hex()
answer([again(h) for h in given])`
  t.ok(all.length > 50)
  t.strictSame(scapy(script, all), all)
})

t.test('random frames: payloads add up and every checksum is right', async t => {
  for (let i = 0; i < 60; i++) {
    const payload = random.bytes(random.integer(1, 9000))
    const gsoSize = random.integer(100, 3000)
    const base = random.boolean() ? V4 : V6
    const isTcp = random.boolean()
    const transport = isTcp
      ? { tcp: { srcPort: 1, dstPort: 2, seq: random.word(), flags: '.', payload } }
      : { udp: { srcPort: 1, dstPort: 2, payload } }
    const type = isTcp ? (base === V4 ? 1 : 4) : virtioNet.GSO_UDP_L4
    const pieces = cut(offload({ ...base, ...transport }, type, gsoSize))
    const header = isTcp ? 20 : 8
    const parts = pieces.map(piece => toHex(piece.bytes.slice(piece.l4 + header, piece.end)))
    if (parts.join('') !== toHex(payload)) t.fail('payload differs')
    for (const piece of pieces) {
      if (!checksum.isTransportGood(piece)) t.fail('bad transport checksum')
      if (piece.flow.family === 4 && !checksum.isGood(piece.view, piece.l3, piece.l4))
        t.fail('bad header')
    }
  }
})

t.test('nonsense is refused, and a lack of packets is told', async t => {
  const record: PacketRecord = { ...V4, tcp: { srcPort: 1, dstPort: 2, payload: data } }
  const none = (): never => t.fail('nothing may be emitted') as never
  t.notOk(segment(offload(record, virtioNet.GSO_TCPV4, 0), take, none), 'gsoSize 0')
  const short = offload(record, virtioNet.GSO_TCPV4, 1448)
  tcp.setOffsetFlags(short.view, short.l4, 0x4010)
  t.notOk(segment(short, take, none), 'data offset 4')
  const long = offload({ ...V4, tcp: { srcPort: 1, dstPort: 2 } }, virtioNet.GSO_TCPV4, 1448)
  tcp.setOffsetFlags(long.view, long.l4, 0xf010)
  t.notOk(segment(long, take, none), 'header beyond the packet')
  let left = 3
  const pieces: Packet[] = []
  const few = (octets: number) => (left-- > 0 ? take(octets) : null)
  t.notOk(segment(offload(record, virtioNet.GSO_TCPV4, 1448), few, p => pieces.push(p)))
  t.equal(pieces.length, 3)
})

t.test('UFO frames become IP fragments of one datagram', async t => {
  const record: PacketRecord = {
    ...V4,
    id: 7,
    udp: { srcPort: 1, dstPort: 2, payload: data.slice(0, 4000) },
  }
  const frame = offload(record, virtioNet.GSO_UDP, 1480)
  t.equal(segmentOctets(frame), 1500)
  const pieces = cut(frame)
  t.strictSame(
    pieces.map(p => ipv4.flagsOffset(p.view, p.l3)),
    [ipv4.MF, ipv4.MF | 185, 370],
  )
  const joined = pieces.map(p => toHex(p.bytes.slice(p.l3 + 20, p.end))).join('')
  t.equal(joined, toHex(ipBytes(build(record)).slice(20)))
})

t.test('a partial checksum of a plain frame is completed', async t => {
  const record: PacketRecord = { ...V6, udp: { srcPort: 1, dstPort: 2, payload: data.slice(0, 7) } }
  const frame = offload(record, virtioNet.GSO_NONE, 0)
  t.ok(completeChecksum(frame))
  t.equal(toHex(ipBytes(frame)), toHex(ipBytes(build(record))))
})
