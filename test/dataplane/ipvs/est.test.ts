import t from 'tap'
import { Estimator } from '../../../dataplane/ipvs/est.js'
import { Col, readRow, STRIDE } from '../../../dataplane/shared/statistics.js'
import { seeded } from '../../fixtures/random.js'

const ROWS = 8
const numbers = (text: string) => text.split(' ').map(Number)

function estimated(perTick: { [K in keyof typeof Col]?: number }, ticks: number, row = 3) {
  const stats = new Float64Array(ROWS * STRIDE)
  const estimator = new Estimator(stats)
  estimator.register(row)
  const run = (count: number, add: typeof perTick) =>
    Array.from({ length: count }, () => {
      for (const [column, amount] of Object.entries(add)) {
        stats[row * STRIDE + Col[column as keyof typeof Col]]! += amount
      }
      estimator.tick()
      return readRow(stats, row)
    })
  return { stats, estimator, run, seen: run(ticks, perTick) }
}

t.test('rates stand still between unregister and resume', async t => {
  const { seen, run, estimator } = estimated({ conns: 200, inBytes: 1001 }, 3)
  estimator.unregister(3)
  t.strictSame(run(5, {}).at(-1), seen.at(-1))
  estimator.resume(3)
  estimator.resume(3)
  // As without the pause: 59200, then three quarters each time; (average + 511) >> 10.
  t.strictSame(
    run(3, {}).map(row => row.cps),
    numbers('43 33 24'),
  )
})

t.test('100 connections a second, then none', async t => {
  // Computed by an independent model of ip_vs_est.c.
  const { seen, run } = estimated({ conns: 200 }, 19)
  const rise = '25 44 58 68 76 82 87 90 92 94 96 97 98 98 99 99 99 99 100'
  t.strictSame(
    seen.map(row => row.cps),
    numbers(rise),
  )
  // Until it is quite steady.
  run(40, { conns: 200 })
  const fall = '75 56 42 32 24 18 13 10 8 6 4 3 2 2 1 1 1 1 0'
  t.strictSame(
    run(19, {}).map(row => row.cps),
    numbers(fall),
  )
})

t.test('octets', async t => {
  const { seen } = estimated({ inBytes: 3_000_000, inPkts: 1 }, 7)
  const rise = '375000 656250 867187 1025391 1144043 1233032 1299774'
  t.strictSame(
    seen.map(row => row.inBps),
    numbers(rise),
  )
})

t.test('what a kernel listed while about ten connections a second came in', async t => {
  const { seen, run } = estimated({ conns: 12, inBytes: 480, inPkts: 12 }, 1)
  t.strictSame([seen[0]!.cps, seen[0]!.inBps], [1, 60])
  const more = run(2, { conns: 21, inBytes: 840, inPkts: 21 })
  t.strictSame(
    more.map(row => [row.cps, row.inBps]),
    [
      [4, 150],
      [5, 217],
    ],
  )
})

t.test('a single connection never shows', async t => {
  t.equal(estimated({ conns: 1 }, 1).seen[0]!.cps, 0)
})

t.test('every column has its own rate', async t => {
  const add = { conns: 800, inPkts: 1600, outPkts: 2400, inBytes: 8000, outBytes: 16_000 }
  const { seen } = estimated(add, 1)
  const { cps, inPps, outPps, inBps, outBps } = seen[0]!
  t.strictSame([cps, inPps, outPps, inBps, outBps], [100, 200, 300, 1000, 2000])
})

t.test('zero clears counters and rates at once', async t => {
  const { estimator, stats, run } = estimated({ conns: 200, inPkts: 200 }, 3)
  stats[3 * STRIDE + Col.activeConns] = 5
  estimator.zero(3)
  const { conns, inPkts, cps, inPps } = readRow(stats, 3)
  t.strictSame([conns, inPkts, cps, inPps], [0, 0, 0, 0])
  t.equal(stats[3 * STRIDE + Col.activeConns], 5, 'connections are not statistics')
  t.equal(run(1, { conns: 200 })[0]!.cps, 25)
})

t.test('rows come and go', async t => {
  const stats = new Float64Array(ROWS * STRIDE)
  const estimator = new Estimator(stats)
  const add = () => {
    for (let row = 1; row < ROWS; row++) stats[row * STRIDE + Col.conns]! += 800
  }
  const rates = () => Array.from({ length: ROWS - 1 }, (_, i) => stats[(i + 1) * STRIDE + Col.cps])
  for (const row of [1, 2, 3]) estimator.register(row)
  estimator.register(2)
  estimator.unregister(1)
  estimator.unregister(5)
  add()
  estimator.tick()
  t.strictSame(rates(), [0, 100, 100, 0, 0, 0, 0])
  // A new worker goes on from the rates that it finds.
  const next = new Estimator(stats)
  next.register(2)
  add()
  next.tick()
  t.equal(stats[2 * STRIDE + Col.cps], 175)
})

t.test('any traffic gives the figures of 64-bit integers', async t => {
  const random = seeded(t)
  const { run } = estimated({}, 0)
  let count = 0n
  let bytes = 0n
  for (let step = 0; step < 20_000; step++) {
    const conns = random(3) === 0 ? 0 : random(2 ** random(24))
    const inBytes = conns * random(65_536)
    count += ((BigInt(conns) << 9n) - count) >> 2n
    bytes += ((BigInt(inBytes) << 4n) - bytes) >> 2n
    const [seen] = run(1, { conns, inPkts: conns, inBytes })
    const want = [Number((count + 0x1ffn) >> 10n), Number((bytes + 0xfn) >> 5n)]
    if (seen!.cps !== want[0] || seen!.inBps !== want[1]) {
      t.strictSame([seen!.cps, seen!.inBps], want, `step ${step}`)
      break
    }
  }
})
