import t from 'tap'
import { transitions } from '../../../../dataplane/ipvs/proto/transitions.js'

t.test('packs direction, event and state', async t => {
  const packed = transitions(['A', 'B'], 2, [
    ['A B', 'B B'],
    ['B A', 'A A'],
  ])
  t.strictSame([...packed], [0, 1, 1, 1, 1, 0, 0, 0])
})

t.test('refuses tables that are not whole', async t => {
  t.throws(() => transitions(['A', 'B'], 2, [['A B']]), /1 events/)
  t.throws(() => transitions(['A', 'B'], 1, [['A B A']]), /wrong length/)
  t.throws(() => transitions(['A', 'B'], 1, [['A C']]), /unknown state C/)
})
