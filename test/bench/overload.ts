/**
 * Question: what happens to Sluice when it is sent twice the packets that it can take: does it still
 * deliver what it could at its best, does its memory stay flat, does the API still answer?
 *
 * Small UDP packets, 10,000 flows, as in pps.ts. Rates that rise by steps show the most that it
 * delivers; then twice that for a minute. One sender has no more than 1.3 times what a core of Sluice
 * takes (its core runs the receiving softirq as well), so the dataplane's thread shares its core with a
 * program of the same priority: half a core can be offered twice what it takes. What is delivered is
 * read once a second; an API client asks for statistics and services all the while.
 */
import { callApi } from '../lab/api-caller.js'
import type { ApiReport } from '../lab/api-order.js'
import { FAMILIES, serverAddress, VIP, type Family } from '../lab/cast.js'
import { flood, rateBetween, Sink, startFlood, type Reading } from '../lab/flood.js'
import { Lab } from '../lab/lab.js'
import { residentOctets } from '../lab/memory.js'
import type { LabProcess } from '../lab/process.js'
import { SINK_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { build, type Topology } from '../lab/topology.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import { shareCore } from './rival.js'
import type { Fact } from './sheet.js'
import { median, percentile } from './statistics.js'
import { say } from './turns.js'

const SHAPE = { port: SINK_PORT, flows: 10_000, warmS: 1, burst: 16 }
/** Of what the sender can do. */
const STEPS = [0.3, 0.45, 0.7, 1]
const CALLS = ['/v1/stats', '/v1/virtual-services', '/v1/virtual-services/overload-ipv4'].map(
  path => ({ method: 'GET', path }),
)
/** Of the time: the first third's memory and the last one's are compared. */
const PART = 1 / 3
const WHOLE_S = 20
/** Asked of the sender, which does not have its core to itself, so that it offers twice the peak. */
const MULTIPLE = 2.6
/** Between two calls of the API: often enough for percentiles, and little of the sender's core. */
const PAUSE_MS = 50

interface Case {
  name: string
  family: Family
  /** Whether another program takes every other moment of the dataplane's core. */
  halved: boolean
}

const CASES: readonly Case[] = [
  ...FAMILIES.map(family => ({ name: `${family}, half a core`, family, halved: true })),
  { name: 'ipv4, a whole core', family: 'ipv4', halved: false },
]

interface Second {
  pps: number
  rssOctets: number
}

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
    const facts: Fact[] = []
    for (const one of CASES) {
      // One for each, so that memory is that of its own load.
      const sluice = await Sluice.start(lab, director, options)
      for (const family of FAMILIES)
        await sluice.putService(`overload-${family}`, {
          ...{ protocol: 'udp', address: VIP[family], port: SINK_PORT, scheduler: 'rr' },
          realServers: { a: { address: serverAddress('a', family) } },
        })
      const rival = one.halved ? shareCore(director, sluice.process.pid) : null
      const seconds = one.halved ? options.seconds : Math.min(WHOLE_S, options.seconds)
      facts.push(
        ...factsOf(one, await overload({ lab, topology, sink, sluice }, one, seconds, options)),
      )
      await rival?.stop('SIGKILL')
      await sluice.stop()
    }
    await sink.check()
    await publish({ name: 'overload', claim: claim(options), facts }, options)
  } finally {
    await lab.close()
  }
}

async function overload(
  { lab, topology: { client, director }, sink, sluice }: Stage,
  { name, family }: Case,
  seconds: number,
  { quick }: BenchOptions,
): Promise<Outcome> {
  const shape = { ...SHAPE, address: VIP[family] }
  const send = (rate: { pps?: number }) =>
    flood(client, director, sink, { ...shape, ...rate, seconds: 1 })
  // Rates that rise, and all that the sender has: the most that arrives is the peak.
  const { sentPps, deliveredPps } = await send({})
  let peak = deliveredPps
  for (const step of quick ? STEPS.slice(-1) : STEPS) {
    const pps = sentPps * step
    const { deliveredPps } = await send(step < 1 ? { pps } : {})
    peak = Math.max(peak, deliveredPps)
    const [offered, delivered] = [pps, deliveredPps].map(each => (each / 1000).toFixed(0))
    say(name, `${offered} thousand/s offered`, `${delivered} thousand/s delivered`)
  }
  const order = { ...shape, seconds: seconds + 1, pps: peak * MULTIPLE }
  const sender = await startFlood(client, director, order)
  const calls = { calls: CALLS, seconds, pauseMs: PAUSE_MS }
  const calling = callApi(lab, director, calls, (seconds + 30) * 1000)
  const each = await watch(sink, sluice.process.pid, seconds)
  const api = await calling
  return { peak, offered: await offeredPps(sender, seconds + 1), each, api }
}

