import t from 'tap'
import { Bench, flowOf, type BenchOptions } from './bench.js'
import { conforms } from './conformance.js'

conforms(t, 'sh')

const CLIENTS = [
  '198.51.100.5',
  '198.51.100.6',
  '203.0.113.77',
  '192.0.2.200',
  '2001:db8::1',
] as const

// Computed by an independent model of ip_vs_sh.c: who serves each of the clients.
const tables: [servers: string, options: BenchOptions, picks: string][] = [
  ['A1 B1 C1', {}, 'C B C A C'],
  ['A1 B2 C3', {}, 'B C B A B'],
  ['A1 B0 C3', {}, 'C - C - -'],
  ['A1 B0 C3', { fallback: true }, 'C C C C C'],
  ['A1 B1 C1', { usePort: true }, 'C C C C A'],
  // Hashes 174, 15, 0, 252 and 5 in buckets CCCBBA CCCBBA ...
  ['A1 B2 C3', { usePort: true }, 'C B C C A'],
  ['A1 B0 C3', { usePort: true }, 'A C C C C'],
]
for (const [servers, options, picks] of tables) {
  t.test(`${servers} ${JSON.stringify(options)}`, async t => {
    const bench = new Bench('sh', options).addAll(servers)
    t.equal(CLIENTS.map(client => bench.pick(client, 49153)).join(' '), picks)
    const inverse = CLIENTS.map(client => {
      // Quoted by an ICMP error: the client is the destination.
      const flow = flowOf('198.51.100.1', 80, client)
      flow.dstPort = 49153
      return bench.nameOf(bench.scheduler.schedule(flow, true))
    })
    t.equal(inverse.join(' '), picks, 'the same from the other side')
  })
}
