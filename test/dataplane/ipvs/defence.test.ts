/** The defence strategies: against what a kernel did, and rule by rule. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { COUNTER_NAMES, Counter } from '../../../dataplane/counters.js'
import { Defence, PAGE_OCTETS } from '../../../dataplane/ipvs/defence.js'
import { Protocols } from '../../../dataplane/ipvs/proto/index.js'
import { ONEPACKET, Service } from '../../../dataplane/ipvs/service.js'
import { ServiceTable } from '../../../dataplane/ipvs/service-table.js'
import { defaultSettings, type Settings } from '../../../dataplane/ipvs/settings.js'
import { TEMPLATE } from '../../../dataplane/shared/conn-record.js'
import { SCTP_STATES, TCP_STATES } from '../../../dataplane/shared/conn-states.js'
import { DEFENCE } from '../../../dataplane/shared/memory.js'
import { buildBytes } from '../../fixtures/packets.js'
import { seeded } from '../../fixtures/random.js'
import type { Lab } from '../../golden/case.js'
import { Director, type DirectorOptions } from '../../golden/director.js'
import { readHeaders } from '../../golden/headers.js'
import { makeDriver } from '../../golden/topology.js'
import { World } from './world.js'

const TCP = 6
const UDP = 17
const SCTP = 132

// What a kernel did.

interface Recording {
  lab: Lab
  setup: { cmd: string }[]
  steps: { at_ms?: number; i?: number; advance_s?: number; cmd?: string; out?: string }[]
}
const recording = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../golden/kernel/tables/defence.json'), 'utf8'),
) as Recording

async function bench(options: DirectorOptions = {}): Promise<Director> {
  const director = new Director(recording.lab, makeDriver, options)
  for (const { cmd } of recording.setup) await director.command(cmd)
  return director
}

function syn(director: Director, src: string, srcPort: number): boolean {
  const tcp = { srcPort, dstPort: 80, flags: 'S' }
  director.inject('client', buildBytes({ src, dst: '10.0.0.100', tcp }))
  return director.take().length > 0
}

t.test('drop_packet in mode 3 drops the packets that the kernel dropped', async t => {
  const director = await bench()
  director.sysctl('drop_packet', '3')
  director.sysctl('am_droprate', '4')
  director.advanceTo(2000)
  const sent = recording.steps.filter(step => step.i !== undefined)
  t.equal(sent.length, 40)
  const passed: string[] = []
  for (const { i, at_ms } of sent) {
    director.advanceTo(at_ms!)
    if (syn(director, '10.1.0.1', 4000 + i!)) passed.push(`10.1.0.1:${4000 + i!}`)
  }
  const listing = recording.steps.find(step => step.cmd?.includes('grep -o'))!
  t.strictSame(passed, listing.out!.trim().split('\n'))
  t.equal(director.counters[Counter.defenceDropPacket], 10)
})

t.test('drop_entry takes as many half-open connections as the kernel did', async t => {
  const draw = seeded(t)
  const director = await bench({ random: bound => draw(bound + 1) })
  const counts = recording.steps.filter(step => step.cmd?.endsWith('wc -l'))
  const kernel = counts.map(step => Number(step.out) - 2)
  director.advanceTo(72_000)
  for (let i = 0; i < kernel[0]!; i++) syn(director, `10.1.${i >> 8}.${i & 255}`, 4000)
  director.advanceTo(counts[0]!.at_ms!)
  const entries = async () => (await director.command('ipvsadm -Lnc')).out.split('\n').length - 3
  t.equal(await entries(), kernel[0])
  director.sysctl('drop_entry', '3')
  const ours = [kernel[0]!]
  for (const { at_ms } of counts.slice(1)) {
    director.advanceTo(at_ms!)
    ours.push(await entries())
  }
  t.comment(`kernel ${kernel.join(' ')}`)
  t.comment(`ours   ${ours.join(' ')}`)
  for (const series of [kernel, ours]) {
    const lost = series.slice(1).map((left, i) => series[i]! - left)
    // The ticks are 1.04 s apart, so one of ten seconds may have none.
    const ticks = lost.filter(n => n > 0).length
    t.ok(ticks === 9 || ticks === 10, `${ticks} ticks`)
    for (const [i, n] of lost.entries()) if (n > 0) within(t, n, series[i]!, 1)
    within(t, series[0]! - series.at(-1)!, series[0]!, ticks)
  }
  t.equal(director.counters[Counter.defenceDropEntry], ours[0]! - ours.at(-1)!)

  /** 1/32 of the table a tick, with repetition; four standard deviations. */
  function within(t: Test, lost: number, of: number, ticks: number) {
    const p = 1 - Math.exp(-ticks / 32)
    const apart = Math.abs(lost - of * p) / Math.sqrt(of * p * (1 - p))
    t.ok(apart < 4, `${lost} of ${of} in ${ticks} ticks: ${apart.toFixed(1)} deviations`)
  }
})

