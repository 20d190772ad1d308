// ICMP errors where the recordings have none (semantics 6.1 to 6.3, 7.1, 7.2).
import t from 'tap'
import { buildBytes, toHex, type PacketRecord } from '../../fixtures/packets.js'
import { Director, type SeenFrame } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

const CLIENT = '10.1.0.1'
const VIP = '10.0.0.100'
const SERVER = '192.168.10.11'
const ROUTER = '192.168.10.12'
const CLIENT6 = '2001:db8:1::1'
const VIP6 = '2001:db8::100'
const SPI = { protocol: 50, bytes: new Uint8Array(24).fill(0x55) }

async function setup(commands: readonly string[], mtuOctets = 1500) {
  const lab = { vips: [VIP], vips6: [VIP6], mtu_s: mtuOctets, mtu_c: 1500, icmp_ratelimit: 0 }
  const director = new Director(lab, makeDriver)
  for (const command of commands) {
    const { out } = await director.command(command)
    if (out !== '') throw new Error(out)
  }
  return director
}

const service = (options: string, method: string) => [
  `ipvsadm -A ${options} -s rr`,
  `ipvsadm -a ${options} -r ${SERVER} ${method}`,
]
const text = (frames: readonly SeenFrame[]) => frames.map(f => `${f.port} ${toHex(f.ip)}`)

/** An error about `quoted`; `wrong` spoils its checksum. */
function error(src: string, dst: string, quoted: PacketRecord, ttl = 64, wrong = false) {
  const payload = buildBytes(quoted)
  const ip = buildBytes({ src, dst, ttl, icmp: { type: 3, code: 1, payload } })
  if (wrong) ip[22]! ^= 0xff
  return ip
}

t.test('errors about AH and ESP follow the key exchange; only addresses change', async t => {
  const director = await setup(service(`-u ${VIP}:500`, '-m'))
  const udp = { srcPort: 500, dstPort: 500 }
  director.inject('client', buildBytes({ src: CLIENT, dst: VIP, udp }))
  director.take()
  director.inject('client', error(CLIENT, VIP, { src: VIP, dst: CLIENT, raw: SPI }))
  const inward = error(CLIENT, SERVER, { src: SERVER, dst: CLIENT, raw: SPI }, 63)
  t.strictSame(text(director.take()), [`server ${toHex(inward)}`])
  director.inject('server', error(ROUTER, CLIENT, { src: CLIENT, dst: SERVER, raw: SPI }))
  const outward = error(VIP, CLIENT, { src: CLIENT, dst: VIP, raw: SPI }, 63)
  t.strictSame(text(director.take()), [`client ${toHex(outward)}`])
})

t.test('a wrong checksum drops what would be translated, and nothing else', async t => {
  const director = await setup([...service(`-t ${VIP}:80`, '-m'), ...service(`-t ${VIP}:81`, '-g')])
  const syn = (dstPort: number) => ({ srcPort: 4000, dstPort, flags: 'S' })
  for (const port of [80, 81])
    director.inject('client', buildBytes({ src: CLIENT, dst: VIP, tcp: syn(port) }))
  director.take()
  const about = (dst: string, tcp: ReturnType<typeof syn>) => ({ src: CLIENT, dst, tcp })
  director.inject('server', error(SERVER, CLIENT, about(SERVER, syn(80)), 64, true))
  t.strictSame(director.take(), [], 'of NAT')
  const others = [about(VIP, syn(81)), about(SERVER, { ...syn(80), srcPort: 4001 })]
  for (const [i, quoted] of others.entries()) {
    director.inject('server', error(SERVER, CLIENT, quoted, 64, true))
    const through = error(SERVER, CLIENT, quoted, 63, true)
    t.strictSame(text(director.take()), [`client ${toHex(through)}`], `forwarded ${i}`)
  }
})

for (const [vip, loopback, src] of [
  [VIP, '127.0.0.1', CLIENT],
  [`[${VIP6}]`, '[::1]', CLIENT6],
] as const) {
  t.test(`NAT leads nothing from the network to ${loopback}`, async t => {
    const director = await setup([
      `ipvsadm -A -t ${vip}:80 -s rr`,
      `ipvsadm -a -t ${vip}:80 -r ${loopback}:80 -m`,
    ])
    const dst = vip.replace(/[[\]]/g, '')
    const tcp = { srcPort: 4000, dstPort: 80, flags: 'S' }
    director.inject('client', buildBytes({ src, dst, tcp }))
    t.strictSame(director.take(), [])
    t.match((await director.command('ipvsadm -Lnc')).out, /SYN_RECV/, 'but a connection is made')
  })
}

