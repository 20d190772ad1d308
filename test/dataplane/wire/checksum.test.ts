import t from 'tap'
import * as checksum from '../../../dataplane/wire/checksum.js'
import * as sctp from '../../../dataplane/wire/sctp.js'
import * as virtioNet from '../../../dataplane/wire/virtio-net.js'
import { parse } from '../../../dataplane/parse.js'
import type { Packet } from '../../../dataplane/packet.js'
import { build, fromHex, onesComplement, packetOf, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'
import { Random } from '../../fixtures/seed.js'

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const CHECKSUM_AT: Record<number, number> = { 6: 16, 17: 6, 58: 2, 132: 8 }

/** Leaves to others what a sender with checksum offload leaves: the pseudo-header's sum. */
function makePartial(pkt: Packet): void {
  const { view, l2, l3, l4, end, flow } = pkt
  const offset = CHECKSUM_AT[flow.protocol]!
  virtioNet.setFlags(view, l2 - 10, virtioNet.NEEDS_CSUM)
  virtioNet.setCsumStart(view, l2 - 10, l4 - l2)
  virtioNet.setCsumOffset(view, l2 - 10, offset)
  if (flow.protocol === 132) view.setUint32(l4 + 8, 0)
  else view.setUint16(l4 + offset, checksum.pseudo(view, l3, flow.protocol, end - l4))
}

t.test('the example of RFC 1071 section 3', async t => {
  const v = viewOf(fromHex('0001f203f4f5f6f7'))
  t.equal(checksum.sum(v, 0, 8), 0xddf2)
  t.equal(checksum.compute(v, 0, 8), 0x220d)
})

t.test('the example of RFC 1624 section 4, which equation 2 gets wrong', async t => {
  t.equal(checksum.update16(0xdd2f, 0x5555, 0x3285), 0x0000)
})

t.test('sums equal the word-by-word sum, at any length and alignment', async t => {
  const random = Random.of(t)
  const bytes = random.bytes(70_000)
  for (let i = 0; i < 300; i++) {
    const at = random.integer(0, 40)
    const end = at + (i < 100 ? i : random.integer(0, 69_000))
    const expected = ~onesComplement(bytes.subarray(at, end)) & 0xffff
    if (checksum.sum(viewOf(bytes), at, end) !== expected) t.fail(`[${at}, ${end})`)
  }
  bytes.fill(0xff)
  t.equal(checksum.sum(viewOf(bytes), 0, 70_000), 0xffff, 'the largest sum does not overflow')
})

t.test('packets of scapy verify, and not when one bit is off', async t => {
  for (const hex of [
    SCAPY.TCP4,
    SCAPY.TCP4_OPTIONS,
    SCAPY.UDP4,
    SCAPY.TCP6,
    SCAPY.UDP6,
    SCAPY.UDP6_EXTENSIONS,
    SCAPY.ICMPV6_TOO_BIG,
  ]) {
    const pkt = packetOf(fromHex(hex))
    t.equal(parse(pkt), 0)
    t.ok(checksum.isTransportGood(pkt))
    if (pkt.flow.family === 4) t.ok(checksum.isGood(pkt.view, pkt.l3, pkt.l4))
    pkt.view.setUint8(pkt.l4 + 1, pkt.view.getUint8(pkt.l4 + 1) ^ 4)
    t.notOk(checksum.isTransportGood(pkt))
  }
  const v = viewOf(fromHex(SCAPY.TCP4))
  t.equal(checksum.computeIpv4(v, 0), v.getUint16(10))
})

t.test('incremental updates equal the full recomputation', async t => {
  const random = Random.of(t)
  for (let i = 0; i < 2000; i++) {
    const bytes = random.bytes(24)
    const v = viewOf(bytes)
    // A header without any bit set has two representations of its sum; real ones have some.
    v.setUint8(0, 0x45)
    const before = checksum.compute(v, 0, 24)
    const a = v.getInt32(4)
    const b = v.getUint16(8)
    const toA = random.pick([random.word(), 0, -1])
    const toB = random.integer(0, 0xffff)
    v.setInt32(4, toA)
    v.setUint16(8, toB)
    const expected = checksum.compute(v, 0, 24)
    const change = checksum.change32(a, toA) + checksum.change16(b, toB)
    if (checksum.apply(before, change) !== expected) t.fail(`${toHex(bytes)} ${a} ${b}`)
    const stepwise = checksum.update16(checksum.update32(before, a, toA), b, toB)
    if (stepwise !== expected) t.fail(`${toHex(bytes)} ${a} ${b} stepwise`)
  }
})

t.test('updating a partial checksum and completing it equals completing and updating', async t => {
  const random = Random.of(t)
  for (let i = 0; i < 300; i++) {
    const ports = { srcPort: random.integer(1, 65535), dstPort: 80 }
    const payload = random.bytes(random.integer(0, 99))
    const isIpv6 = random.boolean()
    const from = isIpv6 ? '2001:db8::9' : '192.0.2.9'
    const to = isIpv6 ? '2001:db8::80' : '198.51.100.1'
    const transport = random.boolean()
      ? { tcp: { ...ports, payload } }
      : { udp: { ...ports, payload } }
    const full = build({ src: from, dst: to, ...transport })
    const partial = build({ src: from, dst: to, ...transport })
    parse(full)
    parse(partial)
    makePartial(partial)
    const at = isIpv6 ? 36 : 16
    const addr = random.word()
    const port = random.integer(0, 65535)
    const offset = CHECKSUM_AT[full.flow.protocol]!
    for (const pkt of [full, partial]) {
      const { view, l3, l4 } = pkt
      const addresses = checksum.change32(view.getInt32(l3 + at), addr)
      const ports = checksum.change16(view.getUint16(l4 + 2), port)
      const old = view.getUint16(l4 + offset)
      view.setInt32(l3 + at, addr)
      view.setUint16(l4 + 2, port)
      // A partial checksum does not cover the ports yet.
      const now =
        pkt === full
          ? checksum.apply(old, addresses + ports)
          : checksum.applyPartial(old, addresses)
      view.setUint16(l4 + offset, now)
    }
    if (full.flow.protocol === 17) {
      full.view.setUint16(full.l4 + 6, checksum.udpCheck(full.view.getUint16(full.l4 + 6)))
    }
    checksum.complete(partial)
    if (!checksum.isTransportGood(partial)) t.fail(`bad after completion, round ${i}`)
    const got = partial.view.getUint16(partial.l4 + offset)
    const want = full.view.getUint16(full.l4 + offset)
    if (got !== want) t.fail(`${got} is not ${want}, round ${i}`)
  }
})

t.test('complete restores what scapy computed and clears the flag', async t => {
  for (const hex of [SCAPY.TCP4, SCAPY.UDP4, SCAPY.TCP6, SCAPY.UDP6_EXTENSIONS, SCAPY.SCTP4]) {
    const pkt = packetOf(fromHex(hex))
    parse(pkt)
    makePartial(pkt)
    t.not(toHex(pkt.bytes.subarray(pkt.l3, pkt.end)), hex)
    t.ok(checksum.complete(pkt))
    t.equal(toHex(pkt.bytes.subarray(pkt.l3, pkt.end)), hex)
    t.notOk(virtioNet.needsChecksum(pkt.view, pkt.l2 - 10))
  }
})

t.test('complete leaves frames without the flag, and nonsense, alone', async t => {
  const pkt = packetOf(fromHex(SCAPY.TCP4))
  parse(pkt)
  const before = toHex(pkt.bytes)
  t.ok(checksum.complete(pkt))
  t.equal(toHex(pkt.bytes), before)
  for (const [start, offset] of [
    [60000, 16],
    [34, 60000],
    [34, 24],
    [58, 8],
  ] as const) {
    makePartial(pkt)
    virtioNet.setCsumStart(pkt.view, pkt.l2 - 10, start)
    virtioNet.setCsumOffset(pkt.view, pkt.l2 - 10, offset)
    const before = toHex(pkt.bytes)
    t.notOk(checksum.complete(pkt), `${start}+${offset}`)
    t.equal(toHex(pkt.bytes), before)
  }
})

t.test('a UDP checksum that comes out as zero is sent as all ones (RFC 768)', async t => {
  // The payload is chosen so that everything adds up to -0.
  const pkt = build({
    src: '192.0.2.9',
    dst: '198.51.100.1',
    udp: { srcPort: 1, dstPort: 2, payload: new Uint8Array(2) },
  })
  parse(pkt)
  const { view, l4 } = pkt
  view.setUint16(l4 + 8, view.getUint16(l4 + 6))
  view.setUint16(l4 + 6, 0)
  t.equal(checksum.transport(pkt), 0)
  t.equal(checksum.udpFull(pkt), 0xffff)
  makePartial(pkt)
  checksum.complete(pkt)
  t.equal(view.getUint16(l4 + 6), 0xffff)
  t.ok(checksum.isTransportGood(pkt))
})

t.test('pseudo-headers of long IPv6 packets carry the upper half of the length', async t => {
  const v = viewOf(fromHex(SCAPY.TCP6))
  const octets = 0x0001_0004
  const expected =
    ~onesComplement([...fromHex(SCAPY.TCP6.slice(16, 80)), 0, 1, 0, 4, 0, 0, 0, 6]) & 0xffff
  t.equal(checksum.pseudo6(v, 0, 6, octets), expected)
  t.ok(sctp.hasGoodChecksum(viewOf(fromHex(SCAPY.SCTP4)), 20, 56))
})