t.test('secure_tcp believes a client only after its server (semantics 5.1)', async t => {
  const director = await bench()
  const send = (wire: 'client' | 'server', flags: string) => {
    const ends = { client: ['10.1.0.1', '10.0.0.100'], server: ['192.168.10.11', '10.1.0.1'] }[wire]
    const ports = wire === 'client' ? [4000, 80] : [80, 4000]
    const tcp = { srcPort: ports[0]!, dstPort: ports[1]!, flags }
    director.inject(wire, buildBytes({ src: ends[0]!, dst: ends[1]!, tcp }))
  }
  const state = async () =>
    / ((?:SYN|EST)\w+) /.exec((await director.command('ipvsadm -Lnc')).out)?.[1]
  director.sysctl('secure_tcp', '3')
  director.advanceTo(1100)
  send('client', 'S')
  t.equal(await state(), 'SYN_RECV')
  send('client', '.')
  t.equal(await state(), 'SYN_RECV', 'a forged ACK')
  send('server', 'S.')
  t.equal(await state(), 'SYNACK')
  send('client', '.')
  t.equal(await state(), 'SYNACK')
  send('server', '.')
  t.equal(await state(), 'ESTABLISHED')
  director.sysctl('secure_tcp', '0')
  t.ok(director.ipvs.protocols.tcp.secure, 'a mode acts from the next tick on')
  director.advanceTo(2300)
  t.notOk(director.ipvs.protocols.tcp.secure)
  t.equal(
    director.take().every(f => readHeaders(f.ip) !== null),
    true,
  )
})

// Rule by rule.

class Bench extends World {
  readonly settings: Settings = defaultSettings()
  readonly services = new ServiceTable()
  readonly counters = new Float64Array(COUNTER_NAMES.length)
  readonly protocols = new Protocols(this.conns)
  readonly words = new Int32Array(this.control)
  availablePages = Infinity
  readonly defence: Defence
  #next = 0

  constructor(capacity = 1000) {
    super({ capacity, startTick: 100_000 })
    this.defence = new Defence({
      ...{ conns: this.conns, services: this.services, tcp: this.protocols.tcp },
      ...{ settings: this.settings, counters: this.counters, control: this.words },
      // Every record in turn.
      random: bound => this.#next++ % (bound + 1),
      availableOctets: () => this.availablePages * PAGE_OCTETS,
    })
  }

  open(entry: Entry): number {
    const dest = [...this.dests.values()][0] ?? this.addDest('10.0.0.1', 80)
    const { conns } = this
    Object.assign(conns.params, {
      ...{ family: 4, protocol: entry.protocol, c0: 0xc0000201 | 0, cport: 40000 },
      ...{ v0: 0xc6336401 | 0, vport: 80, dport: 80 },
    })
    const c = conns.create(conns.params, dest, entry.template ? TEMPLATE : 0, 0)
    conns.records.setState(c, entry.state ?? 0)
    conns.records.setInPkts(c, entry.inPkts ?? 1)
    conns.records.setTimeoutTicks(c, (entry.timeoutS ?? 900) * 100)
    conns.release(c)
    return c
  }

  /** Ticks until every record was met once. */
  dropOnce(): void {
    for (let i = 0; i < 32; i++) {
      this.defence.tick()
      while (this.defence.sweep());
    }
  }
}

interface Entry {
  protocol: number
  state?: number
  inPkts?: number
  timeoutS?: number
  template?: boolean
}

const tcp = (name: (typeof TCP_STATES)[number]) => TCP_STATES.indexOf(name)
const sctp = (name: (typeof SCTP_STATES)[number]) => SCTP_STATES.indexOf(name)

