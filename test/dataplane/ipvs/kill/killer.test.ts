import t from 'tap'
import { Counter } from '../../../../dataplane/counters.js'
import { Bench, CAST } from './bench.js'

const { vip, a, b } = CAST.ipv4
const key = { family: 'ipv4', protocol: 'tcp', address: vip, port: 80 } as const

const clientOf = (i: number) => `192.0.2.${1 + (i % 200)}`

function fill(bench: Bench, count: number): void {
  for (let i = 0; i < count; i++) {
    const tcp = { srcPort: 1024 + Math.floor(i / 200), dstPort: 80 }
    bench.client({ src: clientOf(i), dst: vip, tcp: { ...tcp, flags: 'S' } })
    bench.client({ src: clientOf(i), dst: vip, tcp: { ...tcp, flags: '.' } })
  }
}

t.test('a large kill is done in slices between which packets are handled', async t => {
  const bench = new Bench(20_000)
  bench.add(key, [a])
  fill(bench, 10_000)
  const result = bench.kill()
  t.match(result, { connections: 10_000, done: true })
  t.ok(result.turns >= 10_000 / 64, `${result.turns} turns`)
  t.equal(result.sent.length, 20_000, 'both ends of each are asked')
  t.equal(bench.counters[Counter.noBuffer], 0)
  t.match(bench.kill(), { connections: 0, sent: [] }, 'and none is killed twice')
})

t.test('a trial run counts the same and touches nothing', async t => {
  const bench = new Bench()
  bench.add(key, [a, b])
  fill(bench, 100)
  const before = bench.list()
  const filter = { service: key, server: { address: b, port: 80 } }
  t.match(bench.kill({ filter, dryRun: true }), { connections: 50, sent: [] })
  t.strictSame(bench.list(), before)
  t.equal(bench.counters[Counter.killed], 0)
  t.match(bench.kill({ filter }), { connections: 50 })
  t.equal(bench.list().filter(line => line.includes('ESTABLISHED')).length, 50)
})

t.test('several at a time, and one that nobody knows', async t => {
  const bench = new Bench()
  bench.add(key, [a, b])
  fill(bench, 100)
  const { killer } = bench.ipvs
  const server = (address: string) => ({ service: key, server: { address, port: 80 } })
  killer.start(1, { filter: server(a), reset: true, dryRun: false })
  killer.start(2, { filter: server(b), reset: true, dryRun: false })
  t.match(killer.progress(1), { known: true, done: false })
  bench.pass(200)
  t.match(killer.progress(1), { known: true, done: true, connections: 50 })
  t.match(killer.progress(2), { known: true, done: true, connections: 50 })
  t.match(killer.progress(2), { known: true, done: true, connections: 50 }, 'told again')
  t.match(killer.progress(3), { known: false, done: true })
  t.notOk(killer.busy)
})
