// IPv6 extension headers that need a decision, held against the host's own kernel: to closed ports
// that the guard hides here, and through nftables DNAT there and NAT here.
import t from 'tap'
import { KernelTwin, VIP } from '../../fixtures/kernel-twin.js'
import { buildBytes, toHex, type PacketRecord } from '../../fixtures/packets.js'
import { Director } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

const CLIENT = '2001:db8:1::1'
const SERVER = '2001:db8:10::11'
const LAB = {
  ...{ vips: [VIP.ipv4], vips6: [VIP.ipv6], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
}
const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const DESTINATION = 60
const SEGMENT = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77]
/** Of a datagram each: two with one identification are a mistake, to the kernel as well. */
const fragment = (id: number) => ({ protocol: FRAGMENT, bytes: [0, 0, 0, 0, 0, 0, 0, id] })
const padding = { protocol: DESTINATION, bytes: [0, 0, 1, 4, 0, 0, 0, 0] }
const routing = (type: number, left: number) => ({
  protocol: ROUTING,
  bytes: [0, 2, type, left, 0, 0, 0, 0, ...SEGMENT],
})
const hopByHop = (...options: number[]) => ({ protocol: HOP_BY_HOP, bytes: [0, 0, ...options] })

type Extensions = NonNullable<PacketRecord['extensions']>
const CASES: Record<string, Extensions> = {
  'a fragment that is all': [fragment(1)],
  'destination options, then a fragment that is all': [padding, fragment(2)],
  'a fragment that is all, then destination options': [fragment(3), padding],
  'routing that is done': [routing(0, 0)],
  'routing of an unknown kind that is done': [routing(253, 0)],
  'hop by hop, padding': [hopByHop(1, 4, 0, 0, 0, 0)],
  'hop by hop, router alert': [hopByHop(5, 2, 0, 0, 1, 0)],
  'hop by hop, unknown and to be skipped': [hopByHop(0x1e, 2, 0, 0, 1, 0)],
  'hop by hop, unknown and to be dropped': [hopByHop(0x5e, 2, 0, 0, 1, 0)],
  'hop by hop, padding that is not zero': [hopByHop(1, 4, 0, 0, 1, 0)],
  'hop by hop, longer than its header': [hopByHop(0x1e, 9, 0, 0, 0, 0)],
}
const FAR: Record<string, Extensions> = {
  'type 0': [routing(0, 1)],
  'type 2': [routing(2, 1)],
  'type 4': [routing(4, 1)],
  'an unknown kind': [routing(253, 2)],
}

const twin = await KernelTwin.start()
t.teardown(() => twin.stop())
// Reassembly comes with it, as it does with IPVS.
twin.rules(`table ip6 nat { chain pre {
  type nat hook prerouting priority -100;
  ip6 daddr ${VIP.ipv6} udp dport 81 dnat ip6 to [${SERVER}]:8080
}
}`)

type Transport = Pick<PacketRecord, 'tcp' | 'udp'>
const udpTo = (dstPort: number): Transport => ({
  udp: { srcPort: 4000, dstPort, payload: Uint8Array.of(1, 2, 3, 4) },
})

const bytesOf = (extensions: Extensions, transport: Transport) =>
  buildBytes({ src: CLIENT, dst: VIP.ipv6, extensions, ...transport })

async function engine(): Promise<Director> {
  const director = new Director(LAB, makeDriver)
  for (const line of [
    `-A -u [${VIP.ipv6}]:80 -s rr`,
    `-A -t [${VIP.ipv6}]:80 -s rr`,
    `-A -u [${VIP.ipv6}]:81 -s rr`,
    `-a -u [${VIP.ipv6}]:81 -r [${SERVER}]:8080 -m`,
  ])
    await director.command(`ipvsadm ${line}`)
  return director
}

/** Without the flow label, which the kernel makes up for its own packets. */
const shown = (octets: Uint8Array) => {
  const ip = Buffer.from(octets)
  if (ip[6] === 58) ip.writeUInt32BE(0x60000000, 0)
  return toHex(ip)
}

/** What comes out on either wire, of the kernel and of the engine. */
async function both(all: Record<string, Extensions>, transport: Transport) {
  const director = await engine()
  const packets = Object.values(all).map(extensions => bytesOf(extensions, transport))
  const { client, server } = await twin.ask('client', packets)
  const frames = packets.flatMap(ip => {
    director.inject('client', ip)
    return director.take()
  })
  const on = (wire: string) => frames.filter(f => f.port === wire).map(f => shown(f.ip))
  return {
    seen: { client: on('client'), server: on('server') },
    wanted: { client: client.map(shown), server: server.map(shown) },
  }
}

/** The kernel's own upper layers do not find what follows such a fragment; IPVS does. */
const LOCAL = Object.fromEntries(Object.entries(CASES).filter(([, all]) => all[0] !== padding))
/** Of the cases, those whose hop-by-hop options are good; the kernel answers to none of the rest. */
const GOOD = Object.keys(CASES).length - 3

t.test('to a closed port', async t => {
  const { seen, wanted } = await both(LOCAL, udpTo(80))
  t.strictSame(seen, wanted)
  t.equal(wanted.client.length, GOOD - 1)
})

t.test('translated', async t => {
  const { seen, wanted } = await both(CASES, udpTo(81))
  t.strictSame(seen, wanted)
  t.equal(wanted.server.length, GOOD)
})

t.test('segments left, and left to the host: it drops or says what is wrong', async t => {
  const { seen, wanted } = await both(FAR, {
    tcp: { srcPort: 4000, dstPort: 80, flags: '.' },
  })
  t.strictSame(seen, wanted)
  t.equal(wanted.client.length, 3, 'all but segment routing')
})

t.test('segments left, and a server: IPVS comes before the host looks', async t => {
  const director = await engine()
  for (const extensions of Object.values(FAR)) {
    director.inject('client', bytesOf(extensions, udpTo(81)))
    t.strictSame(director.take().map(f => f.port), ['server']) // prettier-ignore
  }
})