t.test('drop_entry by state (semantics 4.11)', async t => {
  const dropped: Record<number, readonly string[]> = {
    [TCP]: ['SYN_RECV', 'SYNACK'],
    [SCTP]: ['INIT1', 'INIT'],
  }
  for (const [protocol, states] of [
    [TCP, TCP_STATES],
    [SCTP, SCTP_STATES],
  ] as const) {
    for (const [state, name] of states.entries()) {
      const bench = new Bench()
      bench.settings.dropEntry = 3
      const fresh = bench.open({ protocol, state })
      bench.dropOnce()
      const goes = dropped[protocol]!.includes(name)
      t.equal(bench.conns.records.isInUse(fresh), !goes, `${name} of ${protocol}, fresh`)
      if (goes) continue
      bench.pass(61_000)
      bench.dropOnce()
      const isCandidate = name === 'ESTABLISHED'
      t.equal(bench.conns.records.isInUse(fresh), !isCandidate, `${name} of ${protocol}, idle`)
    }
  }
})

t.test('drop_entry by age, packets and control (semantics 4.11)', async t => {
  const established = { protocol: TCP, state: tcp('ESTABLISHED') }
  const cases: [string, Entry, number, boolean][] = [
    ['idle for 59 s', established, 59, true],
    ['idle for 60 s', established, 60, false],
    ['UDP, idle', { protocol: UDP, timeoutS: 300 }, 60, false],
    ['UDP, fresh', { protocol: UDP, timeoutS: 300 }, 10, true],
    ['no packet', { ...established, inPkts: 0 }, 100, true],
    ['nine packets', { ...established, inPkts: 9 }, 100, true],
    ['a template of nobody', { protocol: TCP, template: true }, 0, false],
    ['an assured template', { protocol: TCP, template: true, state: 1 }, 100, true],
  ]
  for (const [name, entry, idleS, stays] of cases) {
    const bench = new Bench()
    bench.settings.dropEntry = 3
    const c = bench.open(entry)
    bench.pass(idleS * 1000)
    bench.dropOnce()
    t.equal(bench.conns.records.isInUse(c), stays, name)
  }
  const bench = new Bench()
  bench.settings.dropEntry = 3
  const template = bench.open({ protocol: TCP, template: true })
  const other = bench.open({ protocol: TCP, template: true })
  const c = bench.open({ protocol: TCP, state: tcp('SYN_RECV') })
  const kept = bench.open({ protocol: TCP, state: tcp('FIN_WAIT') })
  bench.conns.controlAdd(c, template)
  bench.conns.controlAdd(kept, other)
  bench.dropOnce()
  const { records } = bench.conns
  t.notOk(records.isInUse(c))
  t.notOk(records.isInUse(template), 'goes with its last connection')
  t.ok(records.isInUse(other), 'what controls others stays')
})

t.test('of candidates with n packets every n-th goes, from the first on', async t => {
  for (const inPkts of [1, 2, 4, 8]) {
    const bench = new Bench()
    bench.settings.dropEntry = 3
    const all = Array.from({ length: 32 }, () =>
      bench.open({ protocol: SCTP, state: sctp('ESTABLISHED'), inPkts }),
    )
    bench.pass(61_000)
    bench.dropOnce()
    const gone = all.map((c, i) => [c, i] as const).filter(([c]) => !bench.conns.records.isInUse(c))
    t.strictSame(
      gone.map(([, i]) => i),
      Array.from({ length: 32 / inPkts }, (_, k) => k * inPkts),
      `${inPkts} packets`,
    )
  }
})

t.test('a template of a one-packet service is a candidate, assured or not', async t => {
  for (const onePacket of [false, true]) {
    const bench = new Bench()
    bench.settings.dropEntry = 3
    const key = { family: 4, protocol: UDP, w0: 1, w1: 0, w2: 0, w3: 0, port: 53, fwmark: 0 }
    const service = new Service(7, key)
    service.flags = onePacket ? ONEPACKET : 0
    bench.services.add(service)
    bench.addDest('10.0.0.1', 80).serviceRow = 7
    const c = bench.open({ protocol: UDP, template: true, state: 1, timeoutS: 300 })
    bench.pass(61_000)
    bench.dropOnce()
    t.equal(bench.conns.records.isInUse(c), !onePacket)
  }
})