/** A reading once a second. */
async function watch(sink: Sink, pid: number, seconds: number): Promise<Second[]> {
  return new Promise(resolve => {
    const each: Second[] = []
    let before: Reading = sink.received()
    const timer = setInterval(() => {
      const after = sink.received()
      each.push({ pps: rateBetween(before, after), rssOctets: residentOctets(pid) })
      before = after
      if (each.length < seconds) return
      clearInterval(timer)
      resolve(each)
    }, 1000)
  })
}

async function offeredPps(sender: LabProcess, seconds: number): Promise<number> {
  const [, sent] = await sender.waitFor(/end (\d+)\n/, 60_000)
  await sender.exited
  return Number(sent) / seconds
}

interface Outcome {
  peak: number
  offered: number
  each: readonly Second[]
  api: ApiReport
}

function factsOf(one: Case, { peak, offered, each, api }: Outcome): Fact[] {
  const rates = each.map(({ pps }) => pps)
  const { growth, height } = sawOf(each.map(({ rssOctets }) => rssOctets))
  const fact = (name: string, value: number, unit: string, digits: number): Fact => ({
    ...{ name: `${one.name}: ${name}`, value, unit, digits },
  })
  const multiple = fact('offered, of the peak', offered / peak, '', 2)
  const throughput = fact('delivered, of the peak', median(rates) / peak, '', 2)
  const memory = fact('growth of the lowest RSS', growth / 2 ** 20, 'MiB', 1)
  const answers = fact('API, 99th percentile', percentile(api.ms, 0.99), 'ms', 1)
  return [
    fact('peak', peak / 1000, 'thousand packets/s', 0),
    one.halved ? { ...multiple, target: { side: 'least', value: 2 } } : multiple,
    { ...throughput, target: { side: 'least', value: 0.9 } },
    fact('delivered in the worst second, of the peak', Math.min(...rates) / peak, '', 2),
    { ...memory, target: { side: 'most', value: 10 } },
    fact('height of RSS, lowest to highest', height / 2 ** 20, 'MiB', 1),
    fact('API, calls', api.ms.length, '', 0),
    fact('API, median', median(api.ms), 'ms', 1),
    { ...answers, target: { side: 'most', value: 100 } },
  ]
}

/**
 * Memory of a program with garbage is a saw: by how much its lowest points of the first and the last
 * third differ says whether it grows, and from its lowest to its highest is what garbage takes.
 */
function sawOf(octets: readonly number[]): { growth: number; height: number } {
  const part = Math.ceil(octets.length * PART)
  const low = (some: readonly number[]) => Math.min(...some)
  return {
    growth: low(octets.slice(-part)) - low(octets.slice(0, part)),
    height: Math.max(...octets) - low(octets),
  }
}

const claim = ({ seconds }: BenchOptions) =>
  `UDP datagrams of 18 octets in 10,000 flows, cut sixteen at a time by the sender's kernel. The peak is the most that arrived at the
real server over rates that rise by steps; then more than twice that is offered, or all that one sender has. A sender's core, which also
runs the receiving softirq, has about 1.3 times what the dataplane's core takes, so for ${seconds} s and with either family the
dataplane has half a core: a program of the same priority that only counts shares it, while the peak is found, too. On a whole
core, for ${WHOLE_S} s, offered is what there is. Delivered: the median of its seconds. Memory: read once a second; the lowest of
the last third of the time is compared with the lowest of the first, from the first second on, and flat means within 10 MiB. The API is asked for statistics and services every ${PAUSE_MS} ms.`
