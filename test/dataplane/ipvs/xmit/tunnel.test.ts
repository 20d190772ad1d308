// Offload frames on their way into a tunnel: whole where the port takes them so, cut where not.
import t from 'tap'
import { COUNTER_NAMES, Counter } from '../../../../dataplane/counters.js'
import { LoopbackDriver, type LoopbackPort } from '../../../../dataplane/driver/loopback.js'
import { Dest } from '../../../../dataplane/ipvs/dest.js'
import { defaultSettings } from '../../../../dataplane/ipvs/settings.js'
import {
  GRE_TUNNEL,
  GUE_TUNNEL,
  IPIP_TUNNEL,
  Tunnel,
} from '../../../../dataplane/ipvs/xmit/tunnel.js'
import {
  NextHop,
  Refusal,
  type Adjacency,
  type NetworkView,
} from '../../../../dataplane/net/network.js'
import { Output } from '../../../../dataplane/output.js'
import type { Packet } from '../../../../dataplane/packet.js'
import { parse } from '../../../../dataplane/parse.js'
import * as address from '../../../../dataplane/wire/address.js'
import { buildBytes, type PacketRecord } from '../../../fixtures/packets.js'

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
const V4 = { src: '192.0.2.9', dst: '198.51.100.1', df: true }
const V6 = { src: '2001:db8:1::9', dst: '2001:db8:f::1' }
const SERVER = { ipv4: '10.0.0.1', ipv6: '2001:db8:2::1' }
const SOURCE = { ipv4: '10.0.0.254', ipv6: '2001:db8:2::fe' }
const PAYLOAD = 10_000
const SEGMENT = 1400

interface Shape {
  port?: Partial<LoopbackPort>
  outer?: 'ipv4' | 'ipv6'
  tunnelType?: number
  tunnelFlags?: number
  record?: PacketRecord
  vnet?: { flags?: number; type?: number; segment?: number }
  mtuOctets?: number
  /** How many such frames. */
  times?: number
}

const tcpOf = (octets: number) => ({
  tcp: { srcPort: 7, dstPort: 80, flags: '.', payload: new Uint8Array(octets).fill(0x61) },
})
const words = (text: string) => address.parse(text)!

/** Sends one offload frame into the tunnel and returns what left, with the counters. */
function send(shape: Shape) {
  const { outer = 'ipv4', vnet = {} } = shape
  const record: PacketRecord = shape.record ?? { ...V4, ...tcpOf(PAYLOAD) }
  const counters = new Float64Array(COUNTER_NAMES.length)
  const port = { name: 'p0', ifIndex: 2, mac: MAC, mtuOctets: 1500, sums: true, tunnels: true }
  const driver = new LoopbackDriver([{ ...port, ...shape.port }], counters)
  const { w0, w1, w2, w3 } = words(SOURCE[outer])
  const sourceFor: NetworkView['sourceFor'] = (_family, _w0, _w1, _w2, _w3, out) => {
    out.set([w0, w1, w2, w3])
    return true
  }
  const tunnel = new Tunnel({
    ...{ driver, counters, output: new Output(driver, counters), settings: defaultSettings() },
    network: { sourceFor } as NetworkView,
  })
  const dest = new Dest(1, new Float64Array(256), { ...words(SERVER[outer]), port: 0 })
  dest.tunnelType = shape.tunnelType ?? IPIP_TUNNEL
  dest.tunnelFlags = shape.tunnelFlags ?? 0
  dest.tunnelPort = 6080
  const ip = buildBytes(record)
  const isIpv4 = record.src === V4.src
  const l4 = 14 + (isIpv4 ? 20 : 40)
  const offload = new DataView(new ArrayBuffer(10))
  offload.setUint8(0, vnet.flags ?? 1)
  offload.setUint8(1, vnet.type ?? (isIpv4 ? 1 : 4))
  offload.setUint16(2, l4 + 20, true)
  offload.setUint16(4, vnet.segment ?? SEGMENT, true)
  offload.setUint16(6, l4, true)
  offload.setUint16(8, record.udp ? 6 : 16, true)
  const frame = Uint8Array.from([...MAC, ...MAC, ...(isIpv4 ? [8, 0] : [0x86, 0xdd]), ...ip])
  for (let i = 0; i < (shape.times ?? 1); i++) {
    driver.inject(0, frame, { vnet: new Uint8Array(offload.buffer) })
    const burst: Packet[] = []
    driver.receive(burst, 1)
    t.equal(parse(burst[0]!), 0)
    tunnel.send(burst[0]!, dest, adjacency(shape.mtuOctets ?? 1500))
    driver.flush()
  }
  const sent = driver.sent.map(({ frame, vnet }) => ({
    ...{ octets: frame.length, v: new DataView(frame.buffer, frame.byteOffset) },
    offload: new DataView(vnet.buffer, vnet.byteOffset),
    inner: Buffer.from(frame.subarray(frame.length - ip.length)).equals(Buffer.from(ip)),
  }))
  return { sent, segmented: counters[Counter.segmented] }
}

