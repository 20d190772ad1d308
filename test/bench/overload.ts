/**
 * Question: what happens to Sluice when it is sent twice the packets that it can take: does it still
 * deliver what it could at its best, does its memory stay flat, does the API still answer?
 *
 * Small UDP packets, 10,000 flows, as in pps.ts. Rates that rise by steps show the most that it
 * delivers; then twice that, or all that the sender has, for a minute. What is delivered is read
 * once a second; an API client asks for statistics and services all the while.
 */
import { callApi } from '../lab/api-caller.js'
import type { ApiReport } from '../lab/api-order.js'
import { serverAddress, VIP } from '../lab/cast.js'
import {
  flood,
  rateBetween,
  Sink,
  startFlood,
  type FloodShape,
  type Reading,
} from '../lab/flood.js'
import { Lab } from '../lab/lab.js'
import { residentOctets } from '../lab/memory.js'
import type { LabProcess } from '../lab/process.js'
import { SINK_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { build, type Topology } from '../lab/topology.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import type { Fact } from './sheet.js'
import { median, percentile } from './statistics.js'
import { say } from './turns.js'

const SHAPE = { address: VIP.ipv4, port: SINK_PORT, flows: 10_000, warmS: 1.5 }
/** Of what the sender can do. */
const STEPS = [0.3, 0.45, 0.6, 0.8, 1]
const CALLS = ['/v1/stats', '/v1/virtual-services', '/v1/virtual-services/overload'].map(path => ({
  ...{ method: 'GET', path },
}))
/** Memory settles in the first part of the time; flat means that it stays so. */
const SETTLING = 0.25

interface Second {
  pps: number
  rssOctets: number
}

export async function bench(options: BenchOptions): Promise<void> {
  const lab = await Lab.open()
  try {
    const topology = await build(lab, { servers: 1 })
    const { director, servers } = topology
    const sink = await Sink.start(servers.get('a')!)
    const sluice = await Sluice.start(lab, director, options)
    await sluice.putService('overload', {
      ...{ protocol: 'udp', address: VIP.ipv4, port: SINK_PORT, scheduler: 'rr' },
      realServers: { a: { address: serverAddress('a', 'ipv4') } },
    })
    const peak = await findPeak(topology, sink, options)
    const { seconds } = options
    const sender = await startFlood(topology.client, director, {
      ...{ ...SHAPE, seconds: seconds + 1, pps: peak * 2 },
    })
    const calling = callApi(
      lab,
      director,
      { calls: CALLS, seconds, pauseMs: 20 },
      (seconds + 30) * 1000,
    )
    const each = await watch(sink, sluice.process.pid, seconds)
    const api = await calling
    const offered = await offeredPps(sender, seconds + 1)
    await sluice.stop()
    await sink.check()
    const facts = factsOf({ peak, offered, each, api })
    await publish({ name: 'overload', claim: claim(options), facts }, options)
  } finally {
    await lab.close()
  }
}

/** Packets a second that it delivers at the best of several rates. */
async function findPeak(
  { client, director }: Topology,
  sink: Sink,
  { quick }: BenchOptions,
): Promise<number> {
  const shape: FloodShape = { ...SHAPE, seconds: quick ? 1 : 2 }
  const { sentPps } = await flood(client, director, sink, shape)
  let peak = 0
  for (const step of quick ? STEPS.slice(-2) : STEPS) {
    const pps = sentPps * step
    const { deliveredPps } = await flood(
      client,
      director,
      sink,
      step < 1 ? { ...shape, pps } : shape,
    )
    peak = Math.max(peak, deliveredPps)
    say('Sluice', `${kpps(pps)} thousand/s offered`, `${kpps(deliveredPps)} thousand/s delivered`)
  }
  return peak
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

function factsOf({ peak, offered, each, api }: Outcome): Fact[] {
  const rates = each.map(({ pps }) => pps)
  const settled = each.slice(Math.floor(each.length * SETTLING))
  const growth = settled.at(-1)!.rssOctets - settled[0]!.rssOctets
  const fact = (name: string, value: number, unit: string, digits: number): Fact => ({
    ...{ name, value, unit, digits },
  })
  const throughput = fact('delivered, of the peak', median(rates) / peak, '', 2)
  const memory = fact('growth of RSS once settled', growth / 2 ** 20, 'MiB', 1)
  const answers = fact('API, 99th percentile', percentile(api.ms, 0.99), 'ms', 1)
  return [
    fact('peak', peak / 1000, 'thousand packets/s', 0),
    fact('offered, of the peak', offered / peak, '', 2),
    { ...throughput, target: { side: 'least', value: 0.9 } },
    fact('delivered in the worst second, of the peak', Math.min(...rates) / peak, '', 2),
    { ...memory, target: { side: 'most', value: 10 } },
    fact('API, calls', api.ms.length, '', 0),
    fact('API, median', median(api.ms), 'ms', 1),
    { ...answers, target: { side: 'most', value: 100 } },
  ]
}

const kpps = (pps: number) => (pps / 1000).toFixed(0)

const claim = ({ seconds }: BenchOptions) =>
  `UDP datagrams of 18 octets in 10,000 flows. The peak is the most that arrived at the real server over rates that rise by
steps; then twice that is offered, or all that one sender has, for ${seconds} s. Delivered: the median of its seconds. Memory:
from a quarter of the time on, flat means within 10 MiB. The API is asked for statistics and services every 20 ms.`
