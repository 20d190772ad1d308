import t from 'tap'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'sed')

// Computed by an independent model of ip_vs_sed.c.
t.test('the shortest expected delay', async t => {
  t.equal(new Bench('sed').addAll('A1 B2 C3').picks(12, 'active'), 'C B C C B A C B C C B A')
})

t.test('connections that never become active leave everything to the highest weight', async t => {
  t.equal(new Bench('sed').addAll('A1 B2 C3').picks(5, 'inactive'), 'C C C C C')
})
