// Packets handed to the host's stack: it resolves the neighbour, and they leave as they were.
import t from 'tap'
import { COUNTER_NAMES, Counter } from '../../../dataplane/counters.js'
import { openPacketRing } from '../../../dataplane/driver/packet-ring.js'
import { DescriptorLedger } from '../../../dataplane/sys/descriptors.js'
import * as address from '../../../dataplane/wire/address.js'
import { Namespace, veth } from '../../fixtures/netns.js'
import { PacketPeer } from '../../fixtures/packet-peer.js'
import { scapy } from '../../fixtures/scapy.js'

t.test('neighbours are resolved, packets leave intact, nothing loops back', async t => {
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  veth({ ns: here, name: 'p0' }, { ns: peer, name: 'q0' })
  here.ip('address add 10.0.0.1/24 dev p0')
  here.ip('address add 2001:db8::1/64 dev p0 nodad')
  peer.ip('address add 10.0.0.2/24 dev q0')
  peer.ip('address add 2001:db8::2/64 dev q0 nodad')
  here.ip('route add 192.0.2.0/24 via 10.0.0.2')
  here.ip('route add 2001:db8:1::/48 via 2001:db8::2')
  const counters = new Float64Array(COUNTER_NAMES.length)
  const ledger = new DescriptorLedger()
  const driver = here.enter(() => openPacketRing(['p0'], counters, ledger))
  const python = await PacketPeer.start(peer, ['q0'])
  t.teardown(async () => {
    await python.stop()
    driver.close()
  })
  // Sources that are not this host's; addresses on the link and behind a router; odd headers.
  const packets = scapy(`answer([raw(eval(e)).hex() for e in given])`, [
    `IP(src='198.51.100.1',dst='10.0.0.2',id=7,ttl=3,tos=0x28)/UDP(sport=80,dport=9)/b'one'`,
    `IP(src='198.51.100.1',dst='192.0.2.9',id=0,flags='DF')/TCP(sport=80,dport=9)/b'two'`,
    `IP(src='198.51.100.1',dst='10.0.0.2',id=9,frag=100,flags='MF')/(b'f'*1480)`,
    `IPv6(src='2001:db8:f::1',dst='2001:db8::2',tc=0x28,fl=0x12345,hlim=3)/UDP(sport=80,dport=9)/b'3'`,
    `IPv6(src='2001:db8:f::1',dst='2001:db8:1::9')/IPv6ExtHdrDestOpt()/TCP(sport=80,dport=9)/b'four'`,
  ]) as string[]
  for (const packet of packets) {
    const bytes = Buffer.from(packet, 'hex')
    const pkt = driver.take(14 + bytes.length)!
    pkt.bytes.set(bytes, pkt.l3)
    driver.sendIp(pkt)
  }
  driver.flush()
  const frames = await python.receive('q0', packets.length, ['0800', '86dd'])
  // Without neighbour discovery's own messages; IPv4 and IPv6 are resolved in either order.
  const got = frames.map(frame => Buffer.from(frame).subarray(24).toString('hex'))
  const more = await python.receive('q0', 20, ['0800', '86dd'])
  got.push(...more.map(frame => Buffer.from(frame).subarray(24).toString('hex')))
  t.strictSame(got.filter(packet => packets.includes(packet)).sort(), [...packets].sort())
  const foreign = got.filter(packet => !packets.includes(packet))
  t.ok(
    foreign.every(packet => /^6.{11}(3a|00)/.test(packet)),
    'nothing else but neighbour and multicast listener discovery',
  )
  const burst: never[] = []
  const received = driver.receive(burst, 256)
  driver.flush()
  t.equal(counters[Counter.transmitError], 0)
  t.ok(received <= 4, `at most the peer's neighbour discovery comes in: ${received}`)
})

// Direct routing over a link whose neighbour is not known yet: the destination is this host's own.
t.test('a packet takes the route to another address than its destination', async t => {
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  veth({ ns: here, name: 'p0' }, { ns: peer, name: 'q0' })
  here.ip('address add 10.0.0.1/24 dev p0')
  here.ip('address add 2001:db8::1/64 dev p0 nodad')
  here.ip('address add 198.51.100.1/32 dev lo')
  here.ip('address add 2001:db8:f::1/128 dev lo')
  peer.ip('address add 10.0.0.2/24 dev q0')
  peer.ip('address add 2001:db8::2/64 dev q0 nodad')
  const counters = new Float64Array(COUNTER_NAMES.length)
  const driver = here.enter(() => openPacketRing(['p0'], counters, new DescriptorLedger()))
  const python = await PacketPeer.start(peer, ['q0'])
  t.teardown(async () => {
    await python.stop()
    driver.close()
  })
  const packets = scapy(`answer([raw(eval(e)).hex() for e in given])`, [
    `IP(src='192.0.2.9',dst='198.51.100.1',id=7,ttl=63)/UDP(sport=80,dport=9)/b'one'`,
    `IPv6(src='2001:db8:1::9',dst='2001:db8:f::1',hlim=63)/UDP(sport=80,dport=9)/b'two'`,
  ]) as string[]
  const ways = ['10.0.0.2', '2001:db8::2'].map(text => address.parse(text)!)
  for (const [i, packet] of packets.entries()) {
    const bytes = Buffer.from(packet, 'hex')
    const pkt = driver.take(14 + bytes.length)!
    pkt.bytes.set(bytes, pkt.l3)
    driver.sendIp(pkt, ways[i])
  }
  driver.flush()
  t.equal(counters[Counter.transmitError], 0)
  const got: string[] = []
  for (let tries = 0; tries < 10 && packets.some(one => !got.includes(one)); tries++) {
    const frames = await python.receive('q0', 2, ['0800', '86dd'])
    got.push(...frames.map(frame => Buffer.from(frame).subarray(24).toString('hex')))
  }
  for (const packet of packets) t.ok(got.includes(packet), 'on the wire, unchanged')
})

t.test('what the kernel refuses is counted', async t => {
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  veth({ ns: here, name: 'p0' }, { ns: peer, name: 'q0' })
  const counters = new Float64Array(COUNTER_NAMES.length)
  const driver = here.enter(() => openPacketRing(['p0'], counters, new DescriptorLedger()))
  for (const packet of scapy(`answer([raw(eval(e)).hex() for e in given])`, [
    `IP(src='198.51.100.1',dst='203.0.113.1')/UDP()`,
    `IPv6(src='2001:db8::1',dst='2001:db8:9::1')/UDP()`,
  ]) as string[]) {
    const bytes = Buffer.from(packet, 'hex')
    const pkt = driver.take(14 + bytes.length)!
    pkt.bytes.set(bytes, pkt.l3)
    driver.sendIp(pkt)
  }
  t.equal(counters[Counter.transmitError], 2, 'no route')
  driver.close()
})
