/**
 * Question: how fast is the management API, with few services and with ten thousand, and what do
 * packets lose while it works?
 *
 * Every write is durable (SQLite, synchronous = FULL) and in force when it is answered. Clients are
 * one process on the same host that keeps its connections open (lab/programs/api-caller.ts). The
 * same work is then done once more while a flood of small UDP packets passes through a service of
 * its own, at half of what is delivered alone and at full speed. How long a start takes is the
 * question of start.ts.
 */
import { callApi } from '../lab/api-caller.js'
import type { ApiCall, ApiOrder, ApiReport } from '../lab/api-order.js'
import { serverAddress, VIP } from '../lab/cast.js'
import { flood, rateBetween, Sink, startFlood } from '../lab/flood.js'
import { Lab } from '../lab/lab.js'
import { MemoryWatch } from '../lab/memory.js'
import { SINK_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { build, type Topology } from '../lab/topology.js'
import { copyService, type Endpoint } from './many-services.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import { least, OWN, type Bound, type Fact, type Row } from './sheet.js'
import { percentile, median } from './statistics.js'
import { say } from './turns.js'

const CLIENTS = 16
const PORTS_EACH = 1000
const MIB = 2 ** 20
const PEER = 'Sluice, nobody asks'
const SHAPE = { address: VIP.ipv4, port: SINK_PORT, flows: 1000, warmS: 1 }
/** Longest that one piece of work may take under a flood. */
const WORK_S = 60
/** The first calls open files and compile; a percentile is of the life after that. */
const WARM_CALLS = 100
const SERVICES = '/v1/virtual-services'

interface Stage {
  lab: Lab
  topology: Topology
  sink: Sink
  sluice: Sluice
}

/** Something that the API is made to do, and what is expected of it. */
interface Work {
  name: string
  order: Omit<ApiOrder, 'api'>
  unit: string
  target: Bound
  value: (report: ApiReport) => number
  /** What takes it back, so that it can be done again. */
  undo?: ApiCall
  /** Also how much memory it takes, in MiB at most. */
  growthMib?: number
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
    const few = [...calls(options.seconds, CLIENTS + 1), ...bulk(options)]
    await work(stage, few, options, facts)
    await workUnderLoad(stage, few, loads, options, rows)
    await sluice.stop()
    const count = options.quick ? 500 : 10_000
    copyService(sluice.database, 'flood', endpoints(count - CLIENTS - 1))
    await sluice.start()
    const many = calls(options.seconds, count)
    await work(stage, many, options, facts)
    await workUnderLoad(stage, many, loads, options, rows)
    await sluice.stop()
    await sink.check()
    const unit = 'thousand packets/s'
    const sheets = [{ title: 'Packets delivered while the API works', unit, digits: 0, rows }]
    await publish({ name: 'api', claim: claim(options), sheets, facts }, options)
  } finally {
    await lab.close()
  }
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

/** Small ones, again and again. */
function calls(seconds: number, count: number): Work[] {
  const size = `${count.toLocaleString('en')} services`
  const rate = ({ ms, elapsedS }: ApiReport) => ms.length / elapsedS
  const p99 = ({ ms }: ApiReport) =>
    percentile(ms.slice(Math.min(WARM_CALLS, ms.length >>> 1)), 0.99)
  return [
    {
      ...{ name: `one write after the other, p99, ${size}`, unit: 'ms', value: p99 },
      ...{ order: { calls: writes(1), seconds }, target: { side: 'most', value: 20 } },
    },
    {
      ...{ name: `writes of ${CLIENTS} clients, ${size}`, unit: '/s', value: rate },
      order: { calls: writes(CLIENTS), clients: CLIENTS, seconds },
      target: { side: 'least', value: 300 },
    },
    {
      ...{ name: `reads of ${CLIENTS} clients, ${size}`, unit: '/s', value: rate },
      order: { calls: reads(), clients: CLIENTS, seconds },
      target: { side: 'least', value: 3000 },
    },
  ]
}

/** Each client changes the weight of a server of its own, every time. */
const writes = (clients: number): ApiCall[] =>
  [2, 3].flatMap(weight =>
    Array.from({ length: clients }, (_, i) => ({
      ...{ method: 'PUT', path: `${SERVICES}/write-${i}/real-servers/a` },
      body: { address: serverAddress('a', 'ipv4'), weight },
    })),
  )

const reads = (): ApiCall[] =>
  Array.from({ length: CLIENTS }, (_, i) => ({ method: 'GET', path: `${SERVICES}/write-${i}` }))

/** Large ones, each once and then taken back. */
function bulk({ quick }: BenchOptions): Work[] {
  const [services, lines] = quick ? [50, 1000] : [1000, 100_000]
  const seconds = ({ elapsedS }: ApiReport) => elapsedS
  const words = (number: number) => number.toLocaleString('en')
  return [
    {
      ...{ name: `changeset of ${words(services)} services of 10 real servers`, unit: 's' },
      ...{ value: seconds, target: { side: 'most', value: 3 } },
      order: { calls: [{ method: 'POST', path: '/v1/changesets', body: changeset(services) }] },
      undo: { method: 'POST', path: '/v1/changesets', body: deletions(names(services)) },
    },
    {
      ...{ name: `import of ${words(lines)} lines, applied`, unit: 's' },
      ...{ value: seconds, target: { side: 'most', value: 30 }, growthMib: 512 },
      order: {
        calls: [
          {
            ...{ method: 'POST', path: '/v1/imports?format=ipvsadm&report=none&apply=true' },
            ...{ body: saved(lines), type: 'text/plain' },
          },
        ],
      },
      undo: { method: 'POST', path: '/v1/changesets', body: deletions(savedNames(lines)) },
    },
  ]
}

const changeset = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...{ op: 'put', path: `${SERVICES}/bulk-${i}` },
    value: {
      ...{ protocol: 'tcp', address: '198.51.100.30', port: 10_000 + i, scheduler: 'wlc' },
      realServers: Object.fromEntries(
        Array.from({ length: 10 }, (_, s) => [`s${s}`, { address: realServer(s), port: 80 }]),
      ),
    },
  }))

