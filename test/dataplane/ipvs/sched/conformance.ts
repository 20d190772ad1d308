/** What every scheduler owes the service that uses it, whatever its policy. */
import type { Test } from 'tap'
import type { SchedulerName } from '../../../../dataplane/ipvs/sched/index.js'
import { seeded } from '../../../fixtures/random.js'
import { Bench, flowOf } from './bench.js'
import { replay, recordings } from './replay.js'

export function conforms(t: Test, name: SchedulerName): void {
  t.test('an empty service has nobody', async t => {
    t.equal(new Bench(name).pick(), '-')
  })

  t.test('the only server takes everything, and one of weight 0 nothing', async t => {
    const bench = new Bench(name).addAll('A1')
    t.equal(bench.picks(5), 'A A A A A')
    bench.edit('A', 0)
    t.equal(bench.picks(3), '- - -')
    bench.edit('A', 7)
    t.equal(bench.picks(3), 'A A A')
    t.equal(bench.pick('2001:db8::1', 40000, '2001:db8::2'), 'A')
  })

  t.test('an overloaded server is never chosen', async t => {
    const bench = new Bench(name).addAll('A1')
    bench.get('A').overloaded = true
    t.equal(bench.pick(), '-')
    bench.get('A').overloaded = false
    t.equal(bench.pick(), 'A')
  })

  t.test('a removed server is not chosen, and may come back', async t => {
    const bench = new Bench(name).addAll('A1 B1')
    bench.picks(4)
    bench.del('A')
    t.equal(bench.picks(4), 'B B B B')
    bench.del('B')
    t.equal(bench.pick(), '-')
    bench.add('C', 3)
    t.equal(bench.picks(2), 'C C')
  })

  t.test('any sequence of changes leaves it with servers of the list that may be used', async t => {
    const random = seeded(t)
    const bench = new Bench(name, { fallback: true, usePort: true })
    let picked = 0
    for (let step = 0; step < 4000; step++) {
      const letter = String.fromCharCode(65 + random(8))
      const dest = bench.get(letter)
      const action = random(20)
      if (dest === undefined) {
        if (action < 4) bench.add(letter, random(4))
      } else if (action === 0) bench.del(letter)
      else if (action === 1) bench.edit(letter, random(5))
      else if (action === 2) dest.overloaded = random(3) === 0
      else if (action === 3) dest.activeConns = random(6)
      if (action === 4) bench.scheduler.tick?.()
      const client = `192.0.2.${random(256)}`
      const chosen = bench.scheduler.schedule(
        flowOf(client, random(65536), `198.51.100.${random(64)}`),
        random(2) === 0,
      )
      bench.nowMs += random(1000) * 1000
      if (chosen === null) continue
      picked++
      const isListed = bench.dests.includes(chosen) && chosen.available
      if (!isListed || chosen.weight === 0) t.fail(`chose ${bench.nameOf(chosen)} at ${step}`)
    }
    t.ok(picked > 500, `${picked} picks`)
  })

  t.test('a service with servers may change to it', async t => {
    const bench = new Bench(name).addAll('A1 B1').rebind()
    t.ok(['A', 'B'].includes(bench.pick()))
  })

  for (const recording of recordings(name)) {
    t.test(`serves as the kernel did: ${recording}`, async t => replay(t, recording))
  }
}