t.test('the modes (semantics 10.1)', async t => {
  const bench = new Bench(1 << 20)
  const { settings, defence, protocols } = bench
  const modes = () => [settings.dropEntry, settings.dropPacket, settings.secureTcp]
  const set = (mode: 0 | 1 | 2 | 3) => {
    settings.dropEntry = settings.dropPacket = settings.secureTcp = mode
  }
  const shared = () => bench.words[DEFENCE]!
  for (const [from, plenty, short] of [
    [0, 0, 0],
    [1, 1, 2],
    [2, 1, 2],
    [3, 3, 3],
  ] as const) {
    set(from)
    bench.availablePages = settings.amemthresh
    defence.tick()
    t.strictSame(modes(), [plenty, plenty, plenty], `mode ${from}, enough memory`)
    t.equal(protocols.tcp.secure, plenty === 3)
    t.equal(shared(), plenty * 0b010101, 'told to the other threads')
    set(from)
    bench.availablePages = settings.amemthresh - 1
    defence.tick()
    t.strictSame(modes(), [short, short, short], `mode ${from}, too little memory`)
    t.equal(protocols.tcp.secure, short >= 2)
  }
})

t.test('how many packets drop_packet drops', async t => {
  const bench = new Bench(1 << 20)
  const { settings, defence } = bench
  const pattern = (packets: number) =>
    Array.from({ length: packets }, () => (defence.toDrop() ? 'x' : '.')).join('')
  t.equal(pattern(20), '.'.repeat(20), 'off')
  settings.dropPacket = 3
  t.equal(pattern(20), '.'.repeat(20), 'before the first tick')
  settings.amDroprate = 4
  defence.tick()
  t.equal(pattern(9), 'x...x...x')
  defence.tick()
  t.equal(pattern(8), '...x...x', 'mode 3 goes on counting')
  settings.dropPacket = 1
  settings.amemthresh = 1000
  // amemthresh / (amemthresh - available): the less there is, the more is dropped.
  for (const [available, rate] of [
    [900, 10],
    [750, 4],
    [400, 1],
    [0, 1],
  ] as const) {
    bench.availablePages = available
    defence.tick()
    const one = `${'.'.repeat(rate - 1)}x`
    t.equal(pattern(3 * rate), one.repeat(3), `${available} pages: 1 of ${rate}`)
  }
  bench.availablePages = 900
  defence.tick()
  t.equal(pattern(5), '.....')
  defence.tick()
  t.equal(pattern(10), '.........x', 'the modes by need count anew each second')
  bench.availablePages = 1000
  defence.tick()
  t.equal(pattern(20), '.'.repeat(20), 'enough memory again')
})

t.test('a full table is short of memory too', async t => {
  // 4096 pages of 32 records, 1024 of which must be free by default.
  const limit = 4096 * 32
  for (const [capacity, amemthresh, freeAtAlarm] of [
    [limit, 256, 256 * 32],
    // A table smaller than eight thresholds: an eighth of it.
    [limit, 1024, limit / 8],
    [1600, 1024, 200],
  ] as const) {
    const bench = new Bench(capacity)
    bench.settings.dropPacket = 1
    bench.settings.amemthresh = amemthresh
    const { records } = bench.conns
    while (records.limit - records.size > freeAtAlarm) records.allocate()
    bench.defence.tick()
    t.equal(bench.settings.dropPacket, 1, `${freeAtAlarm} of ${capacity} free`)
    for (let i = 0; i < 32; i++) records.allocate()
    bench.defence.tick()
    t.equal(bench.settings.dropPacket, 2, 'a page less')
  }
})

t.test('a large table is swept in parts', async t => {
  const bench = new Bench(600_000)
  bench.settings.dropEntry = 3
  for (let i = 0; i < 500_000; i++) bench.conns.records.allocate()
  bench.defence.tick()
  let parts = 1
  while (bench.defence.sweep()) parts++
  t.equal(parts, 2, '15625 records, 8192 at once')
  bench.settings.dropEntry = 0
  bench.defence.tick()
  t.notOk(bench.defence.sweep())
})
