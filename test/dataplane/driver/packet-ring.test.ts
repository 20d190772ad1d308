// Real frames through the ring, between this driver and packet sockets opened by Python.
import { readFileSync, readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { COUNTER_NAMES, Counter } from '../../../dataplane/counters.js'
import { openPacketRing, type PacketRing } from '../../../dataplane/driver/packet-ring.js'
import type { Packet } from '../../../dataplane/packet.js'
import { DescriptorLedger } from '../../../dataplane/sys/descriptors.js'
import { Poller } from '../../../dataplane/sys/poller.js'
import { Namespace, veth } from '../../fixtures/netns.js'
import { PacketPeer } from '../../fixtures/packet-peer.js'
import { scapy } from '../../fixtures/scapy.js'

const IP = ['0800', '86dd']
const VNET_NONE = '00'.repeat(10)

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')

/** Frames as scapy builds them. */
const frames = (expressions: readonly string[]): string[] =>
  scapy(`answer([raw(eval(e)).hex() for e in given])`, expressions) as string[]

/** The kernel acts upon a carrier up to a second late (linkwatch). */
async function untilRunning(ns: Namespace, name: string): Promise<void> {
  for (let tries = 0; tries < 2000; tries++) {
    const [link] = JSON.parse(ns.ip(`-j link show ${name}`)) as { operstate: string }[]
    if (link!.operstate === 'UP') return
  }
  throw new Error(`${name} does not come up`)
}

interface Lab {
  here: Namespace
  peer: Namespace
  driver: PacketRing
  counters: Float64Array
  ledger: DescriptorLedger
  python: PacketPeer
  /** Frames that arrived, as [port, frame with virtio_net_hdr], after being given to `each`. */
  take: (count: number, each?: (pkt: Packet) => void) => string[]
}

async function lab(t: Test, mtu = 1500): Promise<Lab> {
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  for (const i of [0, 1]) {
    veth(
      { ns: here, name: `p${i}`, mac: `02:00:00:00:0${i}:01`, mtu },
      { ns: peer, name: `q${i}`, mac: `02:00:00:00:0${i}:02`, mtu },
    )
    // The host's own stack stays silent.
    for (const [ns, name] of [
      [here, `p${i}`],
      [peer, `q${i}`],
    ] as const)
      ns.sysctl(`net/ipv6/conf/${name}/disable_ipv6`, '1')
  }
  const ledger = new DescriptorLedger()
  const counters = new Float64Array(COUNTER_NAMES.length)
  const driver = here.enter(() => openPacketRing(['p0', 'p1'], counters, ledger))
  const python = await PacketPeer.start(peer, ['q0', 'q1'])
  const poller = new Poller(ledger)
  poller.watch(driver.descriptors)
  t.teardown(async () => {
    await python.stop()
    driver.close()
    poller.close()
    here.remove()
    peer.remove()
  })
  const take = (count: number, each: (pkt: Packet) => void = () => {}): string[] => {
    const burst: Packet[] = []
    const got: string[] = []
    for (let turns = 0; got.length < count && turns < 1000; turns++) {
      const n = driver.receive(burst, 256)
      for (const pkt of burst.slice(0, n)) {
        got.push(hex(pkt.bytes.subarray(pkt.l2 - 10, pkt.end)))
        each(pkt)
      }
      driver.flush()
      if (n === 0 && poller.wait(500) === 0) break
    }
    return got
  }
  return { here, peer, driver, counters, ledger, python, take }
}

t.test('frames go in and out unchanged, small and large, IPv4 and IPv6', async t => {
  const { driver, python, take, counters } = await lab(t)
  const head = `Ether(dst='02:00:00:00:00:01',src='02:00:00:00:00:02')`
  const sent = frames([
    `${head}/IP(src='192.0.2.1',dst='198.51.100.1')/UDP(sport=1,dport=2)/b'x'`,
    `${head}/IPv6(src='2001:db8::1',dst='2001:db8::2')/TCP(sport=1,dport=2)/(b'y'*1400)`,
    `${head}/IP(src='192.0.2.1',dst='198.51.100.1')/UDP(sport=1,dport=2)/(b'z'*1472)`,
  ]).map(frame => VNET_NONE + frame)
  await python.send('q0', sent.map(bytes))
  const got = take(3, pkt => {
    t.equal(pkt.port, 0)
    t.ok(pkt.toHost)
    t.equal(pkt.l3, pkt.l2 + 14)
    t.ok(pkt.l2 >= 10 + 64 + 52, 'headroom for tunnel headers behind the ring header')
    t.equal(pkt.view.getUint8(pkt.l3) >>> 4, pkt.view.getUint16(pkt.l2 + 12) === 0x0800 ? 4 : 6)
    driver.send(1, pkt)
  })
  // RX flags may say that the checksum is known to be good (VIRTIO_NET_HDR_F_DATA_VALID).
  t.strictSame(
    got.map(frame => frame.slice(20)),
    sent.map(frame => frame.slice(20)),
  )
  const out = await python.receive('q1', 3, IP)
  t.strictSame(
    out.map(frame => hex(frame).slice(20)),
    sent.map(frame => frame.slice(20)),
  )
  t.equal(counters[Counter.transmitError], 0)
})

t.test('a 64 KiB segmentation-offload frame arrives whole and leaves whole', async t => {
  const { driver, python, take } = await lab(t)
  const [frame] = frames([
    `Ether(dst='02:00:00:00:00:01',src='02:00:00:00:00:02')` +
      `/IP(src='192.0.2.1',dst='198.51.100.1')/TCP(sport=1,dport=2,flags='A')/Raw(bytes(range(256))*255)`,
  ])
  // NEEDS_CSUM, GSO_TCPV4, header length 54, segments of 1448, checksum from 34 at 16.
  const vnet = '01013600a80522001000'
  await python.send(
    'q0',
    Array.from({ length: 100 }, () => bytes(vnet + frame)),
  )
  const got = take(100, pkt => driver.send(1, pkt))
  t.equal(got.length, 100, 'more than there are large buffers: in turns')
  t.ok(
    got.every(one => one === vnet + frame),
    'whole, with its offload header',
  )
  const out = await python.receive('q1', 100, IP)
  t.equal(out.length, 100)
  t.ok(out.every(one => hex(one) === vnet + frame))
})

t.test('a port tells what its device completes, and follows it', async t => {
  const { here, driver } = await lab(t)
  const [p0, p1] = driver.ports
  t.strictSame([p0!.segments, p1!.segments], [true, true])
  here.run('ethtool -K p0 tso off')
  here.enter(() => driver.refreshPorts())
  t.strictSame([p0!.segments, p1!.segments], [false, true])
  // A veth does any checksum; without that the kernel does them, whatever their place.
  t.strictSame([p0!.sums, p1!.sums], [true, true])
  here.run('ethtool -K p0 tx off')
  here.enter(() => driver.refreshPorts())
  t.equal(p0!.sums, true)
})

t.test('small and large frames keep their order', async t => {
  const { python, take } = await lab(t)
  const build = (i: number) =>
    `Ether(dst='02:00:00:00:00:01',src='02:00:00:00:00:02')/IP(id=${i},src='192.0.2.1',` +
    `dst='198.51.100.1')/TCP()/Raw(b'a'*${i % 3 === 0 ? 20000 : 100})`
  const vnet = (i: number) => (i % 3 === 0 ? '01013600a80522001000' : VNET_NONE)
  const sent = frames(Array.from({ length: 120 }, (_, i) => build(i))).map((f, i) => vnet(i) + f)
  await python.send('q0', sent.map(bytes))
  t.strictSame(
    take(120).map(f => f.slice(20)),
    sent.map(f => f.slice(20)),
  )
})

t.test('what is not for this host, tagged or not IP never costs the engine anything', async t => {
  const { python, take, counters } = await lab(t)
  const ip = `IP(src='192.0.2.1',dst='198.51.100.1')/UDP()`
  const mine = `Ether(dst='02:00:00:00:00:01',src='02:00:00:00:00:02')`
  const sent = frames([
    `Ether(dst='ff:ff:ff:ff:ff:ff',src='02:00:00:00:00:02')/${ip}/'broadcast'`,
    `Ether(dst='01:00:5e:00:00:01',src='02:00:00:00:00:02')/${ip}/'multicast'`,
    `Ether(dst='02:00:00:00:00:99',src='02:00:00:00:00:02')/${ip}/'another host'`,
    `${mine}/Dot1Q(vlan=7)/${ip}/'tagged'`,
    `${mine}/ARP(op=1,pdst='198.51.100.1')`,
    `${mine}/Dot1Q(vlan=0,prio=3)/${ip}/'priority'`,
    `${mine}/${ip}/'mine'`,
  ])
  await python.send(
    'q0',
    sent.map(frame => bytes(VNET_NONE + frame)),
  )
  const got = take(2).map(frame => frame.slice(-16))
  t.strictSame(got, [hex(Buffer.from('priority')), sent[6]!.slice(-16)])
  t.equal(counters[Counter.truncated], 0)
})

t.test('one refused frame does not cost the others; lost ones are counted', async t => {
  const { driver, here, counters, python } = await lab(t)
  const make = (octets: number, gso: boolean) => {
    const pkt = driver.take(octets)!
    pkt.bytes.fill(0x11, pkt.l2, pkt.end)
    pkt.view.setUint16(pkt.l2 + 12, 0x0800)
    if (gso) pkt.view.setUint8(pkt.l2 - 9, 0x77) // no such offload: EINVAL
    return pkt
  }
  for (let i = 0; i < 10; i++) driver.send(1, make(i === 4 ? 3000 : 100, i === 7))
  driver.flush()
  t.equal(counters[Counter.transmitError], 2, 'too long (EMSGSIZE), and a bad offload header')
  t.equal((await python.receive('q1', 8, IP)).length, 8)
  here.ip('link set p1 down')
  for (let i = 0; i < 5; i++) driver.send(1, make(100, false))
  driver.flush()
  t.equal(counters[Counter.transmitError], 7, 'ENETDOWN')
  here.ip('link set p1 up')
  await untilRunning(here, 'p1')
  here.enter(() => driver.refreshPorts())
  driver.send(1, make(100, false))
  driver.flush()
  t.equal((await python.receive('q1', 1, IP)).length, 1, 'goes on when the link is back')
})

t.test(
  'packets of our own: as many as needed while they are sent, null while they are held',
  async t => {
    const { driver, python, counters } = await lab(t)
    let octets = 0
    for (let i = 0; i < 5000; i++) {
      const pkt = driver.take(60)!
      t.equal(pkt.port, -1)
      octets += pkt.bytes.subarray(pkt.l2 - 10, pkt.l2).reduce((a, b) => a + b, 0)
      pkt.bytes.fill(0x22, pkt.l2 - 60, pkt.end)
      pkt.bytes.fill(0, pkt.l2 - 10, pkt.l2)
      pkt.view.setUint16(pkt.l2 + 12, 0x0800)
      driver.send(0, pkt)
      if (i % 500 === 499) await python.receive('q0', 500, IP)
    }
    t.equal(octets, 0, 'their offload header is zeroed')
    driver.flush()
    t.equal(counters[Counter.noBuffer], 0)
    let held = 0
    while (driver.take(60) !== null) held++
    t.ok(held >= 1000)
    t.equal(counters[Counter.noBuffer], 1)
    driver.flush()
    t.ok(driver.take(60), 'free again after the turn')
    t.ok(driver.take(65535 + 14), 'and one of full size')
    t.equal(driver.take(1 << 20), null)
  },
)

t.test('the link goes down and up, vanishes and comes back', async t => {
  const { driver, here, peer, python, take, counters } = await lab(t)
  const [frame] = frames([
    `Ether(dst='02:00:00:00:00:01',src='02:00:00:00:00:02')/IP(dst='198.51.100.1')/TCP()`,
  ])
  const send = (via: PacketPeer) => via.send('q0', [bytes(VNET_NONE + frame!)])
  here.ip('link set p0 down')
  take(1)
  here.ip('link set p0 up')
  await untilRunning(here, 'p0')
  here.enter(() => driver.refreshPorts())
  await send(python)
  t.equal(take(1).length, 1, 'after down and up')
  const { ifIndex } = driver.ports[0]!
  here.ip('link del p0')
  here.enter(() => driver.refreshPorts())
  take(1)
  driver.updateCounters()
  veth(
    { ns: here, name: 'p0', mac: '02:00:00:00:00:01', mtu: 1400 },
    { ns: peer, name: 'q0', mac: '02:00:00:00:00:02' },
  )
  here.enter(() => driver.refreshPorts())
  t.not(driver.ports[0]!.ifIndex, ifIndex)
  t.equal(driver.ports[0]!.mtuOctets, 1400)
  await untilRunning(here, 'p0')
  const again = await PacketPeer.start(peer, ['q0'])
  await send(again)
  t.equal(take(1).length, 1, 'after it was made anew')
  const large = `${frame!}${'55'.repeat(9000)}`
  await again.send('q0', [bytes('01013600a80522001000' + large)])
  t.equal(take(1)[0]?.slice(20), large, 'a large one too')
  const pkt = driver.take(60)!
  pkt.view.setUint16(pkt.l2 + 12, 0x0800)
  driver.send(0, pkt)
  driver.flush()
  t.equal((await again.receive('q0', 1, IP)).length, 1, 'and it sends')
  t.equal(counters[Counter.transmitError], 0)
  await again.stop()
})

t.test('frames that found no slot are counted', async t => {
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  veth({ ns: here, name: 'p0', mac: '02:00:00:00:00:01' }, { ns: peer, name: 'q0' })
  const counters = new Float64Array(COUNTER_NAMES.length)
  const ledger = new DescriptorLedger()
  const driver = here.enter(() => openPacketRing(['p0'], counters, ledger, { slots: 100 }))
  const slots = Math.floor((1 << 20) / 1728)
  const [frame] = frames([`Ether(dst='02:00:00:00:00:01')/IP(dst='198.51.100.1')/UDP()`])
  const python = await PacketPeer.start(peer, ['q0'])
  await python.send(
    'q0',
    Array.from({ length: slots + 100 }, () => bytes(VNET_NONE + frame!)),
  )
  driver.updateCounters()
  t.equal(counters[Counter.ringFull], 100)
  await python.stop()
  driver.close()
})

t.test('opening and closing leaks nothing; a dead predecessor is cleaned up after', async t => {
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  veth({ ns: here, name: 'p0' }, { ns: peer, name: 'q0' })
  const open = () => readdirSync('/proc/self/fd').length
  const mapped = () => readFileSync('/proc/self/maps', 'utf8').match(/socket:/g)?.length ?? 0
  const counters = new Float64Array(COUNTER_NAMES.length)
  here.enter(() => {
    const before = open()
    for (let i = 0; i < 20; i++) openPacketRing(['p0'], counters, new DescriptorLedger()).close()
    t.equal(open(), before)
    t.equal(mapped(), 0)
    t.throws(() => openPacketRing(['p0', 'nosuch0'], counters, new DescriptorLedger()), /nosuch0/)
    t.throws(() => openPacketRing(['lo'], counters, new DescriptorLedger()), /not Ethernet/)
    t.equal(open(), before, 'also when opening fails half way')
    t.equal(mapped(), 0)
    const words = new Int32Array(new SharedArrayBuffer(1024))
    openPacketRing(['p0'], counters, new DescriptorLedger(words))
    t.equal(mapped(), 1)
    const sockets = here.run('cat /proc/net/packet').trim().split('\n').length
    t.equal(sockets, 2, 'a title and our socket')
    t.ok(new DescriptorLedger(words).closeLeftover() > 4)
    t.equal(open(), before, 'what the words remember is closed')
    t.equal(mapped(), 0, 'and unmapped')
    t.equal(
      here.run('cat /proc/net/packet').trim().split('\n').length,
      1,
      'so the kernel is rid of it',
    )
  })
})
