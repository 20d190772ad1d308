import t from 'tap'
import { Flow } from '../../../dataplane/packet.js'
import { NO_CPORT, TEMPLATE } from '../../../dataplane/shared/conn-record.js'
import { CONNS, CONNS_HIGH } from '../../../dataplane/shared/memory.js'
import * as address from '../../../dataplane/wire/address.js'
import { seeded } from '../../fixtures/random.js'
import { World } from './world.js'

const DROUTE = 3
const VIP = '198.51.100.1'
const VIP6 = '2001:db8:100::1'

interface Ends {
  client: string
  cport: number
  vip?: string
  vport?: number
  protocol?: number
}

function flow(src: string, srcPort: number, dst: string, dstPort: number, protocol = 6): Flow {
  const from = address.parse(src)!
  const to = address.parse(dst)!
  const { w0: src0, w1: src1, w2: src2, w3: src3, family } = from
  const { w0: dst0, w1: dst1, w2: dst2, w3: dst3 } = to
  const words = { src0, src1, src2, src3, dst0, dst1, dst2, dst3 }
  return Object.assign(new Flow(), { family, protocol, ...words, srcPort, dstPort })
}

function open(
  world: World,
  { client, cport, vip = VIP, vport = 80, protocol = 6 }: Ends,
  flags = 0,
) {
  const { family, w0: c0, w1: c1, w2: c2, w3: c3 } = address.parse(client)!
  const { w0: v0, w1: v1, w2: v2, w3: v3 } = address.parse(vip)!
  const ends = { family, protocol, c0, c1, c2, c3, cport, v0, v1, v2, v3, vport }
  Object.assign(world.conns.params, ends, { dport: 8080 })
  const dest = world.dests.get(family === 6 ? 2 : 1)!
  const c = world.conns.create(world.conns.params, dest, flags, 0)
  world.conns.release(c)
  return c
}

function withDests(method = 0): World {
  const world = new World()
  world.addDest('10.0.0.1', 8080, { method })
  world.addDest('2001:db8:10::1', 8080, { method })
  return world
}

t.test('a NAT connection is found from both sides, IPv4 and IPv6, and quoted by ICMP', async t => {
  for (const [client, vip, server] of [
    ['192.0.2.1', VIP, '10.0.0.1'],
    ['2001:db8:2::1', VIP6, '2001:db8:10::1'],
  ] as const) {
    const world = withDests()
    const { table } = world.conns
    const c = open(world, { client, cport: 40000, vip })
    t.ok(c > 0)
    t.equal(table.inGet(flow(client, 40000, vip, 80)), c)
    t.equal(table.inGetInverse(flow(vip, 80, client, 40000)), c)
    t.equal(table.outGet(flow(server, 8080, client, 40000)), c)
    t.equal(table.outGetInverse(flow(client, 40000, server, 8080)), c)
    // One thing different each.
    t.equal(table.inGet(flow(client, 40001, vip, 80)), 0)
    t.equal(table.inGet(flow(client, 40000, vip, 81)), 0)
    t.equal(table.inGet(flow(client, 40000, vip, 80, 17)), 0)
    t.equal(table.inGet(flow(client, 40000, server, 80)), 0)
    t.equal(table.outGet(flow(server, 80, client, 40000)), 0)
    t.equal(table.outGet(flow(vip, 80, client, 40000)), 0, 'NAT does not answer from the VIP')
  }
})

t.test('each word of an IPv6 address counts', async t => {
  const world = withDests()
  const { table } = world.conns
  const c = open(world, { client: '2001:db8:2::1', cport: 40000, vip: VIP6 })
  for (const other of ['2001:db9:2::1', '2001:db8:3::1', '2001:db8:2:0:1::1', '2001:db8:2::2']) {
    t.equal(table.inGet(flow(other, 40000, VIP6, 80)), 0, other)
    t.equal(table.outGet(flow('2001:db8:10::1', 8080, other, 40000)), 0, other)
  }
  for (const other of ['2001:db8:101::1', '2001:db8:100:0:1::1', '2001:db8:100::2']) {
    t.equal(table.inGet(flow('2001:db8:2::1', 40000, other, 80)), 0, other)
  }
  t.equal(table.inGet(flow('2001:db8:2::1', 40000, VIP6, 80)), c)
})

t.test('a direct-routing connection answers from the virtual address', async t => {
  const world = withDests(DROUTE)
  const { table } = world.conns
  const c = open(world, { client: '192.0.2.1', cport: 40000 })
  t.equal(table.outGet(flow(VIP, 80, '192.0.2.1', 40000)), c)
  t.equal(table.outGet(flow('10.0.0.1', 8080, '192.0.2.1', 40000)), 0)
})

t.test('the newest of two with the same addresses is found', async t => {
  const world = withDests()
  const { table } = world.conns
  const ends = { client: '192.0.2.1', cport: 40000 }
  const first = open(world, ends)
  const second = open(world, ends)
  t.not(first, second)
  t.equal(table.inGet(flow('192.0.2.1', 40000, VIP, 80)), second)
  table.unhash(second)
  t.equal(table.inGet(flow('192.0.2.1', 40000, VIP, 80)), first)
})

