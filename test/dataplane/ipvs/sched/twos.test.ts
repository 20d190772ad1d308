import t from 'tap'
import { schedulers } from '../../../../dataplane/ipvs/sched/index.js'
import type { Scheduler } from '../../../../dataplane/ipvs/sched/scheduler.js'
import { World } from '../world.js'
import { Bench, flowOf } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'twos')

t.test('draws walk the list by weight, and the less loaded of two wins', async t => {
  const world = new World()
  const dests = [3, 2, 1].map((weight, i) => world.addDest(`10.0.0.${i + 1}`, 80, { weight }))
  const draws: number[] = []
  const bounds: number[] = []
  const scheduler: Scheduler = schedulers.twos({
    family: 4,
    dests,
    fallback: false,
    usePort: false,
    nowMs: () => 0,
    lblcExpirationMs: () => 0,
    lblcrExpirationMs: () => 0,
    random: bound => {
      bounds.push(bound)
      return draws.shift()!
    },
  })
  const pick = (...two: number[]) => {
    draws.push(...two)
    return dests.indexOf(scheduler.schedule(flowOf('192.0.2.1', 1, '198.51.100.1'), false)!)
  }
  // Weights 3, 2, 1: 0 to 3 draw the first, 4 and 5 the second, 6 the third.
  t.strictSame(
    [0, 3, 4, 5, 6].map(draw => pick(draw, draw)),
    [0, 0, 1, 1, 2],
  )
  t.ok(bounds.every(bound => bound === 6))
  dests[0]!.activeConns = 3
  dests[1]!.activeConns = 1
  t.equal(pick(0, 4), 1, 'one active for weight 2 is less than three for weight 3')
  t.equal(pick(4, 0), 1)
  dests[1]!.activeConns = 2
  t.equal(pick(0, 4), 0, 'as loaded: the first draw stays')
  t.equal(pick(4, 0), 1)
})

t.test('shares follow the weights', async t => {
  const picks = new Bench('twos').addAll('A1 B2 C3').picks(6000, 'active').split(' ')
  for (const [name, share] of [
    ['A', 1 / 6],
    ['B', 2 / 6],
    ['C', 3 / 6],
  ] as const) {
    const got = picks.filter(pick => pick === name).length / picks.length
    t.ok(Math.abs(got - share) < 0.03, `${name} has ${got}`)
  }
})
