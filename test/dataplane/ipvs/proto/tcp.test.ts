import { readFileSync } from 'node:fs'
import t from 'tap'
import { NOOUTPUT } from '../../../../dataplane/shared/conn-record.js'
import { Gate } from '../../../../dataplane/ipvs/proto/protocol.js'
import type { Packet } from '../../../../dataplane/packet.js'
import { Bench, packetOf } from './bench.js'
import { cellsOf } from './state-tables.js'

const TCP = 6
const DROUTE = 3

// Flags as tcpdump names them, RFC 9293 section 3.1.
const BITS: Record<string, number> = { F: 1, S: 2, R: 4, P: 8, A: 16, U: 32, E: 64, C: 128 }
const tcp = (flags: string): Packet => {
  const octets = new Array<number>(20).fill(0)
  octets[12] = 0x50
  for (const flag of flags) octets[13]! |= BITS[flag]!
  return packetOf(octets)
}

const NAMES: Record<string, string> = {
  NO: 'NONE',
  ES: 'ESTABLISHED',
  SS: 'SYN_SENT',
  SR: 'SYN_RECV',
  FW: 'FIN_WAIT',
  TW: 'TIME_WAIT',
  CL: 'CLOSE',
  CW: 'CLOSE_WAIT',
  LA: 'LAST_ACK',
  LI: 'LISTEN',
  SA: 'SYNACK',
}
const TIMEOUTS_S: Record<string, number> = {
  NO: 2,
  ES: 900,
  SS: 120,
  SR: 60,
  FW: 120,
  TW: 120,
  CL: 10,
  CW: 60,
  LA: 30,
  LI: 120,
  SA: 120,
}
const ACTIVE = ['ES', 'SS', 'SR', 'SA']
const FLAGS: Record<string, string[]> = {
  SYN: ['S', 'SA', 'SFA', 'SPUEC'],
  FIN: ['F', 'FA', 'FPU'],
  ACK: ['A', 'PA', 'AEC'],
  RST: ['R', 'RA', 'RSFA'],
}

for (const set of ['Normal', 'secure_tcp'] as const) {
  for (const direction of ['INPUT', 'OUTPUT', 'INPUT-ONLY'] as const) {
    t.test(`every cell of ${set} / ${direction}`, async t => {
      const cells = cellsOf(`${set} / ${direction}`)
      t.equal(cells.length, 44)
      for (const { event, from, to } of cells) {
        for (const flags of FLAGS[event]!) {
          const bench = new Bench(TCP, direction === 'INPUT-ONLY' ? DROUTE : 0)
          bench.protocols.tcp.secure = set === 'secure_tcp'
          bench.state = NAMES[from]!
          bench.world.conns.setActive(bench.c, ACTIVE.includes(from))
          if (direction === 'OUTPUT') bench.fromServer(tcp(flags))
          else bench.fromClient(tcp(flags))
          const what = `${flags} in ${from}`
          const got = [bench.state, bench.timeoutS, bench.isActive, bench.isAssured]
          const assured = to === 'ES' && from !== 'ES'
          const want = [NAMES[to], TIMEOUTS_S[to], ACTIVE.includes(to), assured]
          if (got.join() !== want.join()) t.strictSame(got, want, what)
        }
      }
    })
  }
}

t.test('no flag that matters closes, in every state', async t => {
  for (const name of Object.values(NAMES)) {
    const bench = new Bench(TCP)
    bench.state = name
    t.equal(bench.fromClient(tcp('PU')), 'CLOSE', name)
  }
})

// What a running kernel did: test/fixtures/ipvs/README.md.
interface MatrixStep {
  before: string | null
  seg: string
  after: string | null
  expires: string | null
}
for (const [method, name] of [
  [0, 'nat'],
  [DROUTE, 'dr'],
] as const) {
  t.test(`as the kernel did, matrix of ${name}`, async t => {
    const file = new URL(`../../../fixtures/ipvs/tables/tcp_matrix_${name}.json`, import.meta.url)
    const { steps } = JSON.parse(readFileSync(file, 'utf8')) as { steps: MatrixStep[] }
    let compared = 0
    for (const { before, seg, after, expires } of steps) {
      const [side, flags] = seg.split(' ') as [string, string]
      const bench = new Bench(TCP, method)
      const pkt = tcp(flags)
      // Without a state before it: does the segment open a connection?
      if (before === null) {
        if (side !== 'client') continue
        t.equal(bench.protocol.gate(pkt) === Gate.schedule, after !== null, `${seg} alone`)
        if (after !== null) t.equal(bench.fromClient(pkt), after)
        compared++
        continue
      }
      if (after === null || (side === 'server' && method === DROUTE)) continue
      bench.state = before.split(' ')[0]!
      const isReuse =
        bench.protocol.isNewConnection(pkt) && ['TIME_WAIT', 'CLOSE'].includes(bench.state)
      // There the kernel gave the SYN a new connection.
      if (isReuse && side === 'client') bench.state = 'NONE'
      const got = side === 'client' ? bench.fromClient(pkt) : bench.fromServer(pkt)
      t.equal(got, after, `${seg} in ${before}`)
      const [minutes, seconds] = expires!.split(':').map(Number) as [number, number]
      const left = minutes * 60 + seconds
      t.ok(left === bench.timeoutS || left === bench.timeoutS - 1, `${left} s`)
      compared++
    }
    t.ok(compared > 20, `${compared} segments`)
  })
}

