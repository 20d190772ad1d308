import t from 'tap'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'wrr')

// Computed by an independent model of ip_vs_wrr.c, bound to a list of servers added in that order.
const sequences: [servers: string, picks: string][] = [
  ['B2 A4', 'A A B A A B A A B'],
  ['A1 B2 C3', 'C C B C B A C C B C B A'],
  ['A10 B20 C30', 'C C B C B A C C B C B A'],
  ['A5 B1 C1', 'A A A A C B A A A A A C B A'],
  ['A3 B0 C2', 'A C A C A A C A C A'],
  ['A0 B0 C0', '- - -'],
]
for (const [servers, picks] of sequences) {
  t.test(servers, async t => {
    t.equal(new Bench('wrr').addAll(servers).rebind().picks(picks.split(' ').length), picks)
  })
}

t.test('an edit in the middle keeps the threshold', async t => {
  const bench = new Bench('wrr').addAll('A1 B2 C3').rebind()
  t.equal(bench.picks(4), 'C C B C')
  bench.edit('B', 5)
  t.equal(bench.picks(12), 'C B A B B C B C B C B A')
})

t.test('all overloaded: fails, and works again afterwards', async t => {
  const bench = new Bench('wrr').addAll('A1 B2')
  bench.picks(2)
  for (const name of 'AB') bench.get(name).overloaded = true
  t.equal(bench.picks(2), '- -')
  bench.get('A').overloaded = false
  t.equal(bench.picks(2), 'A A')
})
