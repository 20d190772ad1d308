// A thread that hangs is found by its silence; whoever could not listen does not blame it.
import t from 'tap'
import {
  BEAT_MS,
  Heartbeat,
  SILENCE_MS,
  START_SILENCE_MS,
} from '../../../server/health/heartbeat.js'
import type { Timers } from '../../../server/health/timers.js'
import { ManualTimers } from '../../fixtures/manual-timers.js'

function stage() {
  const timers = new ManualTimers()
  let silent = 0
  const heartbeat = new Heartbeat(timers, () => silent++)
  return { timers, heartbeat, silent: () => silent }
}

t.test('silence is told once', async t => {
  const { timers, heartbeat, silent } = stage()
  for (let i = 0; i < 100; i++) {
    timers.advance(BEAT_MS)
    heartbeat.hear()
  }
  timers.advance(SILENCE_MS)
  t.equal(silent(), 0)
  timers.advance(1001)
  t.equal(silent(), 1)
  timers.advance(10 * START_SILENCE_MS)
  t.equal(silent(), 1)
  t.equal(timers.count, 0)
})

t.test('a thread that is still being loaded has longer, but not for ever', async t => {
  const { timers, silent } = stage()
  timers.advance(START_SILENCE_MS)
  t.equal(silent(), 0)
  timers.advance(1001)
  t.equal(silent(), 1)
})

t.test('one that is stopped says nothing', async t => {
  const { timers, heartbeat, silent } = stage()
  heartbeat.stop()
  timers.advance(10 * START_SILENCE_MS)
  t.equal(silent(), 0)
})

t.test('a machine that stood still is not silence', async t => {
  let nowMs = 0
  let look = () => undefined as void
  const timers: Timers = {
    now: () => nowMs,
    after: (_, action) => {
      look = action
      return () => undefined
    },
  }
  let silent = 0
  new Heartbeat(timers, () => silent++).hear()
  for (let i = 0; i < 5; i++) {
    nowMs += 3600_000
    look()
  }
  t.equal(silent, 0)
  for (let i = 0; i < 12; i++) {
    nowMs += 1000
    look()
  }
  t.ok(silent > 0, 'but what follows is')
})
