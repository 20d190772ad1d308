// Packet too big about a tunnel's outer IPv6 header: the kernel's route learns it, and large packets
// are refused from then on with an MTU that leaves room for the tunnel.
import t from 'tap'
import { buildBytes, fromHex } from '../../fixtures/packets.js'
import { commandBench, VIPS } from './command-bench.js'

const CLIENT = '2001:db8:c::9'
const SERVER = '2001:db8:10::11'
const OTHER = '2001:db8:10::12'
/** The director's end on the servers' side. */
const OUTER = '2001:db8:10::1'
const ROUTER = '2001:db8:10::99'
const IPV6_OCTETS = 40
const UDP_OCTETS = 8
const PACKET_TOO_BIG = 2

const bench = () =>
  commandBench(`-A -u [${VIPS[6]}]:53 -s rr`, `-a -u [${VIPS[6]}]:53 -r [${SERVER}]:53 -i`)

const datagram = (octets: number) => ({
  ...{ src: CLIENT, dst: VIPS[6] },
  udp: {
    ...{ srcPort: 4000, dstPort: 53 },
    payload: new Uint8Array(octets - IPV6_OCTETS - UDP_OCTETS),
  },
})

/** About a packet inside a tunnel to that server. */
const tooBig = (server: string, mtuOctets: number) => {
  const bytes = buildBytes(datagram(1400)).subarray(0, 1100)
  const payload = buildBytes({ src: OUTER, dst: server, raw: { protocol: 41, bytes } })
  return {
    ...{ src: ROUTER, dst: OUTER },
    icmp: { type: PACKET_TOO_BIG, code: 0, rest: mtuOctets, payload },
  }
}

/** What was sent, as `tunnel` or the MTU that the client is told. */
function outcome(packets: readonly string[]): (string | number)[] {
  return packets.map(packet => {
    const b = Buffer.from(fromHex(packet))
    if (b[6] === 41) return 'tunnel'
    return b[6] === 58 && b[40] === PACKET_TOO_BIG ? b.readUInt32BE(44) : 'other'
  })
}

t.test('the route learns, and the client is told with room for the tunnel', async t => {
  const { wire } = await bench()
  t.strictSame(outcome(wire(0, datagram(1400))), ['tunnel'])
  t.strictSame(wire(1, tooBig(SERVER, 1400)), [], 'the report itself is answered with nothing')
  t.strictSame(outcome(wire(0, datagram(1400))), [1400 - IPV6_OCTETS])
  t.strictSame(outcome(wire(0, datagram(1360))), ['tunnel'], 'what fits still goes')
})

t.test('nothing is learnt of other hosts, nor below what IPv6 allows', async t => {
  const { wire } = await bench()
  wire(0, datagram(1400))
  wire(1, tooBig(OTHER, 1400))
  t.strictSame(outcome(wire(0, datagram(1400))), ['tunnel'])
  // RFC 8201 section 4: a report below 1280 is not believed; 1280 leaves no room for IPv6 inside.
  wire(1, tooBig(SERVER, 600))
  t.strictSame(outcome(wire(0, datagram(1400))), [])
})
