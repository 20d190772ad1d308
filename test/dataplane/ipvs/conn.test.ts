import t from 'tap'
import * as record from '../../../dataplane/shared/conn-record.js'
import { CONNS } from '../../../dataplane/shared/memory.js'
import { TEMPLATE_ASSURED } from '../../../dataplane/ipvs/conn.js'
import type { Dest } from '../../../dataplane/ipvs/dest.js'
import { Flow } from '../../../dataplane/packet.js'
import { World } from './world.js'

const { INACTIVE, NOOUTPUT, ONE_PACKET, SYNCED, TEMPLATE, DROUTE } = record
const UDP = 17
const TCP = 6

function open(world: World, dest: Dest | null, { cport = 40000, flags = 0, protocol = TCP } = {}) {
  Object.assign(world.conns.params, {
    family: 4,
    protocol,
    c0: 0xc0000201 | 0,
    cport,
    v0: 0xc6336401 | 0,
    vport: 80,
    dport: 8080,
  })
  return world.conns.create(world.conns.params, dest, flags, 7)
}

const counts = ({ activeConns, inactConns, persistConns }: Dest) => [
  activeConns,
  inactConns,
  persistConns,
]

t.test('a new connection', async t => {
  const world = new World()
  const dest = world.addDest('10.0.0.1', 8080, { method: DROUTE })
  const c = open(world, dest)
  const { records, wheel } = world.conns
  t.equal(records.flags(c), DROUTE | INACTIVE | NOOUTPUT | record.HASHED)
  t.strictSame(counts(dest), [0, 1, 0])
  t.equal(dest.references, 1)
  t.equal(world.conns.destOf(c), dest)
  t.strictSame([records.state(c), records.protocol(c), records.family(c)], [0, TCP, 4])
  t.strictSame([records.cport(c), records.vport(c), records.dport(c)], [40000, 80, 8080])
  t.strictSame([records.daddr(c, 0), records.fwmark(c)], [0x0a000001, 7])
  t.notOk(wheel.isArmed(c), 'its timer waits for the release')
  world.conns.release(c)
  t.equal(wheel.remaining(c), 300, 'three seconds')
  world.pass(3000)
  t.ok(records.isInUse(c), 'never early')
  world.pass(80)
  t.notOk(records.isInUse(c))
  t.strictSame(counts(dest), [0, 0, 0])
  t.equal(dest.references, 0)
})

t.test('a one-packet connection is never found and ends with its packet', async t => {
  const world = new World()
  const dest = world.addDest('10.0.0.1', 8080)
  const c = open(world, dest, { flags: ONE_PACKET, protocol: UDP })
  const flow = Object.assign(new Flow(), { family: 4, protocol: UDP, srcPort: 40000, dstPort: 80 })
  flow.src0 = 0xc0000201 | 0
  flow.dst0 = 0xc6336401 | 0
  t.equal(world.conns.table.inGet(flow), 0)
  t.strictSame(counts(dest), [0, 1, 0])
  world.conns.release(c)
  t.strictSame(counts(dest), [0, 0, 0])
  t.equal(world.conns.records.size, 0)
})

t.test('only UDP inherits one-packet scheduling from its server', async t => {
  const world = new World()
  const dest = world.addDest('10.0.0.1', 8080)
  dest.connFlags |= ONE_PACKET
  t.equal(world.conns.records.flags(open(world, dest)) & ONE_PACKET, 0)
  t.equal(world.conns.records.flags(open(world, dest, { protocol: UDP })) & ONE_PACKET, ONE_PACKET)
})

t.test('a synchronised connection keeps its activity, a template does not', async t => {
  const world = new World()
  const dest = world.addDest('10.0.0.1', 8080, { method: DROUTE })
  const c = open(world, dest, { flags: SYNCED | record.TUNNEL })
  t.equal(world.conns.records.flags(c) & record.FWD_MASK, DROUTE, 'the method is the server’s')
  t.strictSame(counts(dest), [1, 0, 0])
  open(world, dest, { flags: SYNCED | INACTIVE })
  t.strictSame(counts(dest), [1, 1, 0])
  open(world, dest, { flags: SYNCED | TEMPLATE })
  t.strictSame(counts(dest), [1, 1, 1])
})