const adjacency = (mtuOctets: number): Adjacency => ({
  ...{ index: 0, kind: NextHop.ethernet, refusal: Refusal.network, port: 0, mtuOctets },
  ...{ dstMacHigh: 0x200, dstMacLow: 2, srcMacHigh: 0x200, srcMacLow: 1 },
})

for (const outer of ['ipv4', 'ipv6'] as const) {
  for (const inner of [V4, V6]) {
    t.test(`from ${inner.src} whole into ${outer}`, async t => {
      const { sent, segmented } = send({ outer, record: { ...inner, ...tcpOf(PAYLOAD) } })
      t.equal(sent.length, 1)
      t.equal(segmented, 0)
      const [{ v, octets, offload, inner: untouched }] = sent as [(typeof sent)[0]]
      const overhead = outer === 'ipv4' ? 20 : 40
      const l4 = 14 + overhead + (inner === V4 ? 20 : 40)
      t.ok(untouched, 'nothing inside is changed')
      t.equal(v.getUint16(12), outer === 'ipv4' ? 0x0800 : 0x86dd)
      t.equal(v.getUint16(outer === 'ipv4' ? 16 : 18), octets - 14 - (outer === 'ipv4' ? 0 : 40))
      t.equal(offload.getUint8(0), 1, 'the checksum inside is still to be completed')
      t.equal(offload.getUint8(1), inner === V4 ? 1 : 4)
      t.equal(offload.getUint16(2, true), l4 + 20)
      t.equal(offload.getUint16(4, true), SEGMENT)
      t.equal(offload.getUint16(6, true), l4)
      t.equal(offload.getUint16(8, true), 16)
    })
  }
}

const ECN = 0x80
t.test('a congestion signal stays with the frame', async t => {
  const { sent } = send({ vnet: { type: 1 | ECN } })
  t.strictSame(
    sent.map(({ offload }) => offload.getUint8(1)),
    [1 | ECN],
  )
})

const segments = Math.ceil(PAYLOAD / SEGMENT)
const udp = { udp: { srcPort: 7, dstPort: 80, payload: new Uint8Array(PAYLOAD) } }
const cut: readonly [why: string, shape: Shape, count: number][] = [
  ['the port does not', { port: { tunnels: false } }, segments],
  ['the device completes no checksum in there', { port: { sums: false } }, segments],
  ['GUE', { tunnelType: GUE_TUNNEL }, segments],
  ['GRE', { tunnelType: GRE_TUNNEL }, segments],
  ['GRE with a checksum over all', { tunnelType: GRE_TUNNEL, tunnelFlags: 1 }, segments],
  ['its checksum is complete', { vnet: { flags: 0 } }, segments],
  ['datagrams', { record: { ...V4, ...udp }, vnet: { type: 5 } }, segments],
  [
    'no Total Length could say it',
    { record: { ...V4, ...tcpOf(65_490) } },
    Math.ceil(65_490 / SEGMENT),
  ],
  ['segments that need fragments, all but the last', { mtuOctets: 1450 }, segments * 2 - 1],
]
for (const [why, shape, count] of cut) {
  t.test(`cut: ${why}`, async t => {
    const { sent, segmented } = send(shape)
    t.equal(segmented, 1)
    t.equal(sent.length, count)
    t.ok(sent.every(({ offload }) => offload.getUint8(1) === 0))
    t.ok(sent.every(({ octets }) => octets <= 1514))
  })
}

t.test('identifications of IPv4 without DF are used once', async t => {
  const identification = (shape: Shape) =>
    send({ times: 2, ...shape }).sent.map(({ v }) => [v.getUint16(18), v.getUint16(20)])
  // The kernel counts on from the frame's for each segment.
  const second = 1 + segments
  t.strictSame(identification({ record: { ...V6, ...tcpOf(PAYLOAD) } }), [
    [1, 0],
    [second, 0],
  ])
  const none = [0, 0x4000]
  t.strictSame(identification({}), [none, none], 'with DF there is nothing to identify')
})
