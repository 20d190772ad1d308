// The driver over captures keeps the drivers' contract: turns, ownership, reasons, checksums.
import t from 'tap'
import { COUNTER_NAMES, Counter } from '../../../dataplane/counters.js'
import { PcapDriver } from '../../../dataplane/driver/pcap.js'
import type { Packet } from '../../../dataplane/packet.js'
import * as virtioNet from '../../../dataplane/wire/virtio-net.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'
import { scapy } from '../../fixtures/scapy.js'

const ETHER4 = '0200000000aa0200000000c10800'
const ETHER6 = '0200000000aa0200000000c186dd'

function open(mtuOctets = 1500) {
  const counters = new Float64Array(COUNTER_NAMES.length)
  const frames: { port: number; hex: string }[] = []
  const host: string[] = []
  const mac = { macHigh: 0x0200, macLow: 1 }
  const port = { index: 0, name: 'p0', ifIndex: 2, ...mac, mtuOctets, segments: true, sums: false }
  const driver = new PcapDriver([port], counters, {
    frame: (index, frame) => void frames.push({ port: index, hex: toHex(frame) }),
    host: ip => void host.push(toHex(ip)),
  })
  const burst: Packet[] = []
  const receive = (hex: string, rest: { toHost?: boolean; tagged?: boolean } = {}) => {
    driver.offer({ port: 0, frame: fromHex(hex), toHost: true, tagged: false, ...rest })
    return driver.receive(burst, 256) === 1 ? burst[0]! : null
  }
  return { counters, frames, host, driver, burst, receive }
}

t.test('a frame comes once, with its place in the packet, and leaves at flush', async t => {
  const { driver, frames, burst, receive } = open()
  t.equal(driver.receive(burst, 256), 0, 'nothing was offered')
  const pkt = receive(ETHER4 + SCAPY.TCP4)!
  t.equal(toHex(pkt.bytes.slice(pkt.l2, pkt.end)), ETHER4 + SCAPY.TCP4)
  t.equal(pkt.l3, pkt.l2 + 14)
  t.match(pkt, { port: 0, toHost: true, mark: 0, pieces: null })
  t.ok(pkt.l2 >= 128, 'headroom for tunnel headers')
  t.equal(driver.receive(burst, 256), 0)
  driver.send(0, pkt)
  t.same(frames, [])
  driver.flush()
  driver.flush()
  t.same(frames, [{ port: 0, hex: ETHER4 + SCAPY.TCP4 }])
})

t.test('what a port would not have passed on is counted for the same reason', async t => {
  const { counters, receive } = open()
  t.equal(receive(ETHER4 + SCAPY.TCP4, { toHost: false, tagged: true }), null)
  t.equal(counters[Counter.notForUs], 1)
  t.equal(receive(ETHER4 + SCAPY.TCP4, { tagged: true }), null)
  t.equal(counters[Counter.vlan], 1)
  t.equal(receive('0200'), null)
  t.equal(counters[Counter.truncated], 1)
})

t.test('packets to make: of every size, until they run out, and again after the turn', async t => {
  const { driver, counters, host } = open()
  const small: Packet[] = []
  for (let pkt = driver.take(60); pkt !== null; pkt = driver.take(60)) small.push(pkt)
  t.ok(small.length >= 256)
  t.equal(new Set(small).size, small.length)
  t.equal(counters[Counter.noBuffer], 1)
  t.equal(driver.take(65535), null, 'small ones have taken the large ones too')
  driver.flush()
  const large = driver.take(65535)!
  t.equal(large.end - large.l2, 65535)
  t.equal(driver.take(1 << 20), null)
  large.bytes.set([0x45, 1, 2], large.l3)
  large.end = large.l3 + 3
  driver.sendIp(large)
  driver.flush()
  t.same(host, ['450102'])
  const again = driver.take(60)!
  t.match(again, { port: -1, l3: again.l2 + 14, end: again.l2 + 60 })
  t.notOk(virtioNet.isGso(again.view, again.l2 - 10))
})