t.test('thresholds: overloaded at u, relieved below l or below 75 % of u', async t => {
  for (const [u, l, relievedAt] of [
    [5, 2, 1],
    [8, 0, 5],
    [5, 0, 3],
    [10, 4, 3],
  ] as const) {
    const world = new World()
    const settings = { upperThreshold: u, lowerThreshold: l }
    const dest = world.addDest('10.0.0.1', 8080, settings)
    open(world, dest, { flags: TEMPLATE, cport: 0 })
    const open1 = (i: number) => open(world, dest, { cport: i + 1 })
    const all = Array.from({ length: u }, (_, i) => {
      t.notOk(dest.overloaded, `${i} of ${u}`)
      return open1(i)
    })
    t.ok(dest.overloaded)
    let left: number = u
    for (const c of all) {
      world.conns.remove(c)
      left--
      t.equal(dest.overloaded, left > relievedAt, `u ${u} l ${l}: ${left} left`)
    }
  }
})

t.test('expireNow leaves the entry until the next tick', async t => {
  const world = new World()
  const dest = world.addDest('10.0.0.1', 8080)
  const c = open(world, dest)
  world.conns.release(c)
  world.conns.expireNow(c)
  t.ok(world.conns.records.isInUse(c))
  t.equal(world.conns.wheel.remaining(c), 0)
  t.strictSame(counts(dest), [0, 1, 0])
  world.pass(10)
  t.notOk(world.conns.records.isInUse(c))
})

t.test('a template lives 60 s at a time while it controls a connection', async t => {
  const world = new World()
  const dest = world.addDest('10.0.0.1', 8080)
  const { conns } = world
  const template = open(world, dest, { flags: TEMPLATE, cport: 0 })
  const c = open(world, dest)
  conns.controlAdd(c, template)
  conns.records.setTimeoutTicks(template, 1000)
  conns.records.setTimeoutTicks(c, 90_000)
  conns.release(template)
  conns.release(c)
  t.equal(conns.records.nControl(template), 1)
  world.pass(11_000)
  t.ok(conns.records.isInUse(template))
  t.ok(conns.wheel.remaining(template) > 5800 && conns.wheel.remaining(template) <= 6000)
  // 900 s end at a multiple of 40.96 s, at 901.12; the template then has up to 61.44 s more.
  world.pass(889_000)
  t.ok(conns.records.isInUse(c) && conns.records.isInUse(template))
  world.pass(2_000)
  t.notOk(conns.records.isInUse(c))
  t.ok(conns.records.isInUse(template))
  t.equal(conns.records.nControl(template), 0)
  world.pass(62_000)
  t.notOk(conns.records.isInUse(template))
  t.strictSame(counts(dest), [0, 0, 0])
})

t.test('a forced removal takes an unassured template along, an assured one stays', async t => {
  for (const assured of [false, true]) {
    const world = new World()
    const dest = world.addDest('10.0.0.1', 8080)
    const { conns } = world
    const template = open(world, dest, { flags: TEMPLATE, cport: 0 })
    const [c, other] = [open(world, dest), open(world, dest, { cport: 2 })]
    conns.controlAdd(c, template)
    conns.controlAdd(other, template)
    if (assured) conns.assureControl(c)
    t.equal(conns.records.state(template), assured ? TEMPLATE_ASSURED : 0)
    conns.remove(c)
    t.ok(conns.records.isInUse(template), 'it controls another')
    conns.remove(other)
    t.equal(conns.records.isInUse(template), assured)
  }
})