t.test('an expected connection takes any client port, once', async t => {
  const world = withDests()
  const { conns } = world
  const { table } = conns
  const expected = open(world, { client: '192.0.2.1', cport: 0, vport: 5000 }, NO_CPORT)
  t.equal(table.inGet(flow('192.0.2.1', 40000, VIP, 5000)), expected)
  t.equal(table.inGet(flow('192.0.2.2', 40000, VIP, 5000)), 0)
  conns.fillCport(expected, 40000)
  t.equal(table.inGet(flow('192.0.2.1', 40000, VIP, 5000)), expected)
  t.equal(table.inGet(flow('192.0.2.1', 40001, VIP, 5000)), 0)
  t.equal(conns.records.flags(expected) & NO_CPORT, 0)
  conns.fillCport(expected, 1)
  t.equal(conns.records.cport(expected), 40000)
})

t.test('source port 0 makes an ordinary connection that nothing finds again', async t => {
  // As Linux does: port 0 is looked for among expected connections only.
  const world = withDests()
  const c = open(world, { client: '192.0.2.1', cport: 0, protocol: 17 })
  t.ok(c > 0)
  t.equal(world.conns.table.inGet(flow('192.0.2.1', 0, VIP, 80, 17)), 0)
})

t.test('templates are found by their own lookup only', async t => {
  const world = withDests()
  const { table } = world.conns
  const template = open(world, { client: '192.0.2.0', cport: 0, vport: 80 }, TEMPLATE)
  const c0 = address.parse4('192.0.2.0')!
  const v0 = address.parse4(VIP)!
  t.equal(table.templateGet(4, 6, c0, 0, 0, 0, v0, 0, 0, 0, 80), template)
  t.equal(table.templateGet(4, 6, c0, 0, 0, 0, v0, 0, 0, 0, 0), 0)
  t.equal(table.templateGet(4, 17, c0, 0, 0, 0, v0, 0, 0, 0, 80), 0)
  t.equal(table.inGet(flow('192.0.2.0', 0, VIP, 80)), 0)
  world.conns.invalidateTemplate(template)
  t.equal(table.templateGet(4, 6, c0, 0, 0, 0, v0, 0, 0, 0, 80), 0)
  t.equal(world.conns.records.vport(template), 65535)
  t.equal(world.conns.records.dport(template), 65535)
})

t.test('a full table refuses, and a freed record is used again', async t => {
  const world = new World({ capacity: 3 })
  world.addDest('10.0.0.1', 8080)
  const control = new Int32Array(world.control)
  const all = [1, 2, 3].map(i => open(world, { client: '192.0.2.1', cport: i }))
  t.strictSame(all, [8, 9, 10])
  t.equal(world.conns.records.limit, 3)
  t.equal(world.conns.create(world.conns.params, null, 0, 0), 0)
  t.strictSame([control[CONNS], control[CONNS_HIGH]], [3, 10])
  world.conns.remove(all[1]!)
  t.equal(control[CONNS], 2)
  t.equal(open(world, { client: '192.0.2.1', cport: 4 }), all[1])
})

t.test('any sequence of insertions and removals finds what a Map finds', async t => {
  const random = seeded(t)
  const world = withDests()
  const { table } = world.conns
  const known = new Map<string, number[]>()
  for (let step = 0; step < 20_000; step++) {
    const client = random(2) === 0 ? `192.0.2.${random(16)}` : `2001:db8::${random(16)}`
    const cport = 1 + random(20)
    const vip = client.includes(':') ? VIP6 : VIP
    const server = client.includes(':') ? '2001:db8:10::1' : '10.0.0.1'
    const protocol = random(2) === 0 ? 6 : 17
    const key = `${client} ${cport} ${protocol}`
    const stack = known.get(key) ?? []
    known.set(key, stack)
    if (random(2) === 0 && world.conns.records.size < 1000) {
      stack.push(open(world, { client, cport, vip, protocol }))
    } else if (stack.length > 0) {
      world.conns.remove(stack.splice(random(stack.length), 1)[0]!)
    }
    const want = stack.at(-1) ?? 0
    const got = table.inGet(flow(client, cport, vip, 80, protocol))
    const out = table.outGet(flow(server, 8080, client, cport, protocol))
    if (got !== want || out !== want) t.fail(`${key}: ${got} and ${out}, not ${want}`)
  }
  t.equal(world.conns.records.size, [...known.values()].flat().length)
})

t.test('chains stay short, also when only the port or one octet differs', async t => {
  // Two clients with many ports each, and one port of many clients: compare costs as time ratios
  // would be fragile, so count how many of the 8192 buckets are in use instead.
  for (const vary of ['port', 'octet', 'word'] as const) {
    const world = new World({ capacity: 4096 })
    world.addDest('10.0.0.1', 8080)
    world.addDest('2001:db8:10::1', 8080)
    for (let i = 0; i < 4096; i++) {
      const ends = {
        port: { client: '192.0.2.1', cport: 1024 + i },
        octet: { client: `10.${i >> 8}.${i & 255}.7`, cport: 40000 },
        word: { client: `2001:db8:${i.toString(16)}::1`, cport: 40000, vip: VIP6 },
      }[vary]
      open(world, ends)
    }
    const words = world.conns.records.words
    let chained = 0
    for (let c = 8; c < 8 + 4096; c++) if (words[c * 32] !== 0) chained++
    // Random placement leaves e ** -0.5 of the buckets empty; in the others one record each is last.
    const random = 1 - 2 * (1 - Math.exp(-0.5))
    t.ok(Math.abs(chained / 4096 - random) < 0.04, `${vary}: ${chained} have a successor`)
  }
})