// Scenario: who sends what, and the state and seconds after it.
const walks: [name: string, method: number, secure: boolean, steps: string][] = [
  [
    'NAT, the client closes',
    0,
    false,
    'c:S SYN_RECV 60, s:SA SYN_RECV 60, c:A ESTABLISHED 900, s:PA ESTABLISHED 900, c:FA CLOSE_WAIT 60, s:A CLOSE_WAIT 60, s:FA TIME_WAIT 120, c:A TIME_WAIT 120',
  ],
  [
    'NAT, the server closes',
    0,
    false,
    'c:S SYN_RECV 60, s:SA SYN_RECV 60, c:A ESTABLISHED 900, s:FA FIN_WAIT 120, c:FA TIME_WAIT 120',
  ],
  [
    'direct routing',
    DROUTE,
    false,
    'c:S SYN_RECV 60, c:A ESTABLISHED 900, c:FA FIN_WAIT 120, c:A FIN_WAIT 120, c:S SYN_RECV 60',
  ],
  [
    'resets',
    0,
    false,
    'c:S SYN_RECV 60, c:R SYN_RECV 60, s:SA SYN_RECV 60, c:A ESTABLISHED 900, c:R CLOSE 10',
  ],
  ['the server refuses', 0, false, 'c:S SYN_RECV 60, s:RA CLOSE 10'],
  ['FIN first (sloppy_tcp)', 0, false, 'c:FA CLOSE 10'],
  [
    'SYN flood defence, NAT: only the server can establish',
    0,
    true,
    'c:S SYN_RECV 60, c:A SYN_RECV 60, s:SA SYNACK 120, c:A SYNACK 120, s:A ESTABLISHED 900',
  ],
  ['SYN flood defence, direct routing', DROUTE, true, 'c:S SYNACK 120, c:A ESTABLISHED 900'],
]
for (const [name, method, secure, steps] of walks) {
  t.test(name, async t => {
    const bench = new Bench(TCP, method)
    bench.protocols.tcp.secure = secure
    for (const step of steps.split(', ')) {
      const [what, state, timeoutS] = step.split(' ')
      const [side, flags] = what!.split(':') as [string, string]
      const got = side === 'c' ? bench.fromClient(tcp(flags)) : bench.fromServer(tcp(flags))
      t.strictSame([got, bench.timeoutS], [state, Number(timeoutS)], step)
    }
  })
}

t.test('FTP data: expected, opened by the server', async t => {
  const bench = new Bench(TCP)
  bench.state = 'LISTEN'
  t.equal(bench.fromServer(tcp('S')), 'LISTEN')
  t.equal(bench.fromClient(tcp('SA')), 'SYN_RECV')
  t.equal(bench.fromServer(tcp('A')), 'ESTABLISHED')
})

t.test('an answer seen of a direct-routing server makes the machine two-sided', async t => {
  const bench = new Bench(TCP, DROUTE)
  bench.fromClient(tcp('S'))
  bench.fromServer(tcp('SA'))
  t.equal(bench.world.conns.records.flags(bench.c) & NOOUTPUT, 0)
  bench.fromClient(tcp('A'))
  t.equal(bench.fromClient(tcp('FA')), 'CLOSE_WAIT')
})

t.test('which packets may open a connection', async t => {
  const { protocol, protocols } = new Bench(TCP)
  const verdicts = (list: string) =>
    list
      .split(' ')
      .filter(flags => protocol.gate(tcp(flags === '-' ? '' : flags)) === Gate.schedule)
      .join(' ')
  t.equal(verdicts('S SA SF A R SR - FPU RA'), 'S SA SF')
  protocols.tcp.sloppy = true
  t.equal(verdicts('S SA SF A R SR - FPU RA PA FA'), 'S SA SF A - FPU PA FA')
  const short = tcp('S')
  short.end--
  t.equal(protocol.gate(short), Gate.drop)
})

t.test('when its addresses may open another', async t => {
  for (const [state, method, mode, want] of [
    ['TIME_WAIT', 0, 1, true],
    ['CLOSE', 0, 2, true],
    ['ESTABLISHED', 0, 3, false],
    ['FIN_WAIT', 0, 3, false],
    ['FIN_WAIT', DROUTE, 1, false],
    ['FIN_WAIT', DROUTE, 2, true],
  ] as const) {
    const bench = new Bench(TCP, method)
    bench.state = state
    t.notOk(bench.protocol.isReuseExpected(bench.c, mode), 'never while a template controls it')
    bench.world.conns.records.setControl(bench.c, 0)
    t.equal(bench.protocol.isReuseExpected(bench.c, mode), want, `${state} mode ${mode}`)
  }
  t.ok(new Bench(TCP).protocol.isReset(tcp('RA')))
  t.notOk(new Bench(TCP).protocol.isReset(tcp('A')))
})

t.test('ipvsadm --set', async t => {
  const bench = new Bench(TCP)
  bench.protocols.setTimeouts(100, 0, 7)
  const { tcp: machine, udp } = bench.protocols
  t.strictSame([machine.timeoutS('ESTABLISHED'), udp.timeoutS('UDP')], [100, 7])
  t.equal(machine.timeoutS('FIN_WAIT'), 120, '0 keeps')
  bench.protocols.setTimeouts(0, 33, 0)
  t.equal(machine.timeoutS('FIN_WAIT'), 33)
  t.notOk(machine.setTimeoutS('OPEN', 1))
  t.equal(machine.timeoutS('OPEN'), undefined)
  bench.fromClient(tcp('A'))
  t.equal(bench.timeoutS, 100, 'from the next packet on')
})