t.test('connections of deleted servers are purged, with their template', async t => {
  const world = new World()
  const [gone, stays] = [world.addDest('10.0.0.1', 80), world.addDest('10.0.0.2', 80)]
  const { conns } = world
  const template = open(world, gone, { flags: TEMPLATE, cport: 0 })
  conns.controlAdd(open(world, gone, { cport: 1 }), template)
  conns.assureControl(open(world, gone, { cport: 2 }))
  const kept = open(world, stays, { cport: 3 })
  gone.available = false
  let cursor = 0
  let calls = 0
  do {
    cursor = conns.purgeUnavailable(cursor, 2)
    calls++
  } while (cursor !== 0)
  t.ok(calls >= 2)
  t.equal(conns.records.size, 1)
  t.ok(conns.records.isInUse(kept))
  t.strictSame(counts(gone), [0, 0, 0])
  conns.removeAll()
  t.equal(conns.records.size, 0)
})

t.test('removeAll undoes chains of control', async t => {
  const world = new World()
  const dest = world.addDest('10.0.0.1', 80)
  const { conns } = world
  const template = open(world, dest, { flags: TEMPLATE, cport: 0 })
  const [control, data] = [open(world, dest, { cport: 1 }), open(world, dest, { cport: 2 })]
  conns.controlAdd(control, template)
  conns.controlAdd(data, control)
  conns.removeAll()
  t.equal(conns.records.size, 0)
  t.strictSame([...counts(dest), dest.references], [0, 0, 0, 0])
})

t.test('jobs share the wheel', async t => {
  const world = new World()
  const { conns } = world
  const ran: number[] = []
  conns.setJob(1, () => {
    ran.push(conns.wheel.nowTick)
    conns.wheel.arm(1, 200)
  })
  conns.wheel.arm(1, 200)
  world.pass(6500)
  t.strictSame(ran, [208, 416, 624])
})

t.test('a new worker takes the connections over', async t => {
  const dead = new World({ startTick: 5000 })
  const settings = { upperThreshold: 2, row: 5 }
  const kept = dead.addDest('10.0.0.5', 8080, settings)
  const moved = dead.addDest('10.0.0.6', 8080, { row: 6 })
  const { conns } = dead
  const template = open(dead, kept, { flags: TEMPLATE, cport: 0 })
  const c = open(dead, kept, { cport: 1 })
  const twin = open(dead, kept, { cport: 1 })
  const lost = open(dead, moved, { cport: 2 })
  for (const each of [template, c, twin, lost]) conns.release(each)
  conns.controlAdd(c, template)
  conns.controlAdd(lost, template)
  conns.setActive(c, true)
  conns.records.setAdjacency(c, 1)
  conns.wheel.arm(c, 900)
  // Died between allocation and the end of create; and with a wrong count.
  conns.records.allocate()
  kept.activeConns = 77

  // The new worker's clock goes on; row 6 is another server's meanwhile.
  const next = new World({ startTick: 5100, from: dead })
  const survivor = next.addDest('10.0.0.5', 8080, settings)
  next.addDest('10.0.0.66', 8080, { row: 6 })
  t.equal(next.conns.adopt([...next.dests.values()]), 3)
  const { records, wheel } = next.conns
  t.equal(new Int32Array(next.control)[CONNS], 3)
  t.ok(records.isInUse(c) && records.isInUse(twin) && records.isInUse(template))
  t.notOk(records.isInUse(lost))
  t.strictSame([...counts(survivor), survivor.references], [1, 1, 1, 3])
  t.ok(survivor.overloaded)
  t.equal(records.nControl(template), 1)
  t.equal(wheel.remaining(c), 800)
  t.equal(records.adjacency(c), -1, 'routes are looked up again')
  const flow = Object.assign(new Flow(), { family: 4, protocol: TCP, srcPort: 1, dstPort: 80 })
  flow.src0 = 0xc0000201 | 0
  flow.dst0 = 0xc6336401 | 0
  t.equal(next.conns.table.inGet(flow), twin, 'the newest comes first again')
  // Numbers are given out again, and timers run.
  const fresh = open(next, survivor, { cport: 9 })
  t.ok(fresh > 0 && ![c, twin, template].includes(fresh))
  next.pass(400_000)
  t.equal(records.size, 1, 'all but the one that was never released')
})
