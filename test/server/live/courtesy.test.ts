import t from 'tap'
import { LoopMeter } from '../../../dataplane/loop-meter.js'
import * as loop from '../../../dataplane/shared/loop-record.js'
import { Courtesy } from '../../../server/live/courtesy.js'

/** Workers that spend these shares of their time on packets, idle cores, and who makes a list. */
function make(shares: readonly number[], idleCores: number) {
  const loops = shares.map(() => new SharedArrayBuffer(loop.LOOP_WORDS * 8))
  const meters = loops.map(each => new LoopMeter(each))
  let [now, active] = [1000, 500]
  const pauses: number[] = []
  const advance = (ms: number) => {
    now += ms
    meters.forEach((meter, i) => meter.turn(64, ms * shares[i]!))
  }
  const courtesy = new Courtesy({
    loops,
    times: () => ({ now, active, idle: () => idleCores * now }),
    after: (ms, next) => {
      pauses.push(ms)
      advance(ms)
      next()
    },
  })
  const rest = courtesy.begin()
  /** Parts of so long each; returns what share of the time was work. */
  const work = (partMs: number, parts: number) => {
    pauses.length = 0
    for (let i = 0; i < parts; i++) {
      advance(partMs)
      active += partMs
      rest(() => undefined)
    }
    return (partMs * parts) / (partMs * parts + pauses.reduce((sum, each) => sum + each, 0))
  }
  return { work, pauses, advance }
}

t.test('packets leave no core idle: a long list works a fifth of the time', async t => {
  for (const shares of [[0.97], [0.6], [0.1, 0.97]]) {
    const { work } = make(shares, 0.02)
    work(0.2, 3000)
    const share = work(0.2, 3000)
    t.ok(share > 0.15 && share < 0.25, `${share} with ${shares.join(' and ')}`)
  }
})

t.test('nobody rests', async t => {
  for (const [share, idleCores, what] of [
    [0.5, 0.4, 'while a part of a core is idle'],
    [0.97, 1, 'where there is a core for everybody'],
    [0.1, 0, 'while others than packets take the cores'],
    [0, 0, 'while there are no packets'],
  ] as const) {
    const { work } = make([share], idleCores)
    work(0.2, 3000)
    t.equal(work(0.2, 3000), 1, what)
  }
})

t.test('what is short does not rest, what is long rests for half a second', async t => {
  const { work, pauses } = make([1], 0)
  work(0.2, 3000)
  work(0.9, 1)
  t.strictSame(pauses, [0])
  work(700, 1)
  t.strictSame(pauses, [500])
})

t.test('what was a while ago does not count', async t => {
  const { work, pauses, advance } = make([1], 0)
  work(0.2, 3000)
  advance(60_000)
  // It is looked at anew first.
  work(2, 5)
  t.strictSame(pauses, [0, 0, 0, 0, 0])
  work(0.2, 3000)
  t.ok(work(0.2, 1000) < 0.25)
})
