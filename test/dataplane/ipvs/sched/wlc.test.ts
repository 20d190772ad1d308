import t from 'tap'
import { isProductGreater } from '../../../../dataplane/ipvs/sched/overhead.js'
import { seeded } from '../../../fixtures/random.js'
import { Bench } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'wlc')

t.test('loads settle in proportion to the weights', async t => {
  // Computed by an independent model of ip_vs_wlc.c.
  for (const become of ['active', 'inactive'] as const) {
    const bench = new Bench('wlc').addAll('A1 B2 C3')
    t.equal(bench.picks(12, become), 'C B A C B C C B A C B C')
  }
})

t.test('comparing loads is exact beyond 53 bits', async t => {
  const random = seeded(t)
  const load = () => random(2 ** 31) * 256 + random(2 ** 31)
  for (let i = 0; i < 20_000; i++) {
    const a = load()
    const b = random(2 ** 31)
    // Near misses: products that differ by little.
    const c = random(2) === 0 ? a + random(3) - 1 : load()
    const d = random(2) === 0 ? b + random(3) - 1 : random(2 ** 31)
    const want = BigInt(a) * BigInt(b) > BigInt(c) * BigInt(d)
    if (isProductGreater(a, b, c, d) !== want) t.fail(`${a} * ${b} > ${c} * ${d} is ${want}`)
  }
})
