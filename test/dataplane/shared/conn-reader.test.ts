import t from 'tap'
import {
  ConnReader,
  RECORDS_PER_SCAN,
  type ConnRecord,
} from '../../../dataplane/shared/conn-reader.js'
import * as record from '../../../dataplane/shared/conn-record.js'
import { TICK } from '../../../dataplane/shared/memory.js'
import * as address from '../../../dataplane/wire/address.js'
import { World } from '../ipvs/world.js'

interface Opening {
  client: string
  vip: string
  protocol?: number
  cport?: number
  flags?: number
}

function open(world: World, row: number, opening: Opening): number {
  const { client, vip, protocol = 6, cport = 40000, flags = 0 } = opening
  const { family, w0: c0, w1: c1, w2: c2, w3: c3 } = address.parse(client)!
  const { w0: v0, w1: v1, w2: v2, w3: v3 } = address.parse(vip)!
  const ends = { family, protocol, c0, c1, c2, c3, cport, v0, v1, v2, v3 }
  Object.assign(world.conns.params, ends, { vport: 443, dport: 8443 })
  const c = world.conns.create(world.conns.params, world.dests.get(row)!, flags, 0)
  world.conns.release(c)
  return c
}

function filled(): { world: World; reader: ConnReader } {
  const world = new World({ startTick: 1000 })
  world.addDest('10.0.0.1', 8443)
  world.addDest('2001:db8:10::1', 8443, { method: 3 })
  open(world, 1, { client: '192.0.2.1', vip: '198.51.100.1' })
  open(world, 2, { client: '2001:db8:2::1', vip: '2001:db8:100::1', protocol: 17 })
  open(world, 1, { client: '192.0.2.0', vip: '198.51.100.1', cport: 0, flags: record.TEMPLATE })
  open(world, 1, { client: '192.0.2.2', vip: '198.51.100.2', protocol: 132 })
  new Int32Array(world.control)[TICK] = 1000
  return { world, reader: new ConnReader(world.memory, world.control) }
}

t.test('a record as the API shows it', async t => {
  const { world, reader } = filled()
  world.conns.records.setState(8, 1)
  world.conns.records.setInPkts(8, 5)
  new Int32Array(world.control)[TICK] = 1099
  t.match(reader.read(8), {
    protocol: 'tcp',
    family: 'ipv4',
    client: { address: '192.0.2.1', port: 40000 },
    virtual: { address: '198.51.100.1', port: 443 },
    realServer: { address: '10.0.0.1', port: 8443 },
    state: 'ESTABLISHED',
    expiresInSeconds: 2,
    destRow: 1,
    forwarding: 'masq',
    template: false,
    inPkts: 5,
  } satisfies Partial<ConnRecord>)
  t.match(reader.read(9), {
    protocol: 'udp',
    family: 'ipv6',
    client: { address: '2001:db8:2::1', port: 40000 },
    virtual: { address: '2001:db8:100::1', port: 443 },
    realServer: { address: '2001:db8:10::1', port: 8443 },
    state: 'UDP',
    forwarding: 'dr',
  } satisfies Partial<ConnRecord>)
  t.match(reader.read(10), { template: true, state: 'NONE' })
  t.equal(reader.read(11)?.state, 'NONE')
  world.conns.remove(8)
  t.equal(reader.read(8), null)
})

t.test('filters', async t => {
  const { reader } = filled()
  const ports = (filter: Parameters<ConnReader['scan']>[2]) =>
    reader.scan(0, 100, filter).items.map(({ client }) => client.address)
  t.strictSame(ports({}), ['192.0.2.1', '2001:db8:2::1', '192.0.2.0', '192.0.2.2'])
  t.strictSame(ports({ protocol: 'tcp' }), ['192.0.2.1', '192.0.2.0'])
  t.strictSame(ports({ protocol: 'bogus' }), [])
  t.strictSame(ports({ client: { address: '2001:db8:2::1' } }), ['2001:db8:2::1'])
  t.strictSame(ports({ client: { address: '2001:db8:2::2' } }), [])
  t.strictSame(ports({ client: { address: '192.0.2.1', port: 40000 } }), ['192.0.2.1'])
  t.strictSame(ports({ client: { address: '192.0.2.1', port: 1 } }), [])
  t.strictSame(ports({ client: { address: 'nonsense' } }), [])
  t.strictSame(ports({ virtual: { address: '198.51.100.2', port: 443 } }), ['192.0.2.2'])
  t.strictSame(ports({ virtual: { address: '2001:db8:100::1' } }), ['2001:db8:2::1'])
  t.strictSame(ports({ destRow: 2 }), ['2001:db8:2::1'])
  t.strictSame(ports({ state: 'UDP' }), ['2001:db8:2::1'])
})

t.test('pages go through all records once, in bounded steps', async t => {
  const capacity = 2 * RECORDS_PER_SCAN + 5000
  const world = new World({ capacity })
  world.addDest('10.0.0.1', 80)
  for (let i = 0; i < capacity; i++) {
    open(world, 1, { client: address.format4(i), vip: '198.51.100.1' })
  }
  const reader = new ConnReader(world.memory, world.control)
  const seen = new Set<string>()
  let cursor: number | null = 0
  for (let pages = 0; cursor !== null; pages++) {
    const page = reader.scan(cursor, 1000)
    for (const { client } of page.items) seen.add(client.address)
    t.ok(page.items.length === 1000 || page.nextCursor === null)
    cursor = page.nextCursor
    if (pages > 1000) t.fail('endless')
  }
  t.equal(seen.size, capacity)
  // A filter that lets one through: short pages, but never more than a bounded look.
  const last = { client: { address: address.format4(capacity - 1) } }
  const first = reader.scan(0, 100, last)
  t.strictSame(first, { items: [], nextCursor: 8 + RECORDS_PER_SCAN })
  const second = reader.scan(first.nextCursor!, 100, last)
  t.equal(second.items.length, 0)
  const third = reader.scan(second.nextCursor!, 100, last)
  t.equal(third.items.length, 1)
  t.equal(third.nextCursor, null)
})

t.test('a record that changes hands while it is read is passed over', async t => {
  const { world } = filled()
  const words = record.wordsOf(world.memory)
  // The reader looks at the serial number first and last: let it be taken anew in between.
  const reader = new ConnReader(world.memory, world.control)
  const load = Atomics.load
  let loads = 0
  t.teardown(() => {
    Atomics.load = load
  })
  Atomics.load = ((array: Int32Array, index: number) => {
    if (++loads === 3) words[8 * record.WORDS + record.SERIAL]! += 1
    return load(array, index)
  }) as typeof Atomics.load
  t.equal(reader.read(8), null)
  t.not(reader.read(8), null)
})
