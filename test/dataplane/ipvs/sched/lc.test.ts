import t from 'tap'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'lc')

t.test('an active connection weighs as much as 256 inactive ones', async t => {
  const bench = new Bench('lc').addAll('A1 B1')
  bench.get('A').activeConns = 1
  bench.get('B').inactConns = 255
  t.equal(bench.pick(), 'B')
  bench.get('B').inactConns = 256
  t.equal(bench.pick(), 'B', 'the first of the list wins a tie')
  bench.get('B').inactConns = 257
  t.equal(bench.pick(), 'A')
})

t.test('weights do not matter', async t => {
  t.equal(new Bench('lc').addAll('A1 B2 C30').picks(6, 'active'), 'C B A C B A')
})
