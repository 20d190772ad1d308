import t from 'tap'
import { LoopMeter } from '../../dataplane/loop-meter.js'
import * as loop from '../../dataplane/shared/loop-record.js'

t.test('buckets hold what is above half of their bound', async t => {
  for (let value = 1; value <= 2000; value++) {
    const k = loop.bucketOf(value, 32)
    t.ok(value <= 2 ** k && (k === 0 || value > 2 ** (k - 1)), `${value} is in ${k}`)
  }
  t.equal(loop.bucketOf(0, 8), 0)
  t.equal(loop.bucketOf(0.2, 8), 0)
  t.equal(loop.bucketOf(1.2, 8), 1)
  t.equal(loop.bucketOf(1e9, 8), 7, 'the last has no end')
})

t.test('a loop that works and sleeps', async t => {
  const memory = new SharedArrayBuffer(loop.LOOP_WORDS * 8)
  const meter = new LoopMeter(memory)
  meter.turn(0, 5)
  meter.turn(3, 0.5)
  meter.turn(256, 2)
  meter.slept(100, false)
  meter.slept(7, true)
  meter.answered()
  const words = new Float64Array(memory)
  t.equal(words[loop.TURNS], 3)
  t.equal(words[loop.BUSY_TURNS], 2)
  t.equal(words[loop.BUSY_MS], 2.5)
  t.equal(words[loop.PACKETS], 259)
  t.equal(words[loop.SLEEPS], 2)
  t.equal(words[loop.WAKE_UPS], 1)
  t.equal(words[loop.SLEPT_MS], 107)
  t.equal(words[loop.MESSAGES_ANSWERED], 1)
  const taken = (from: number, count: number) =>
    Array.from(words.subarray(from, from + count), (n, k) => (n > 0 ? k : -1)).filter(k => k >= 0)
  t.strictSame(taken(loop.BATCHES, loop.BATCH_BUCKETS), [2, 8], '3 of 4 and 256 of 256')
  t.strictSame(taken(loop.TIMES, loop.TIME_BUCKETS), [9, 11], '500 of 512 and 2000 of 2048')
})
