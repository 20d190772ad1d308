import t from 'tap'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'lblcr')

const DAY_MS = 86_400_000

t.test('a crowded server gets help, and both share', async t => {
  const bench = new Bench('lblcr').addAll('A1 B1 C1')
  t.equal(bench.pick(), 'C')
  bench.get('C').activeConns = 2
  t.equal(bench.pick(), 'B', 'B joins')
  bench.get('B').activeConns = 1
  bench.get('C').activeConns = 1
  t.equal(bench.pick(), 'B', 'the newest of the set wins a tie')
  bench.get('C').activeConns = 0
  t.equal(bench.pick(), 'C', 'A is idle as well, but not in the set')
})

t.test('a day after the last change the most loaded leaves the set', async t => {
  const bench = new Bench('lblcr').addAll('A1 B1 C1')
  bench.pick()
  bench.get('C').activeConns = 2
  bench.pick()
  bench.get('B').activeConns = 1
  bench.nowMs = DAY_MS
  t.equal(bench.pick(), 'B')
  bench.nowMs = DAY_MS + 1
  t.equal(bench.pick(), 'B', 'C leaves now')
  bench.get('C').activeConns = 0
  t.equal(bench.pick(), 'B')
})

t.test('lblcr_expiration is as long as that day', async t => {
  const bench = new Bench('lblcr').addAll('A1 B1 C1')
  bench.expirationMs = 5000
  bench.pick()
  bench.get('C').activeConns = 2
  bench.pick()
  bench.get('B').activeConns = 1
  bench.nowMs = 5001
  t.equal(bench.pick(), 'B', 'C leaves now')
  bench.get('C').activeConns = 0
  t.equal(bench.pick(), 'B')
})

t.test('members that cannot be used are passed over', async t => {
  const bench = new Bench('lblcr').addAll('A1 B1')
  t.equal(bench.pick(), 'B')
  bench.edit('B', 0)
  t.equal(bench.pick(), 'A')
  bench.edit('B', 1)
  bench.del('A')
  t.equal(bench.pick(), 'B')
})
