import t from 'tap'
import { Pace } from '../../dataplane/pace.js'

const STEP_MS = 0.001
const MAX_US = 100

/** Packets that come at fixed times, and what the loop does meanwhile, turn by turn. */
class Loop {
  nowMs = 0
  polledMs = 0
  sleeps = 0
  readonly pace = new Pace(MAX_US)

  /** Polls or sleeps until a packet comes after `gapMs`; `wakeMs` is what waking takes. */
  packetAfter(gapMs: number, wakeMs = 0): void {
    const dueMs = this.nowMs + gapMs
    let asleep = false
    while (this.nowMs < dueMs) {
      if (this.pace.after(0, Infinity, this.nowMs) > 0) {
        asleep = true
        break
      }
      this.nowMs += STEP_MS
      this.polledMs += STEP_MS
    }
    if (asleep) this.sleeps++
    this.nowMs = dueMs + (asleep ? wakeMs : 0)
    this.pace.after(1, Infinity, this.nowMs)
  }
}

t.test('packets that come close to each other are polled for', async t => {
  const loop = new Loop()
  for (let i = 0; i < 1000; i++) loop.packetAfter(0.05)
  t.equal(loop.sleeps, 0)
})

t.test('packets that come far from each other are not', async t => {
  const loop = new Loop()
  for (let i = 0; i < 20; i++) loop.packetAfter(1)
  loop.polledMs = 0
  for (let i = 0; i < 1000; i++) loop.packetAfter(1)
  t.equal(loop.polledMs, 0)
})

t.test('polling begins again when they come close again, although each had to wake it', async t => {
  const loop = new Loop()
  for (let i = 0; i < 20; i++) loop.packetAfter(1, 0.03)
  for (let i = 0; i < 20; i++) loop.packetAfter(0.05, 0.03)
  loop.sleeps = 0
  for (let i = 0; i < 100; i++) loop.packetAfter(0.05, 0.03)
  t.equal(loop.sleeps, 0)
})

t.test('answers are polled for between requests far apart, at a bounded price', async t => {
  const loop = new Loop()
  for (let i = 0; i < 100; i++) {
    loop.packetAfter(0.03, 0.03)
    loop.packetAfter(5, 0.03)
  }
  loop.polledMs = 0
  for (let i = 0; i < 100; i++) {
    loop.packetAfter(0.03, 0.03)
    loop.packetAfter(5, 0.03)
  }
  t.ok(loop.polledMs / 100 < (2 * MAX_US) / 1000, `${loop.polledMs / 100} ms a request`)
})

t.test('told not to, it sleeps after the first empty turn', async t => {
  const pace = new Pace(0)
  pace.after(1, 50, 1)
  t.equal(pace.after(0, 50, 1), 50)
})

t.test('a wake-up without packets does not make it poll', async t => {
  const pace = new Pace(MAX_US)
  pace.after(1, 50, 0)
  t.equal(pace.after(0, 50, 0.05), 0)
  for (let i = 0; i < 5; i++) t.equal(pace.after(0, 50, 1 + i), 50)
})

t.test(
  'the core is offered to others after a few empty turns, and not while packets come',
  async t => {
    const pace = new Pace(MAX_US)
    pace.after(1, 50, 0)
    t.notOk(pace.yields)
    pace.after(0, 50, 0)
    t.notOk(pace.yields, 'a burst may have a gap')
    for (let i = 0; i < 10; i++) pace.after(0, 50, 0)
    t.ok(pace.yields)
    pace.after(1, 50, 0)
    t.notOk(pace.yields)
  },
)

t.test('it sleeps until the next timer, at least 1 ms and at most 100', async t => {
  const sleep = (nextDueMs: number): number => new Pace(0).after(0, nextDueMs, 1)
  t.equal(sleep(40.2), 41)
  t.equal(sleep(0), 1)
  t.equal(sleep(Infinity), 100)
})
