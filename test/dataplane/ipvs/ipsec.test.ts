// AH and ESP follow the key exchange's connection (semantics 5.4).
import t from 'tap'
import { buildBytes, toHex } from '../../fixtures/packets.js'
import { Director, type SeenFrame } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

const VIP = '10.0.0.100'
const VIP6 = '2001:db8::100'
const SPI = new Uint8Array(24).fill(0x55)

async function setup() {
  const lab = { vips: [VIP], vips6: [VIP6], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 }
  const director = new Director(lab, makeDriver)
  const run = async (line: string) => t.equal((await director.command(line)).out, '', line)
  await run(`ipvsadm -A -u ${VIP}:500 -s rr`)
  await run(`ipvsadm -a -u ${VIP}:500 -r 192.168.10.11 -m`)
  await run(`ipvsadm -A -u [${VIP6}]:500 -s rr`)
  await run(`ipvsadm -a -u [${VIP6}]:500 -r [2001:db8:10::11]:500 -m`)
  return { director, run }
}

const ends = {
  4: { client: '10.1.0.1', vip: VIP, real: '192.168.10.11' },
  6: { client: '2001:db8:1::1', vip: VIP6, real: '2001:db8:10::11' },
}
const isakmp = { srcPort: 500, dstPort: 500 }
const esp = (src: string, dst: string, ttl = 64, protocol = 50) =>
  buildBytes({ src, dst, ttl, raw: { protocol, bytes: SPI } })
const text = (frames: readonly SeenFrame[]) => frames.map(f => `${f.port} ${toHex(f.ip)}`)

for (const family of [4, 6] as const) {
  const { client, vip, real } = ends[family]
  t.test(`IPv${family}: both directions, addresses only`, async t => {
    const { director } = await setup()
    director.inject('client', buildBytes({ src: client, dst: vip, udp: isakmp }))
    director.take()
    director.inject('client', esp(client, vip))
    t.strictSame(text(director.take()), [`server ${toHex(esp(client, real, 63))}`])
    director.inject('server', esp(real, client))
    t.strictSame(text(director.take()), [`client ${toHex(esp(vip, client, 63))}`])
  })
}

t.test('AH too; it keeps the connection alive and counts in it', async t => {
  const { director } = await setup()
  const { client, vip } = ends[4]
  director.inject('client', buildBytes({ src: client, dst: vip, udp: isakmp }))
  director.advanceTo(200_000)
  director.inject('client', esp(client, vip, 64, 51))
  director.advanceTo(204_000)
  director.take()
  const { out } = await director.command('ipvsadm -Lnc')
  t.match(out, /UDP 04:5[5-6] {2}UDP/, 'its 300 s began anew')
  const stats = await director.command('ipvsadm -Ln --stats')
  t.match(stats.out, / +1 +2 +0 +72 +0\n/, 'one connection, two packets of 28 and 44 octets')
})

t.test('without a key exchange the host answers: protocol unreachable', async t => {
  const { director } = await setup()
  director.inject('client', esp(ends[4].client, VIP))
  const [answer, ...more] = director.take()
  t.equal(more.length, 0)
  t.equal(answer!.port, 'client')
  t.strictSame([...answer!.ip.slice(20, 22)], [3, 2])
})
