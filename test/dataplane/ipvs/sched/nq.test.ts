import t from 'tap'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'nq')

// Computed by an independent model of ip_vs_nq.c.
t.test('an idle server first, then the shortest expected delay', async t => {
  t.equal(new Bench('nq').addAll('A1 B2 C3').picks(12, 'active'), 'C B A C C B C B C C B A')
})
