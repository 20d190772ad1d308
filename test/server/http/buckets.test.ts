import t from 'tap'
import { Buckets, retryAfter } from '../../../server/http/buckets.js'

t.test('some at once, then one a period, for each key', async t => {
  let nowMs = 5000
  const buckets = new Buckets({ burst: 3, periodMs: 1000, nowMs: () => nowMs })
  for (let i = 0; i < 3; i++) {
    t.equal(buckets.waitMs('a'), 0)
    buckets.note('a')
  }
  t.equal(buckets.waitMs('a'), 1000)
  t.equal(buckets.waitMs('b'), 0, 'another key')
  nowMs += 400
  buckets.note('a')
  t.equal(buckets.waitMs('a'), 600, 'to try does not make it longer')
  nowMs += 600
  t.equal(buckets.waitMs('a'), 0)
  buckets.note('a')
  t.equal(buckets.waitMs('a'), 1000)
  nowMs += 1_000_000
  for (let i = 0; i < 3; i++) buckets.note('a')
  t.equal(buckets.waitMs('a'), 1000, 'never more at once')
})

t.test('memory has a bound, and who is limited stays so', async t => {
  const buckets = new Buckets({ burst: 1, periodMs: 1000, nowMs: () => 0 })
  for (let i = 0; i < 20_000; i++) buckets.note(`k${i}`)
  t.equal(buckets.waitMs('k0'), 0, 'the oldest is forgotten')
  t.equal(buckets.waitMs('k10000'), 1000)
  t.equal(buckets.waitMs('k19999'), 1000)
})

t.test('Retry-After has whole seconds, never none', async t => {
  t.strictSame(
    [0, 1, 1000, 1001].map(ms => retryAfter(ms)['retry-after']),
    ['1', '1', '1', '2'],
  )
})
