import t from 'tap'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'fo')

t.test('the highest weight takes all until it is gone', async t => {
  const bench = new Bench('fo').addAll('A1 B3 C2')
  t.equal(bench.picks(3, 'active'), 'B B B')
  bench.get('B').overloaded = true
  t.equal(bench.pick(), 'C')
  bench.edit('C', 0)
  t.equal(bench.pick(), 'A')
})

t.test('the first of the list wins a tie', async t => {
  t.equal(new Bench('fo').addAll('A2 B2 C1').pick(), 'B')
})
