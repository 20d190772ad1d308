// VS/NAT there and back. The fixture's builder makes the expected packet from its record with
// checksum code of its own, so an update that is wrong by one shows.
import t from 'tap'
import { parse } from '../../../../dataplane/parse.js'
import { IPV4, IPV6, type Packet } from '../../../../dataplane/packet.js'
import {
  C0,
  D0,
  D1,
  DPORT,
  PORTS,
  V0,
  V1,
  WORDS,
} from '../../../../dataplane/shared/conn-record.js'
import * as address from '../../../../dataplane/wire/address.js'
import * as checksum from '../../../../dataplane/wire/checksum.js'
import * as virtioNet from '../../../../dataplane/wire/virtio-net.js'
import { dnat, snat } from '../../../../dataplane/ipvs/xmit/nat.js'
import { build, ipBytes, toHex, type PacketRecord } from '../../../fixtures/packets.js'
import { Random } from '../../../fixtures/seed.js'

const CONN = 9

interface Ends {
  client: string
  cport: number
  vip: string
  vport: number
  server: string
  dport: number
}

function record(ends: Ends): Int32Array {
  const words = new Int32Array((CONN + 1) * WORDS)
  const at = CONN * WORDS
  const put = (text: string, first: number, rest: number) => {
    const a = address.parse(text)!
    words[at + first] = a.w0
    words.set([a.w1, a.w2, a.w3], at + rest)
  }
  put(ends.vip, V0, V1)
  put(ends.server, D0, D1)
  words[at + C0] = 0
  words[at + PORTS] = (ends.cport << 16) | ends.vport
  words[at + DPORT] = ends.dport
  return words
}

function parsed(pkt: Packet): Packet {
  t.equal(parse(pkt), 0, 'the packet is sane')
  return pkt
}

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const
type Name = (typeof PROTOCOLS)[number]

function packet(
  protocol: Name,
  [src, srcPort]: [string, number],
  [dst, dstPort]: [string, number],
  payload: Uint8Array,
): PacketRecord {
  const ports = { srcPort, dstPort }
  if (protocol === 'tcp') return { src, dst, tcp: { ...ports, flags: '.', payload } }
  if (protocol === 'udp') return { src, dst, udp: { ...ports, payload } }
  return { src, dst, sctp: { ...ports, chunks: [{ type: 0, value: payload }] } }
}

const ends4: Ends = {
  ...{ client: '192.0.2.9', cport: 31337, vip: '198.51.100.1', vport: 80 },
  ...{ server: '10.0.0.1', dport: 8080 },
}
const ends6: Ends = {
  ...{ client: '2001:db8:1::9', cport: 31337, vip: '2001:db8:f::1', vport: 80 },
  ...{ server: '2001:db8:2::1', dport: 8080 },
}

for (const protocol of PROTOCOLS) {
  for (const e of [ends4, ends6]) {
    t.test(`${protocol} from ${e.client}`, async t => {
      const payload = new TextEncoder().encode('odd bytes')
      const words = record(e)
      const inward = parsed(build(packet(protocol, [e.client, e.cport], [e.vip, e.vport], payload)))
      dnat(inward, words, CONN)
      const atServer = build(packet(protocol, [e.client, e.cport], [e.server, e.dport], payload))
      t.equal(toHex(ipBytes(inward)), toHex(ipBytes(atServer)), 'as if sent to the real server')
      const outward = parsed(
        build(packet(protocol, [e.server, e.dport], [e.client, e.cport], payload)),
      )
      snat(outward, words, CONN)
      const atClient = build(packet(protocol, [e.vip, e.vport], [e.client, e.cport], payload))
      t.equal(toHex(ipBytes(outward)), toHex(ipBytes(atClient)), 'as if sent by the virtual server')
    })
  }
}

t.test('a wrong checksum stays wrong by the same amount', async t => {
  const words = record(ends4)
  const e = ends4
  for (const [protocol, at] of [
    ['tcp', 16],
    ['udp', 6],
  ] as const) {
    const make = (to: [string, number]) =>
      parsed(build(packet(protocol, [e.client, e.cport], to, new Uint8Array(3))))
    const pkt = make([e.vip, e.vport])
    const right = make([e.server, e.dport])
    const before = pkt.view.getUint16(pkt.l4 + at)
    pkt.view.setUint16(pkt.l4 + at, before ^ 0x0100)
    dnat(pkt, words, CONN)
    const difference = (value: number, from: number) => (value - from + 0x1fffe) % 0xffff
    t.equal(
      difference(pkt.view.getUint16(pkt.l4 + at), right.view.getUint16(right.l4 + at)),
      difference(before ^ 0x0100, before),
    )
  }
})

t.test('a UDP checksum of zero is replaced by a full one (golden nat_udp)', async t => {
  const e = ends4
  const pkt = parsed(
    build({
      ...{ src: e.client, dst: e.vip },
      udp: { srcPort: e.cport, dstPort: e.vport, checksum: false, payload: new Uint8Array(5) },
    }),
  )
  dnat(pkt, record(e), CONN)
  const expected = build(packet('udp', [e.client, e.cport], [e.server, e.dport], new Uint8Array(5)))
  t.equal(toHex(ipBytes(pkt)), toHex(ipBytes(expected)))
})

t.test('partial checksums, random packets there and back', async t => {
  const random = Random.of(t)
  for (let i = 0; i < 400; i++) {
    const ipv6 = random.boolean()
    const host = () =>
      ipv6
        ? `2001:db8:${random.integer(1, 0xffff).toString(16)}::${random.integer(1, 0xffff).toString(16)}`
        : `10.${random.integer(0, 255)}.${random.integer(0, 255)}.${random.integer(1, 254)}`
    const e: Ends = {
      ...{ client: host(), cport: random.integer(1, 65535), vip: host() },
      ...{ vport: random.integer(1, 65535), server: host(), dport: random.integer(1, 65535) },
    }
    const protocol = random.pick(['tcp', 'udp'] as const)
    const payload = random.bytes(random.integer(0, 60))
    const pkt = parsed(build(packet(protocol, [e.client, e.cport], [e.vip, e.vport], payload)))
    const field = pkt.l4 + (protocol === 'tcp' ? 16 : 6)
    const at = pkt.l2 - virtioNet.LENGTH
    if (random.boolean()) {
      // What a sender with checksum offload leaves: the pseudo-header's sum.
      virtioNet.setFlags(pkt.view, at, virtioNet.NEEDS_CSUM)
      virtioNet.setCsumStart(pkt.view, at, pkt.l4 - pkt.l2)
      virtioNet.setCsumOffset(pkt.view, at, field - pkt.l4)
      const octets = pkt.end - pkt.l4
      pkt.view.setUint16(field, checksum.pseudo(pkt.view, pkt.l3, pkt.flow.protocol, octets))
    }
    const words = record(e)
    dnat(pkt, words, CONN)
    checksum.complete(pkt)
    const expected = build(packet(protocol, [e.client, e.cport], [e.server, e.dport], payload))
    if (toHex(ipBytes(pkt)) !== toHex(ipBytes(expected))) {
      t.equal(toHex(ipBytes(pkt)), toHex(ipBytes(expected)), JSON.stringify(e))
      return
    }
    t.equal(pkt.flow.family, ipv6 ? IPV6 : IPV4)
  }
})
