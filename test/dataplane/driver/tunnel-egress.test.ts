// Offload frames inside IP tunnels, sent by the packet ring: what arrives where the device takes
// them whole, and what the kernel cuts where it does not, against segments that scapy builds.
import t, { type Test } from 'tap'
import { COUNTER_NAMES, Counter } from '../../../dataplane/counters.js'
import { openPacketRing, type PacketRing } from '../../../dataplane/driver/packet-ring.js'
import { DescriptorLedger } from '../../../dataplane/sys/descriptors.js'
import { IPIP, IPV6 as IPV6_IN, TCP } from '../../../dataplane/wire/ip-protocol.js'
import { Namespace, veth } from '../../fixtures/netns.js'
import { PacketPeer } from '../../fixtures/packet-peer.js'
import { scapy } from '../../fixtures/scapy.js'

const IP = ['0800', '86dd']
const NONE = '00'.repeat(10)
const ETHERNET = `Ether(dst='02:00:00:00:00:02',src='02:00:00:00:00:01')`
const OUTER = {
  ipv4: { text: `IP(src='10.0.0.254',dst='10.0.0.1',id=(65534+i)&65535,ttl=61,tos=2)`, octets: 20 },
  ipv6: { text: `IPv6(src='2001:db8:2::fe',dst='2001:db8:2::1',hlim=61,tc=2)`, octets: 40 },
} as const
const INNER = {
  ipv4: {
    text: `IP(src='192.0.2.9',dst='198.51.100.1',id=(65533+i)&65535,flags='DF',tos=2)`,
    octets: 20,
  },
  ipv6: { text: `IPv6(src='2001:db8:1::9',dst='2001:db8:f::1',tc=2)`, octets: 40 },
} as const
const FAMILIES = ['ipv4', 'ipv6'] as const
/** With the largest headers, 40 + 40 + 32 octets, it fills an MTU of 1500. */
const SEGMENT = 1388
const COUNT = 15
const PAYLOAD = SEGMENT * (COUNT - 1) + 123
/** RFC 3168: the congestion signal belongs to the first segment; push and end to the last. */
const FLAGS = ['CEA', ...Array<string>(COUNT - 2).fill('EA'), 'FPEA']

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')

/** One offload frame and the frames that it stands for. Identifications go round at 65,536. */
function build(outer: 'ipv4' | 'ipv6', inner: 'ipv4' | 'ipv6'): string[] {
  const frame = (i: number, flags: string, from: number, to: number) =>
    `(lambda i: ${ETHERNET}/${OUTER[outer].text}/${INNER[inner].text}` +
    `/TCP(sport=7,dport=80,seq=(${from}-3000)&0xffffffff,ack=9,flags='${flags}',` +
    `options=[('NOP',None),('NOP',None),('Timestamp',(5,6))])` +
    `/Raw((bytes(range(251))*100)[${from}:${to}]))(${i})`
  const cut = FLAGS.map((flags, i) =>
    frame(i, flags, i * SEGMENT, Math.min(PAYLOAD, (i + 1) * SEGMENT)),
  )
  return scapy(`answer([raw(eval(e)).hex() for e in given])`, [
    frame(0, 'CFPEA', 0, PAYLOAD),
    ...cut,
  ]) as string[]
}

/** A wire on which the hosts' own stacks stay silent. */
function wire(here: Namespace, peer: Namespace): void {
  for (const ns of [here, peer]) ns.sysctl('net/ipv6/conf/default/disable_ipv6', '1')
  veth(
    { ns: here, name: 'p0', mac: '02:00:00:00:00:01' },
    { ns: peer, name: 'q0', mac: '02:00:00:00:00:02' },
  )
}

async function lab(t: Test) {
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  wire(here, peer)
  const counters = new Float64Array(COUNTER_NAMES.length)
  const driver = here.enter(() => openPacketRing(['p0'], counters, new DescriptorLedger()))
  const python = await PacketPeer.start(peer, ['q0'])
  t.teardown(async () => {
    await python.stop()
    driver.close()
    here.remove()
    peer.remove()
  })
  return { here, driver, counters, python }
}

/** Sends a frame with that offload header; `inside` is the protocol behind the first header. */
function sendBy(driver: PacketRing, vnet: Uint8Array, frame: Uint8Array, inside: number): void {
  const pkt = driver.take(frame.length)!
  pkt.bytes.set(frame, pkt.l2)
  pkt.bytes.set(vnet, pkt.l2 - 10)
  pkt.flow.protocol = inside
  driver.send(0, pkt)
  driver.flush()
}