t.test('partial checksums are completed, complete ones are left alone', async t => {
  // The field holds the pseudo-header's sum alone, not complemented (in SCTP nothing at all).
  const made = scapy(
    `
import struct
def folded(data):
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    return s
def partial(p, proto, at):
    whole = bytearray(raw(p)); v6 = whole[0] >> 4 == 6; l4 = 40 if v6 else 20
    addresses = bytes(whole[8:40] if v6 else whole[12:20])
    s = folded(addresses + struct.pack('!HH', proto, len(whole) - l4))
    whole[l4 + at:l4 + at + 2] = struct.pack('!H', s)
    return [raw(p).hex(), bytes(whole).hex()]
def zero(p):
    whole = bytearray(raw(p)); whole[28:32] = bytes(4)
    return [raw(p).hex(), bytes(whole).hex()]
v4 = IP(src='192.0.2.9', dst='198.51.100.1'); v6 = IPv6(src='2001:db8::9', dst='2001:db8::1')
answer([partial(v4/TCP(sport=1,dport=2)/b'abc', 6, 16), partial(v4/UDP(sport=1,dport=2)/b'abc', 17, 6),
  partial(v6/TCP(sport=1,dport=2)/b'abc', 6, 16), partial(v6/UDP(sport=1,dport=2)/b'abc', 17, 6),
  zero(v4/SCTP(sport=1,dport=2)/SCTPChunkCookieAck())])
`,
    null,
  ) as [whole: string, partial: string][]
  for (const [whole, partial] of made) {
    const { driver, frames, receive } = open()
    const ether = whole.startsWith('6') ? ETHER6 : ETHER4
    t.not(whole, partial)
    for (const [hex, needs] of [
      [partial, true],
      [whole, false],
    ] as const) {
      const pkt = receive(ether + hex)!
      t.equal(virtioNet.needsChecksum(pkt.view, pkt.l2 - 10), needs)
      driver.send(0, pkt)
      driver.flush()
      t.equal(frames.pop()!.hex, ether + whole)
    }
  }
})

t.test('TCP above the MTU was merged: segments are what the ends had agreed on', async t => {
  const [syn, merged, merged6, udp] = scapy(
    `
v4 = IP(src='192.0.2.9', dst='198.51.100.1'); e = dict(sport=1, dport=2)
answer([raw(p).hex() for p in (v4/TCP(**e, flags='S', options=[('MSS', 1000)]), v4/TCP(**e, flags='A')/(b'x'*4000),
  IPv6(src='2001:db8::9', dst='2001:db8::1')/TCP(**e, flags='A')/(b'x'*4000), v4/UDP(**e)/(b'x'*4000))])
`,
    null,
  ) as string[]
  const { receive } = open()
  const offload = (hex: string, ether = ETHER4) => {
    const { view, l2 } = receive(ether + hex)!
    return [virtioNet.gsoType(view, l2 - 10), virtioNet.gsoSize(view, l2 - 10)]
  }
  t.same(
    offload(merged!),
    [virtioNet.GSO_TCPV4, 1460],
    'no SYN was seen: as much as the MTU carries',
  )
  t.same(offload(syn!), [0, 0])
  t.same(offload(merged!), [virtioNet.GSO_TCPV4, 1000])
  t.same(offload(merged6!, ETHER6), [virtioNet.GSO_TCPV6, 1440])
  t.same(offload(udp!), [0, 0])
})

t.test('any octets at all', async t => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
  t.comment(`SEED=${seed}`)
  let state = seed || 1
  const random = (bound: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) % bound
  }
  const { driver, receive, frames } = open()
  for (let i = 0; i < 2000; i++) {
    const base = fromHex(i % 2 === 0 ? ETHER4 + SCAPY.TCP4_OPTIONS : ETHER6 + SCAPY.UDP6_EXTENSIONS)
    const frame = base.slice(0, 14 + random(base.length - 13))
    for (let n = random(4); n > 0 && frame.length > 14; n--)
      frame[14 + random(frame.length - 14)] = random(256)
    const pkt = receive(toHex(frame))!
    driver.send(0, pkt)
    driver.flush()
  }
  t.equal(frames.length, 2000)
})
