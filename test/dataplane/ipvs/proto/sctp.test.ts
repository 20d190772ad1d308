import t from 'tap'
import { Gate } from '../../../../dataplane/ipvs/proto/protocol.js'
import type { Packet } from '../../../../dataplane/packet.js'
import { Bench, packetOf } from './bench.js'
import { cellsOf } from './state-tables.js'

const SCTP = 132
const DROUTE = 3

// Chunk types, RFC 9260 section 3.2; ECNE and CWR, appendix A.
const CHUNKS: Record<string, number[]> = {
  data: [0, 3, 4, 5, 12, 13, 15, 64, 192, 255],
  INIT: [1],
  'INIT-ACK': [2],
  ABORT: [6],
  SHUTDOWN: [7],
  'SHUTDOWN-ACK': [8],
  ERROR: [9],
  'COOKIE-ECHO': [10],
  'COOKIE-ACK': [11],
  'SHUTDOWN-COMPL': [14],
}
const NAMES: Record<string, string> = {
  NO: 'NONE',
  I1: 'INIT1',
  IN: 'INIT',
  CS: 'C-SENT',
  CR: 'C-REPLIED',
  CW: 'C-WAIT',
  CO: 'COOKIE',
  CE: 'C-ECHOED',
  ES: 'ESTABLISHED',
  SS: 'S-SENT',
  SR: 'S-RECEIVED',
  SA: 'S-ACK-SENT',
  RJ: 'REJECTED',
  CL: 'CLOSED',
}
const timeoutOf = (short: string) =>
  ({ NO: 2, I1: 4, ES: 900, RJ: 4 })[short as 'NO' | 'I1' | 'ES' | 'RJ'] ?? 61

/** A packet with chunks of these types, each with that many octets of value. */
const sctp = (...chunks: [type: number, octets: number][]): Packet =>
  packetOf([
    ...new Array<number>(12).fill(0),
    ...chunks.flatMap(([type, octets]) => [
      type,
      0,
      0,
      4 + octets,
      ...new Array<number>((octets + 3) & ~3).fill(0),
    ]),
  ])

for (const direction of ['INPUT', 'OUTPUT', 'INPUT-ONLY'] as const) {
  t.test(`every cell of ${direction}`, async t => {
    const cells = cellsOf(direction)
    t.equal(cells.length, 140)
    for (const { event, from, to } of cells) {
      for (const type of CHUNKS[event]!) {
        const bench = new Bench(SCTP, direction === 'INPUT-ONLY' ? DROUTE : 0)
        bench.state = NAMES[from]!
        bench.world.conns.setActive(bench.c, from === 'ES')
        const pkt = sctp([type, 8])
        if (direction === 'OUTPUT') bench.fromServer(pkt)
        else bench.fromClient(pkt)
        const got = [bench.state, bench.timeoutS, bench.isActive, bench.isAssured]
        const want = [NAMES[to], timeoutOf(to), to === 'ES', to === 'ES' && from !== 'ES']
        if (got.join() !== want.join()) t.strictSame(got, want, `${event} ${type} in ${from}`)
      }
    }
  })
}

t.test('the life of an association, as the kernel listed it', async t => {
  const bench = new Bench(SCTP)
  t.equal(bench.fromClient(sctp([1, 16])), 'INIT1')
  t.equal(bench.fromServer(sctp([2, 16])), 'C-SENT')
  t.equal(bench.fromClient(sctp([10, 4])), 'C-REPLIED')
  t.equal(bench.fromServer(sctp([11, 0])), 'ESTABLISHED')
  t.equal(bench.fromClient(sctp([0, 20])), 'ESTABLISHED')
  t.equal(bench.fromClient(sctp([7, 4])), 'S-RECEIVED')
  t.equal(bench.fromServer(sctp([8, 0])), 'S-ACK-SENT')
  t.equal(bench.fromClient(sctp([14, 0])), 'CLOSED')
})

t.test('an ABORT behind a cookie counts, behind anything else not', async t => {
  for (const [first, octets, want] of [
    [10, 5, 'CLOSED'],
    [11, 0, 'CLOSED'],
    [0, 4, 'ESTABLISHED'],
  ] as const) {
    const bench = new Bench(SCTP)
    bench.state = 'ESTABLISHED'
    t.equal(bench.fromClient(sctp([first, octets], [6, 0])), want, `behind ${first}`)
  }
})

t.test('a packet without a chunk changes nothing', async t => {
  const bench = new Bench(SCTP)
  bench.state = 'ESTABLISHED'
  t.equal(bench.fromClient(packetOf(new Array<number>(14).fill(0))), 'ESTABLISHED')
  t.equal(bench.protocol.gate(packetOf(new Array<number>(14).fill(0))), Gate.drop)
})

t.test('which packets may open an association', async t => {
  const { protocol, protocols, c } = new Bench(SCTP)
  t.equal(protocol.gate(sctp([1, 16])), Gate.schedule)
  t.equal(protocol.gate(sctp([0, 16])), Gate.accept)
  t.equal(protocol.gate(sctp([6, 0])), Gate.accept)
  protocols.sctp.sloppy = true
  t.equal(protocol.gate(sctp([0, 16])), Gate.schedule)
  t.equal(protocol.gate(sctp([6, 0])), Gate.accept)
  t.ok(protocol.isNewConnection(sctp([1, 16])))
  t.notOk(protocol.isNewConnection(sctp([2, 16])))
  t.ok(protocol.isReset(sctp([6, 0])))
  t.notOk(protocol.isReuseExpected(c, 1))
})

t.test('a closed association may be followed by another', async t => {
  const bench = new Bench(SCTP)
  bench.state = 'CLOSED'
  bench.world.conns.records.setControl(bench.c, 0)
  t.ok(bench.protocol.isReuseExpected(bench.c, 1))
  bench.state = 'REJECTED'
  t.notOk(bench.protocol.isReuseExpected(bench.c, 1))
})
