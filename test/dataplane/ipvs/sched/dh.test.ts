import t from 'tap'
import { foldWords, hash32 } from '../../../../dataplane/ipvs/sched/fold.js'
import * as address from '../../../../dataplane/wire/address.js'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'dh')

const hashOf = (text: string, port = 0) => {
  const { w0, w1, w2, w3 } = address.parse(text)!
  return hash32(port + foldWords(w0, w1, w2, w3), 8)
}

t.test('hash of an address', async t => {
  // Computed by an independent model of hash_32, confirmed for kernel 6.1.
  for (const [text, hash] of [
    ['0.0.0.1', 97],
    ['10.0.0.1', 39],
    ['192.0.2.1', 50],
    ['192.0.2.200', 53],
    ['198.51.100.5', 231],
    ['198.51.100.6', 73],
    ['203.0.113.77', 57],
    ['255.255.255.255', 158],
    ['2001:db8::1', 63],
    ['2001:db8::a0a0', 19],
  ] as const) {
    t.equal(hashOf(text), hash, text)
  }
  for (const [text, hash] of [
    ['198.51.100.5', 174],
    ['198.51.100.6', 15],
    ['203.0.113.77', 0],
    ['192.0.2.200', 252],
    ['2001:db8::1', 5],
  ] as const) {
    t.equal(hashOf(text, 49153), hash, `${text} with port 49153`)
  }
})

t.test('the destination decides', async t => {
  const bench = new Bench('dh').addAll('A1 B1 C1')
  for (const [to, name] of [
    ['203.0.113.1', 'A'],
    ['203.0.113.2', 'C'],
    ['203.0.113.3', 'A'],
    ['192.0.2.10', 'C'],
  ] as const) {
    t.equal(bench.pick('192.0.2.1', 1, to), name, to)
    t.equal(bench.pick('192.0.2.77', 9999, to), name, 'from another client too')
  }
  bench.edit('A', 0)
  t.equal(bench.pick('192.0.2.1', 1, '203.0.113.1'), '-', 'there is no second choice')
  t.equal(bench.pick('192.0.2.1', 1, '203.0.113.2'), 'C', 'and weights do not move anybody')
})
