import t from 'tap'
import { Rows } from '../../../dataplane/ipvs/rows.js'
import { Col, STRIDE } from '../../../dataplane/shared/statistics.js'

t.test('rows are given out zeroed, from 1 on, and run out', async t => {
  const rows = new Rows(new Float64Array(4 * STRIDE).fill(7))
  t.equal(rows.available, 3)
  t.strictSame([rows.take(), rows.take(), rows.take(), rows.take()], [1, 2, 3, 0])
  t.equal(rows.memory[STRIDE + Col.conns], 0)
  t.equal(rows.memory[Col.conns], 7, 'row 0 is nobody’s')
  rows.give(2)
  t.equal(rows.take(), 2)
})

t.test('a row can be taken over with its counters, but not with its connection counts', async t => {
  const rows = new Rows(new Float64Array(4 * STRIDE).fill(7))
  t.ok(rows.keep(2))
  t.equal(rows.memory[2 * STRIDE + Col.inPkts], 7)
  t.equal(rows.memory[2 * STRIDE + Col.activeConns], 0)
  t.notOk(rows.keep(2), 'taken')
  t.notOk(rows.keep(0))
  t.notOk(rows.keep(4), 'out of range')
  t.strictSame([rows.take(), rows.take(), rows.take()], [1, 3, 0], 'the others go on')
})
