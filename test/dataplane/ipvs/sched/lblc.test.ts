import t from 'tap'
import { LocalityCache } from '../../../../dataplane/ipvs/sched/locality.js'
import { Bench, flowOf } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'lblc')

t.test('a destination stays with its server', async t => {
  const bench = new Bench('lblc').addAll('A1 B1 C1')
  t.equal(bench.pick('192.0.2.1', 1, '203.0.113.1'), 'C')
  bench.get('C').activeConns = 1
  t.equal(bench.pick('192.0.2.2', 1, '203.0.113.1'), 'C', 'though others are less loaded')
  t.equal(bench.pick('192.0.2.2', 1, '203.0.113.2'), 'B')
  bench.get('C').activeConns = 2
  t.equal(bench.pick('192.0.2.2', 1, '203.0.113.1'), 'B', 'until it is crowded')
  bench.del('B')
  t.equal(bench.pick('192.0.2.2', 1, '203.0.113.2'), 'A', 'or gone')
})

t.test('crowded only while another server has not half of its weight', async t => {
  const bench = new Bench('lblc').addAll('A4 B1')
  t.equal(bench.pick(), 'B')
  bench.get('B').activeConns = 2
  bench.get('A').activeConns = 2
  t.equal(bench.pick(), 'B')
  bench.get('A').activeConns = 1
  t.equal(bench.pick(), 'A')
})

t.test('lblc_expiration says for how long', async t => {
  const bench = new Bench('lblc').addAll('A1 B1')
  bench.expirationMs = 600_000
  t.equal(bench.pick('192.0.2.1', 1, '203.0.113.1'), 'B')
  bench.get('B').activeConns = 1
  for (let minute = 1; minute < 30; minute++) bench.scheduler.tick!()
  t.equal(bench.pick('192.0.2.1', 1, '203.0.113.1'), 'B', 'remembered')
  bench.nowMs = 600_000
  for (let minute = 0; minute < 30; minute++) bench.scheduler.tick!()
  t.equal(bench.pick('192.0.2.1', 1, '203.0.113.1'), 'A', 'forgotten')
})

t.test('what is remembered is forgotten after a day, earlier when there is too much', async t => {
  const dropped: number[] = []
  const cache = new LocalityCache<number>(value => dropped.push(value))
  const minuteMs = 60_000
  let nowMs = 0
  const flow = (i: number) => flowOf('192.0.2.1', 1, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  const pass = (minutes: number) => {
    for (let i = 0; i < minutes; i++) cache.tick((nowMs += minuteMs), 24 * 60 * minuteMs)
  }
  for (let i = 0; i < 100; i++) cache.add(flow(i), i, nowMs)
  pass(24 * 60 - 30)
  t.equal(cache.size, 100)
  cache.get(flow(7))!.lastUseMs = nowMs
  pass(60)
  t.equal(cache.size, 1)
  t.equal(cache.get(flow(7))?.value, 7)
  t.equal(dropped.length, 99, 'each is told')
  for (let i = 100; i < 100 + 16384 + 300; i++) cache.add(flow(i), i, nowMs)
  pass(5)
  t.equal(cache.size, 16384 + 300, 'only the one from an hour ago went')
  pass(1)
  t.ok(cache.size <= 16384 - 100 && cache.size > 15900, `${cache.size}: 4/3 of the excess went`)
  pass(1)
  t.ok(cache.size > 15900, 'and no more')
})
