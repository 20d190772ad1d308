import t from 'tap'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'ovf')

t.test('fills one server, its weight and one more, then the next', async t => {
  const bench = new Bench('ovf').addAll('A1 B3 C2')
  t.equal(bench.picks(10, 'active'), 'B B B B C C C A A -')
})

t.test('inactive connections do not count', async t => {
  t.equal(new Bench('ovf').addAll('A1 B3').picks(6, 'inactive'), 'B B B B B B')
})
