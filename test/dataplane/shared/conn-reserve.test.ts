import { readFileSync } from 'node:fs'
import t from 'tap'
import { AUXILIARY, octetsFor } from '../../../dataplane/shared/conn-record.js'
import { ConnReserve, RESERVE_CONNS, STEP_CONNS } from '../../../dataplane/shared/conn-reserve.js'
import { CONNS_HIGH } from '../../../dataplane/shared/memory.js'
import { World } from '../ipvs/world.js'

const CAPACITY = 4 * RESERVE_CONNS

t.test('memory ahead of the connections is there, and no more than that', async t => {
  const { memory, control, reserve } = make()
  const words = new Int32Array(control)
  const before = residentOctets()
  t.equal(reserve.extend(), RESERVE_CONNS)
  const grown = residentOctets() - before
  t.ok(grown > octetsFor(RESERVE_CONNS) / 2, `${grown} octets became resident`)
  t.ok(grown < octetsFor(2 * RESERVE_CONNS), `${grown} octets became resident`)
  t.equal(reserve.extend(), RESERVE_CONNS, 'nothing to do')
  words[CONNS_HIGH] = 1000
  t.equal(reserve.extend(), 1000 + RESERVE_CONNS)
  t.ok(new Int32Array(memory).every(word => word === 0))
})

t.test('it follows a table that grows fast, in steps, up to its end', async t => {
  const { control, reserve } = make()
  const words = new Int32Array(control)
  reserve.extend()
  // Faster than it is called: what is used already needs no touching.
  words[CONNS_HIGH] = RESERVE_CONNS + 50_000
  const from = RESERVE_CONNS + 50_000 - ((RESERVE_CONNS + 50_000) % 32)
  t.equal(reserve.extend(), from + STEP_CONNS)
  t.equal(reserve.extend(), RESERVE_CONNS + 50_000 + RESERVE_CONNS, 'then the usual reserve')
  words[CONNS_HIGH] = CAPACITY - 10
  for (let i = 0; i < 10; i++) t.ok(reserve.extend() <= CAPACITY)
  t.equal(reserve.extend(), CAPACITY)
})

t.test('connections that are made and go meanwhile are not disturbed', async t => {
  const world = new World({ capacity: 5000 })
  const dest = world.addDest('10.0.0.1', 80)
  const reserve = new ConnReserve(world.memory, world.control)
  const { conns } = world
  for (let i = 0; i < 5000; i++) {
    if (i % 100 === 0) reserve.extend()
    Object.assign(conns.params, { family: 4, protocol: 17, c0: i, cport: 1, vport: 53 })
    conns.release(conns.create(conns.params, dest, 0, 0))
  }
  reserve.extend()
  t.equal(conns.records.size, 5000)
  const numbers = Array.from({ length: 5000 }, (_, i) => AUXILIARY + i)
  t.ok(numbers.every(c => conns.records.isInUse(c) && conns.records.caddr(c, 0) === c - AUXILIARY))
  world.pass(600_000)
  reserve.extend()
  t.equal(conns.records.size, 0)
})

function make() {
  const memory = new SharedArrayBuffer(octetsFor(CAPACITY))
  const control = new SharedArrayBuffer(64)
  return { memory, control, reserve: new ConnReserve(memory, control) }
}

function residentOctets(): number {
  return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1]) * 4096
}
