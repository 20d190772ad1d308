/**
 * Question: how fast is the management API, with few services and with ten thousand, and what do
 * packets lose while it works?
 *
 * Every write is durable (SQLite, synchronous = FULL) and in force when it is answered. Clients are
 * one process on the same host that keeps its connections open (lab/programs/api-caller.ts). The
 * same work is then done once more while a flood of small UDP packets passes through a service of
 * its own, at half of what is delivered alone and at full speed; calls then come at the rate that is
 * expected of the API, because two cores have sender and caller to feed as well. The sender stands
 * for machines of its own, so it has the priority that the dataplane gives itself and sleeps between
 * its batches where it has a rate. Who had the cores meanwhile is told beside each row. How long a
 * start takes is the question of start.ts; here it is seen once.
 */
import { callApi } from '../lab/api-caller.js'
import { serverAddress, VIP } from '../lab/cast.js'
import { flood, rateBetween, Sink, startFlood } from '../lab/flood.js'
import { Lab } from '../lab/lab.js'
import { MemoryWatch } from '../lab/memory.js'
import { SINK_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { cores, idleSeconds, threadTimes } from '../lab/thread-times.js'
import { build, type Topology } from '../lab/topology.js'
import { bulk, calls, CLIENTS, PORTS_EACH, READS_PER_S, WARM_CALLS } from './api-work.js'
import { WRITES_PER_S, type Work } from './api-work.js'
import { copyService, type Endpoint } from './many-services.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import { markdownTable } from './markdown.js'
import { least, OWN, type Fact, type Row } from './sheet.js'
import { median } from './statistics.js'
import { say } from './turns.js'

const MIB = 2 ** 20
const PEER = 'Sluice, nobody asks'
const SHAPE = { address: VIP.ipv4, port: SINK_PORT, flows: 1000, warmS: 1, nice: -15 }
/** Longest that one piece of work may take under a flood. */
const WORK_S = 60

interface Stage {
  lab: Lab
  topology: Topology
  sink: Sink
  sluice: Sluice
}

export async function bench(options: BenchOptions): Promise<void> {
  const lab = await Lab.open()
  try {
    const topology = await build(lab, { servers: 1 })
    const { director, servers } = topology
    const sink = await Sink.start(servers.get('a')!)
    const serveArgs = ['--log-level', 'warn', '--requests-per-minute', '0', ...options.serveArgs]
    const sluice = new Sluice(lab, director, { serveArgs })
    const stage = { lab, topology, sink, sluice }
    const facts: Fact[] = []
    await sluice.start()
    await prepare(sluice)
    const loads = await loadsOf(stage)
    const rows: Row[] = []
    const shares: string[][] = []
    const few = [...calls(options.seconds, CLIENTS + 1), ...bulk(options)]
    await work(stage, few, options, facts)
    await workUnderLoad(stage, few, loads, options, { rows, shares })
    await sluice.stop()
    const count = options.quick ? 500 : 10_000
    copyService(sluice.database, 'flood', endpoints(count - CLIENTS - 1))
    facts.push(await start(sluice, count))
    const many = calls(options.seconds, count)
    await work(stage, many, options, facts)
    await workUnderLoad(stage, many, loads, options, { rows, shares })
    await sluice.stop()
    await sink.check()
    const unit = 'thousand packets/s'
    const sheets = [{ title: 'Packets delivered while the API works', unit, digits: 0, rows }]
    await publish(
      { name: 'api', claim: claim(options), sheets, facts, notes: notes(shares) },
      options,
    )
  } finally {
    await lab.close()
  }
}

/** A start on a database that is there, until the API answers and packets pass. */
async function start(sluice: Sluice, count: number): Promise<Fact> {
  const begin = performance.now()
  await sluice.start()
  const value = (performance.now() - begin) / 1000
  const name = `start with ${count.toLocaleString('en')} services`
  say('Sluice', name, `${value.toFixed(2)} s`)
  return { name, value, unit: 's', digits: 2, target: { side: 'most', value: 5 } }
}

async function prepare(sluice: Sluice): Promise<void> {
  await sluice.putService('flood', {
    ...{ protocol: 'udp', address: VIP.ipv4, port: SINK_PORT, scheduler: 'rr' },
    realServers: { a: { address: serverAddress('a', 'ipv4') } },
  })
  for (let i = 0; i < CLIENTS; i++)
    await sluice.putService(`write-${i}`, {
      ...{ protocol: 'tcp', address: VIP.ipv4, port: 1000 + i, scheduler: 'wrr' },
      realServers: { a: { address: serverAddress('a', 'ipv4') } },
    })
}

const endpoints = (count: number): Endpoint[] =>
  Array.from({ length: count }, (_, i) => ({
    address: `198.51.100.${100 + Math.floor(i / PORTS_EACH)}`,
    port: 10_000 + (i % PORTS_EACH),
  }))

async function work(
  { lab, topology, sluice }: Stage,
  works: readonly Work[],
  { rounds }: BenchOptions,
  facts: Fact[],
): Promise<void> {
  for (const { name, order, unit, target, value, undo, growthMib } of works) {
    const [values, growths, peaks]: [number[], number[], number[]] = [[], [], []]
    for (let round = 0; round < rounds; round++) {
      const watch = new MemoryWatch(sluice.process.pid)
      values.push(value(await callApi(lab, topology.director, order)))
      growths.push(watch.stop() / MIB)
      peaks.push(growths.at(-1)! + watch.first / MIB)
      if (undo) await callApi(lab, topology.director, { calls: [undo] })
      say('Sluice', name, `${values.at(-1)!.toFixed(2)} ${unit}`)
    }
    facts.push({ name, value: median(values), unit, digits: unit === '/s' ? 0 : 2, target })
    if (growthMib === undefined) continue
    // Later rounds use again what the first has left to V8, so it is the first that counts.
    facts.push(
      {
        ...{ name: `growth of RSS, ${name}`, value: growths[0]!, unit: 'MiB', digits: 0 },
        target: { side: 'most', value: growthMib },
      },
      { name: `peak RSS, ${name}`, value: Math.max(...peaks), unit: 'MiB', digits: 0 },
    )
  }
}

interface Load {
  name: string
  pps?: number
}

async function loadsOf({ topology: { client, director }, sink }: Stage): Promise<Load[]> {
  const { deliveredPps } = await flood(client, director, sink, { ...SHAPE, seconds: 2 })
  return [{ name: 'half speed', pps: deliveredPps / 2 }, { name: 'full speed' }]
}

interface Loaded {
  rows: Row[]
  /** Cells of a table: who had the cores. */
  shares: string[][]
}

async function workUnderLoad(
  stage: Stage,
  works: readonly Work[],
  loads: readonly Load[],
  options: BenchOptions,
  { rows, shares }: Loaded,
): Promise<void> {
  for (const each of works) {
    if (each.aloneOnly === true) continue
    for (const { name: speed, ...rate } of loads) {
      const name = `${each.name}, ${speed}`
      const row: Row = { name, samples: { [OWN]: [], [PEER]: [] }, targets: [least(PEER, 0.9)] }
      const [idle, busy]: [Span[], Span[]] = [[], []]
      for (const { alone, working } of await turns(stage, each, options, rate)) {
        row.samples[OWN]!.push(working.pps / 1000)
        row.samples[PEER]!.push(alone.pps / 1000)
        idle.push(alone)
        busy.push(working)
        const values = [working, alone].map(({ pps }) => (pps / 1000).toFixed(0))
        say('Sluice', name, `${values.join(' with, ')} without, ${working.s.toFixed(1)} s`)
      }
      rows.push(row)
      shares.push([name, coresOf(idle), coresOf(busy), median(busy.map(({ s }) => s)).toFixed(1)])
    }
  }
}

/** What happened in a stretch of time. */
interface Span {
  pps: number
  s: number
  /** Cores that each had: packets' threads, requests' threads, nobody; the rest is the lab's. */
  dataplane: number
  requests: number
  idle: number
}

/** Alone and with work, one after the other, in one flood; once where it has to be undone. */
async function turns(
  stage: Stage,
  { order, undo, perSecond }: Work,
  { rounds, seconds }: BenchOptions,
  rate: { pps?: number },
): Promise<{ alone: Span; working: Span }[]> {
  const { lab, topology } = stage
  const { client, director } = topology
  const pairs = undo ? 1 : rounds
  const naps = rate.pps !== undefined
  const shape = { ...SHAPE, ...rate, naps, seconds: pairs * (seconds + WORK_S) }
  const sender = await startFlood(client, director, shape)
  const samples: { alone: Span; working: Span }[] = []
  const paced = perSecond === undefined ? order : { ...order, perSecond }
  for (let pair = 0; pair < pairs; pair++) {
    const begin = look(stage)
    await pause(seconds * 1000)
    const middle = look(stage)
    await callApi(lab, director, paced, WORK_S * 1000)
    samples.push({ alone: spanOf(begin, middle), working: spanOf(middle, look(stage)) })
  }
  await sender.stop('SIGKILL')
  if (undo) await callApi(lab, director, { calls: [undo] })
  return samples
}

const look = ({ sink, sluice }: Stage) => ({
  ...{ packets: sink.received(), idle: idleSeconds() },
  threads: threadTimes(sluice.process.pid),
})
type Look = ReturnType<typeof look>

function spanOf(before: Look, after: Look): Span {
  const s = (after.packets.ms - before.packets.ms) / 1000
  return {
    ...{ pps: rateBetween(before.packets, after.packets), s },
    dataplane: (after.threads.dataplane - before.threads.dataplane) / s,
    requests: (after.threads.rest - before.threads.rest) / s,
    idle: (after.idle - before.idle) / s,
  }
}

function coresOf(spans: readonly Span[]): string {
  const shown = (of: 'dataplane' | 'requests' | 'idle') =>
    median(spans.map(span => span[of])).toFixed(2)
  return `${shown('dataplane')} / ${shown('requests')} / ${shown('idle')}`
}

const pause = (ms: number): Promise<void> =>
  new Promise(resolve => {
    setTimeout(resolve, ms)
  })

const notes = (shares: string[][]): string[] => [
  '## Who had the cores',
  markdownTable([['cores', 'nobody asks', 'while it works', 's'], ...shares]),
  `Cores that dataplane / control plane (requests, SQLite, garbage collection) / nobody had, of ${cores()}; the
rest is the sender, the receiver and the client. Where nobody has anything left, what the control plane gets is missing elsewhere.`,
]

const claim = ({ rounds, seconds }: BenchOptions) =>
  `Writes change the weight of a real server; each is answered once it is durable and in force. Clients are one process with
that many connections on the appliance's own host, sharing the two cores with it. Medians of ${rounds} rounds of ${seconds} s
for what is repeated, percentiles without the first ${WARM_CALLS} calls; what is done once is timed whole, with its client's start. Packets: UDP datagrams of 18 octets through a
service of their own, counted at the real server while nobody asks and then, in the same flood, while the work is done; calls
that are repeated come at ${WRITES_PER_S} writes and ${READS_PER_S} reads a second then.`
