import t from 'tap'
import { Pace } from '../../dataplane/pace.js'

t.test('the loop spins for a few empty turns before it sleeps', async t => {
  const pace = new Pace()
  let spins = 0
  while (pace.after(0, 50) === 0) spins++
  t.ok(spins > 0 && spins < 1000, `${spins} empty turns`)
  t.equal(pace.after(0, 50), 0, 'after a sleep it spins again')
})

t.test('packets start the count anew', async t => {
  const pace = new Pace()
  for (let i = 0; i < 10_000; i++) {
    if (pace.after(i % 2, 50) !== 0) t.fail('slept while packets came in')
  }
  t.pass('never slept')
})

t.test('it sleeps until the next timer, at least 1 ms and at most 100', async t => {
  const sleep = (nextDueMs: number): number => {
    const pace = new Pace()
    for (;;) {
      const ms = pace.after(0, nextDueMs)
      if (ms > 0) return ms
    }
  }
  t.equal(sleep(40.2), 41)
  t.equal(sleep(0), 1)
  t.equal(sleep(Infinity), 100)
})