const deletions = (all: readonly string[]) =>
  all.map(name => ({ op: 'delete', path: `${SERVICES}/${name}` }))

const names = (count: number) => Array.from({ length: count }, (_, i) => `bulk-${i}`)

/** As an import calls what is not there yet. */
const savedNames = (lines: number) =>
  Array.from({ length: lines / 10 }, (_, i) => `tcp-${savedService(i).replaceAll(/[.:]/g, '-')}`)

const savedService = (i: number) =>
  `198.51.100.${31 + Math.floor(i / PORTS_EACH)}:${10_000 + (i % PORTS_EACH)}`

/** Services of nine real servers each: ten lines. */
function saved(lines: number): string {
  let text = ''
  for (let i = 0; i < lines / 10; i++) {
    const service = savedService(i)
    text += `-A -t ${service} -s wlc\n`
    for (let s = 0; s < 9; s++) text += `-a -t ${service} -r ${realServer(s)}:80 -m -w 1\n`
  }
  return text
}

const realServer = (i: number) => `10.0.0.${11 + i}`

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
    const [values, growths]: [number[], number[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      const watch = new MemoryWatch(sluice.process.pid)
      values.push(value(await callApi(lab, topology.director, order)))
      growths.push(watch.stop() / MIB)
      if (undo) await callApi(lab, topology.director, { calls: [undo] })
      say('Sluice', name, `${values.at(-1)!.toFixed(2)} ${unit}`)
    }
    facts.push({ name, value: median(values), unit, digits: unit === '/s' ? 0 : 2, target })
    if (growthMib === undefined) continue
    const most = { side: 'most', value: growthMib } as const
    facts.push({
      ...{ name: `growth of RSS, ${name}`, value: Math.max(...growths), unit: 'MiB', digits: 0 },
      target: most,
    })
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

async function workUnderLoad(
  stage: Stage,
  works: readonly Work[],
  loads: readonly Load[],
  { rounds, seconds }: BenchOptions,
  rows: Row[],
): Promise<void> {
  for (const each of works)
    for (const { name: speed, ...rate } of loads) {
      const name = `${each.name}, ${speed}`
      const row: Row = { name, samples: { [OWN]: [], [PEER]: [] }, targets: [least(PEER, 0.9)] }
      for (let round = 0; round < rounds; round++) {
        const { alonePps, workingPps } = await turn(stage, each, seconds, rate)
        row.samples[OWN]!.push(workingPps / 1000)
        row.samples[PEER]!.push(alonePps / 1000)
        const values = [workingPps, alonePps].map(value => (value / 1000).toFixed(0))
        say('Sluice', name, `${values.join(' with, ')} without`)
      }
      rows.push(row)
    }
}

/** Delivered alone, then while the work is done, in one flood. */
async function turn(
  { lab, topology: { client, director }, sink }: Stage,
  { order, undo }: Work,
  seconds: number,
  rate: { pps?: number },
): Promise<{ alonePps: number; workingPps: number }> {
  const shape = { ...SHAPE, ...rate, seconds: seconds + WORK_S }
  const sender = await startFlood(client, director, shape)
  const begin = sink.received()
  await pause(seconds * 1000)
  const middle = sink.received()
  await callApi(lab, director, order, WORK_S * 1000)
  const end = sink.received()
  await sender.stop('SIGKILL')
  if (undo) await callApi(lab, director, { calls: [undo] })
  return { alonePps: rateBetween(begin, middle), workingPps: rateBetween(middle, end) }
}

const pause = (ms: number): Promise<void> =>
  new Promise(resolve => {
    setTimeout(resolve, ms)
  })

const claim = ({ rounds, seconds }: BenchOptions) =>
  `Writes change the weight of a real server; each is answered once it is durable and in force. Clients are one process with
that many connections on the appliance's own host, sharing the two cores with it. Medians of ${rounds} rounds of ${seconds} s
for what is repeated, percentiles without the first ${WARM_CALLS} calls; what is done once is timed whole, with its client's start. Packets: UDP datagrams of 18 octets through a
service of their own, counted at the real server while nobody asks and then, in the same flood, while the work is done.`