t.test('an ICMPv6 error too large for the tunnel is dropped: errors are never cut', async t => {
  const director = await setup(
    [`ipvsadm -A -t [${VIP6}]:80 -s rr`, `ipvsadm -a -t [${VIP6}]:80 -r [2001:db8:10::11]:80 -i`],
    1330,
  )
  const tcp = { srcPort: 4000, dstPort: 80, flags: 'S' }
  director.inject('client', buildBytes({ src: CLIENT6, dst: VIP6, tcp }))
  t.equal(director.take().length, 1)
  const back = { srcPort: 80, dstPort: 4000, flags: '.', payload: new Uint8Array(1232) }
  const payload = buildBytes({ src: VIP6, dst: CLIENT6, tcp: back })
  const sent = (octets: number) => {
    const icmp = { type: 1, code: 3, payload: payload.subarray(0, octets - 48) }
    director.inject('client', buildBytes({ src: CLIENT6, dst: VIP6, icmp }))
    return director.take().length
  }
  t.equal(sent(1290), 1, '1330 with the outer header')
  t.equal(sent(1291), 0)
})

t.test('nat_icmp_send knows the servers of a service by mark, whatever the protocol', async t => {
  const director = await setup(['ipvsadm -A -f 7 -s rr', `ipvsadm -a -f 7 -r ${SERVER}:8080 -m`])
  director.sysctl('nat_icmp_send', '1')
  const udp = { srcPort: 8080, dstPort: 4000 }
  director.inject('server', buildBytes({ src: SERVER, dst: CLIENT, udp }))
  const [answer, ...more] = director.take()
  t.equal(more.length, 0)
  t.equal(answer?.port, 'server')
  t.strictSame([...answer!.ip.subarray(20, 22)], [3, 3])
})

for (const [family, vip, client, server, option] of [
  [4, '203.0.113.7', CLIENT, SERVER, ''],
  [6, '2001:db8:7::7', CLIENT6, '2001:db8:10::11', ' -6'],
] as const) {
  t.test(
    `an error to a marked address that is not ours, IPv${family}, finds its server`,
    async t => {
      const to = family === 4 ? server : `[${server}]`
      const director = await setup([
        `ipvsadm -A -f 7${option} -s rr`,
        `ipvsadm -a -f 7${option} -r ${to}:0 -m`,
      ])
      const destination = `${vip}/${family === 4 ? 32 : 128}`
      const rule = { mark: 7, protocol: 'tcp', destination, ports: [80] } as const
      director.addMarkRule({ ...rule, family: family === 4 ? 'ipv4' : 'ipv6' })
      const tcp = { srcPort: 4000, dstPort: 80, flags: 'S' }
      director.inject('client', buildBytes({ src: client, dst: vip, tcp }))
      t.equal(director.take()[0]?.port, 'server')
      const answer = { srcPort: 80, dstPort: 4000, flags: 'S.' }
      const about = (src: string, ttl: number) => {
        const payload = buildBytes({ src, dst: client, tcp: answer })
        const type = family === 4 ? 3 : 1
        const dst = src
        return buildBytes({ src: client, dst, ttl, icmp: { type, code: 1, payload } })
      }
      director.inject('client', about(vip, 64))
      const frames = director.take().filter(({ port }) => port === 'server')
      t.equal(frames.length, 1)
      const seen = Buffer.from(frames[0]!.ip)
      // Routing takes one hop off, and IPVS another. The quote's own checksum is left alone.
      const wanted = Buffer.from(about(server, 62))
      const l4 = family === 4 ? 20 : 40
      const within = l4 + 8 + l4
      for (const ip of [seen, wanted]) {
        ip.fill(0, l4 + 2, l4 + 4)
        ip.fill(0, within + 16, within + 18)
      }
      t.equal(toHex(seen), toHex(wanted))
      director.inject('client', about(vip, 1))
      t.strictSame(director.take(), [], 'one that has no hop left goes nowhere')
    },
  )
}
