import t from 'tap'
import * as seq from '../../../dataplane/wire/seq.js'

t.test('order holds across the wrap (RFC 1982 section 5.1, scaled to 32 bits)', async t => {
  const pairs: readonly [before: number, after: number][] = [
    [0, 1],
    [0xffffffff, 0],
    [-1, 0],
    [0, 0x7fffffff],
    [0x7fffffff, 0x80000000],
    [0xfffffff0, 0x10],
  ]
  for (const [before, after] of pairs) {
    t.ok(seq.isBefore(before, after), `${before} before ${after}`)
    t.ok(seq.isAfter(after, before), `${after} after ${before}`)
    t.notOk(seq.isBefore(after, before))
    t.notOk(seq.isAfter(before, after))
  }
  t.notOk(seq.isBefore(7, 7))
  t.notOk(seq.isAfter(7, 7))
})

t.test('distance and addition wrap', async t => {
  t.equal(seq.distance(0xfffffff0, 0x10), 0x20)
  t.equal(seq.distance(0x10, 0xfffffff0), -0x20)
  t.equal(seq.add(-1, 1), 0)
  t.equal(seq.add(0x7fffffff, 1), -0x80000000)
})
