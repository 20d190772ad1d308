import t from 'tap'
import type { DestConfig, SchedulerName, ServiceKey } from '../../../dataplane/protocol.js'
import { EngineDataplane } from '../../server/fixtures/engine-dataplane.js'
import { fromSeed } from '../../fixtures/random.js'

const key: ServiceKey = { family: 'ipv4', protocol: 'tcp', address: '198.51.100.1', port: 80 }
const DURATION_MS = 10_000
const START_SHARE = 0.1

const dest = (n: number, more: Partial<DestConfig> = {}): DestConfig => ({
  ...{ address: `192.168.10.${10 + n}`, port: 80, weight: 10, forwarding: 'dr', tunnel: null },
  ...{ upperThreshold: 0, lowerThreshold: 0 },
  ...more,
})

/** The real engine with one service, and clients that come, stay, and are counted. */
async function engine(scheduler: SchedulerName, weights: readonly number[]) {
  const random = fromSeed(7)
  const dataplane = new EngineDataplane(65_536, bound => random(bound + 1))
  dataplane.topology.addAddress('198.51.100.1/32', 'eth0')
  await dataplane.call({
    op: 'addService',
    service: { key, scheduler, schedulerFlags: [], persistence: null, onePacket: false },
  })
  const rows: number[] = []
  const add = async (n: number, more: Partial<DestConfig> = {}) => {
    rows.push((await dataplane.call({ op: 'addDest', key, dest: dest(n, more) })).row)
  }
  for (const [i, weight] of weights.entries()) await add(i + 1, { weight })
  let clients = 0
  return {
    dataplane,
    add,
    /** So many connections, established; how many of them the last real server got. */
    connect: (count: number): number => {
      const before = conns()
      for (let i = 0; i < count; i++) {
        clients++
        const from = { src: `192.0.2.${(clients % 250) + 1}`, dst: '198.51.100.1' }
        const tcp = { srcPort: 1024 + (clients >> 2), dstPort: 80 }
        dataplane.receive({ ...from, tcp: { ...tcp, flags: 'S' } })
        dataplane.receive({ ...from, tcp: { ...tcp, flags: '.' } })
      }
      return conns() - before
    },
    later: (seconds: number) => dataplane.advance(seconds),
  }
  function conns(): number {
    const found = dataplane.ipvs.destAt(rows.at(-1)!)!
    return found.activeConns + found.inactConns
  }
}

const ramp = (startedAt = 'now', ageMs = 0) => ({
  ramp: { startedAt, ageMs, durationMs: DURATION_MS, startShare: START_SHARE },
})

/** Of 100 connections, what a weight ramped for so long would give one of four equal servers. */
function fairPart(seconds: number): number {
  const share = START_SHARE + ((1 - START_SHARE) * seconds * 1000) / DURATION_MS
  return (100 * share) / (share < 1 ? 3 + share : 4)
}

// With 300 connections each on the others, these would give a newcomer every single one.
const FLOODING: readonly SchedulerName[] = ['lc', 'wlc', 'sed', 'nq', 'lblcr']
const SPREADING: readonly SchedulerName[] = ['rr', 'wrr', 'twos']

for (const scheduler of [...FLOODING, ...SPREADING]) {
  t.test(`${scheduler}: a newcomer gets no more than its growing share`, async t => {
    const { add, connect, later } = await engine(scheduler, [10, 10, 10])
    connect(900)
    await add(4, ramp())
    const got: number[] = []
    for (let second = 0; second < 10; second++) {
      got.push(connect(100))
      later(1)
    }
    const bounds = got.map((_, second) => fairPart(second))
    t.comment(
      `${scheduler}: ${got.join(' ')} of 100 a second; at most ${bounds.map(Math.round).join(' ')}`,
    )
    for (const [second, each] of got.entries())
      t.ok(each <= bounds[second]! + 2.5, `second ${second}: ${each} of ${bounds[second]}`)
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
    t.ok(sum(got) > 0.6 * sum(bounds), 'and not much less either')
  })
}

for (const scheduler of ['lc', 'wlc', 'sed', 'nq'] as const) {
  t.test(`${scheduler}: without a ramp it is flooded, as by the kernel`, async t => {
    const { add, connect } = await engine(scheduler, [10, 10, 10])
    connect(900)
    await add(4)
    t.equal(connect(100), 100)
  })

  t.test(`${scheduler}: no flood when the ramp ends, and it catches up all the same`, async t => {
    const { add, connect, later } = await engine(scheduler, [10, 10, 10])
    connect(900)
    await add(4, ramp())
    const got: number[] = []
    for (let second = 0; second < 60; second++) {
      got.push(connect(100))
      later(1)
    }
    const steps = got.map((each, i) => each - (got[i - 1] ?? 0))
    t.comment(got.join(' '))
    t.ok(Math.max(...steps) <= 6, `no jump up: ${Math.max(...steps)}`)
    t.ok(Math.max(...got) > 30, 'more than its share while it catches up')
    t.ok(
      got.slice(-5).every(each => each >= 20 && each <= 30),
      'its share when it has',
    )
  })
}

t.test('of several newcomers none is let go because another was taken', async t => {
  const { add, connect, later } = await engine('lc', [10, 10])
  connect(600)
  await add(3, ramp())
  await add(4, ramp())
  const got: number[] = []
  for (let second = 0; second < 20; second++) {
    got.push(connect(100))
    later(1)
  }
  t.comment(got.join(' '))
  const steps = got.map((each, i) => each - (got[i - 1] ?? 0))
  t.ok(Math.max(...steps) <= 6, `no jump up: ${Math.max(...steps)}`)
  t.ok(Math.max(...got) <= 100 * (1.25 / 4) + 2.5, 'a quarter, and a quarter of that to catch up')
})

t.test('where all are newcomers, nobody is refused and all get their share', async t => {
  const { add, connect } = await engine('wrr', [])
  await add(1, { weight: 30, ...ramp() })
  await add(2, { weight: 10, ...ramp() })
  const got = connect(400)
  t.ok(got > 90 && got < 110, `${got} of 400, by weights 30 and 10`)
})

t.test('the only one there is gets everything', async t => {
  const { add, connect } = await engine('lc', [])
  await add(1, ramp())
  t.equal(connect(50), 50)
})

t.test('one that others cannot stand in for gets what they cannot take', async t => {
  const { add, connect, dataplane } = await engine('wlc', [10])
  connect(10)
  await add(2, ramp())
  const quiesced = dest(1, { weight: 0 })
  await dataplane.call({ op: 'editDest', key, dest: quiesced })
  t.equal(connect(30), 30)
})

t.test('schedulers that hash are left alone', async t => {
  const plain = await engine('sh', [10, 10, 10])
  const ramped = await engine('sh', [10, 10, 10])
  await plain.add(4)
  await ramped.add(4, ramp())
  t.equal(ramped.connect(500), plain.connect(500))
})

t.test('told again, a ramp goes on; a new one begins anew', async t => {
  const { add, connect, later, dataplane } = await engine('lc', [10, 10, 10])
  connect(900)
  await add(4, ramp('first'))
  later(9)
  await dataplane.call({ op: 'editDest', key, dest: dest(4, { weight: 9, ...ramp('first', 0) }) })
  t.ok(connect(100) > 15, 'nine tenths of the way, whatever the message says of its age')
  await dataplane.call({ op: 'editDest', key, dest: dest(4, ramp('second')) })
  t.ok(connect(100) < 6)
  await dataplane.call({ op: 'editDest', key, dest: dest(4) })
  t.equal(connect(100), 100, 'and without one there is none')
})