/** The offload header for a TCP that starts there, little-endian. */
function vnetFor(inner: 'ipv4' | 'ipv6', l4: number): Uint8Array {
  const v = new DataView(new ArrayBuffer(10))
  v.setUint8(0, 1) // NEEDS_CSUM
  v.setUint8(1, (inner === 'ipv4' ? 1 : 4) | 0x80) // GSO_TCPV4 or 6, GSO_ECN
  v.setUint16(2, l4 + 32, true)
  v.setUint16(4, SEGMENT, true)
  v.setUint16(6, l4, true)
  v.setUint16(8, 16, true)
  return new Uint8Array(v.buffer)
}

for (const outer of FAMILIES) {
  for (const inner of FAMILIES) {
    t.test(`${inner} in ${outer}`, async t => {
      const { here, driver, counters, python } = await lab(t)
      t.ok(here.enter(() => driver.ports[0]!.openTunnels()))
      const [whole, ...segments] = build(outer, inner)
      const l4 = 14 + OUTER[outer].octets + INNER[inner].octets
      const vnet = vnetFor(inner, l4)
      const frame = bytes(whole!)
      pendingSum(frame, l4, inner)
      const protocol = inner === 'ipv4' ? IPIP : IPV6_IN
      sendBy(driver, vnet, frame, protocol)
      const [arrived] = await python.receive('q0', 1, IP)
      t.equal(hex(arrived!), hex(vnet) + hex(frame), 'a device that can takes it whole')
      // Now the kernel cuts and sums before the device.
      here.run('ethtool -K p0 tx off')
      sendBy(driver, vnet, frame, protocol)
      sendBy(driver, bytes(NONE), bytes(segments[0]!), protocol)
      const got = (await python.receive('q0', COUNT + 1, IP)).map(one => hex(one).slice(20))
      t.strictSame(got.slice(0, COUNT), segments, 'as scapy builds them')
      t.equal(got[COUNT], segments[0], 'what comes behind stays behind, and as it is')
      t.equal(counters[Counter.transmitError], 0)
    })
  }
}

t.test('frames that are not tunnelled, or of another worker, are let alone', async t => {
  const { here, driver, python } = await lab(t)
  here.enter(() => driver.ports[0]!.openTunnels())
  const [whole] = build('ipv4', 'ipv4')
  // Without the outer header: NAT's frames have a socket that passes no program.
  const frame = bytes(whole!.slice(0, 28) + whole!.slice(28 + 40))
  pendingSum(frame, 34, 'ipv4')
  const vnet = vnetFor('ipv4', 34)
  sendBy(driver, vnet, frame, TCP)
  const [arrived] = await python.receive('q0', 1, IP)
  t.equal(hex(arrived!), hex(vnet) + hex(frame))
  // Each program looks at its own socket's frames: one that met both would be refused by the second.
  const counters = new Float64Array(COUNTER_NAMES.length)
  const another = here.enter(() => openPacketRing(['p0'], counters, new DescriptorLedger()))
  here.enter(() => another.ports[0]!.openTunnels())
  const tunnelled = bytes(whole!)
  pendingSum(tunnelled, 54, 'ipv4')
  const tunnelVnet = vnetFor('ipv4', 54)
  for (const each of [driver, another]) sendBy(each, tunnelVnet, tunnelled, IPIP)
  const both = (await python.receive('q0', 2, IP)).map(hex)
  t.strictSame(both, [hex(tunnelVnet) + hex(tunnelled), hex(tunnelVnet) + hex(tunnelled)])
  another.close()
  // The kernel knows of no tunnel in what takes another way, and drops it.
  sendBy(driver, tunnelVnet, tunnelled, TCP)
  sendBy(driver, vnet, frame, TCP)
  t.strictSame((await python.receive('q0', 1, IP)).map(hex), [hex(vnet) + hex(frame)])
})

t.test('it follows an interface that is made anew, and leaves with the driver', async t => {
  const { here, driver } = await lab(t)
  const port = driver.ports[0]!
  here.enter(() => port.openTunnels())
  const peer = new Namespace('peer')
  t.teardown(() => peer.remove())
  here.ip('link del p0')
  wire(here, peer)
  here.enter(() => driver.refreshPorts())
  t.ok(here.enter(() => port.openTunnels()))
  const again = await PacketPeer.start(peer, ['q0'])
  const [whole] = build('ipv4', 'ipv4')
  const frame = bytes(whole!)
  const vnet = vnetFor('ipv4', 54)
  sendBy(driver, vnet, frame, IPIP)
  const [arrived] = await again.receive('q0', 1, IP)
  t.equal(hex(arrived!), hex(vnet) + whole!)
  await again.stop()
})

/** What stands in the checksum field while the sum is to be completed: the pseudo-header's. */
function pendingSum(frame: Uint8Array, l4: number, family: 'ipv4' | 'ipv6'): void {
  const v = new DataView(frame.buffer)
  const octets = family === 'ipv4' ? 8 : 32
  const from = l4 - octets
  let sum = TCP + (frame.length - l4)
  for (let i = 0; i < octets; i += 2) sum += v.getUint16(from + i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  v.setUint16(l4 + 16, sum)
}
