import t from 'tap'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'rr')

t.test('newest first, whatever the weight', async t => {
  t.equal(new Bench('rr').addAll('A1 B2 C3').picks(6), 'C B A C B A')
})

t.test('a server added at the head waits for the next round', async t => {
  const bench = new Bench('rr').addAll('A1 B1 C1')
  t.equal(bench.picks(2), 'C B')
  bench.add('D', 1)
  t.equal(bench.picks(5), 'A D C B A')
})

t.test('goes on behind a server that was removed in its turn', async t => {
  const bench = new Bench('rr').addAll('A1 B1 C1 D1')
  t.equal(bench.picks(3), 'D C B')
  bench.del('B')
  t.equal(bench.picks(4), 'A D C A')
  bench.del('C')
  t.equal(bench.picks(3), 'D A D')
})

t.test('a failed pick does not lose the place', async t => {
  const bench = new Bench('rr').addAll('A1 B1 C1')
  t.equal(bench.picks(1), 'C')
  for (const name of 'ABC') bench.get(name).overloaded = true
  t.equal(bench.pick(), '-')
  for (const name of 'ABC') bench.get(name).overloaded = false
  t.equal(bench.picks(3), 'B A C')
})
