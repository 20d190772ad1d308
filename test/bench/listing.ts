/**
 * Question: what does it cost to list a million connections over the API while traffic runs?
 *
 * A flood of small UDP packets from a million endpoints opens the connections (lab/programs/flood.ts);
 * then 10,000 of them go on. Without and with somebody who lists all connections take turns within
 * one flood: page by page with the largest page there is, and as one stream of lines where the API
 * has that (application/x-ndjson). Traffic at full speed shows what a busy machine loses, at half of
 * that what one with room does.
 */
import { callApi } from '../lab/api-caller.js'
import type { ApiReport } from '../lab/api-order.js'
import { call } from '../lab/api.js'
import { serverAddress, VIP } from '../lab/cast.js'
import { flood, rateBetween, Sink, startFlood } from '../lab/flood.js'
import { Lab } from '../lab/lab.js'
import { MemoryWatch, residentOctets } from '../lab/memory.js'
import type { Namespace } from '../lab/namespace.js'
import { SINK_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { build, type Topology } from '../lab/topology.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import { least, OWN, type Fact, type Row } from './sheet.js'
import { median } from './statistics.js'
import { say } from './turns.js'

const MILLION = 1_000_000
const PEER = 'Sluice, nobody asks'
const SHAPE = { address: VIP.ipv4, port: SINK_PORT, warmS: 1 }
const NDJSON = 'application/x-ndjson'
const LISTINGS = [
  { name: 'pages of 10,000', path: '/v1/connections?limit=10000', pages: true },
  { name: 'stream of lines', path: '/v1/connections', accept: NDJSON },
]
const PASSES_MAX = 6
const PORTS_EACH = 50_000
/** Longest that a listing may take. */
const LISTING_S = 60

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
    const sluice = await Sluice.start(lab, director, options)
    await sluice.putService('listing', {
      ...{ protocol: 'udp', address: VIP.ipv4, port: SINK_PORT, scheduler: 'rr' },
      realServers: { a: { address: serverAddress('a', 'ipv4') } },
    })
    const stage = { lab, topology, sink, sluice }
    // None may expire meanwhile.
    await sluice.api('PATCH', '/v1/settings', { timeouts: { udpSeconds: 3600 } })
    const count = options.quick ? MILLION / 20 : MILLION
    const memory = await fill(stage, count)
    const found: Found = { rows: [], growths: [], times: [] }
    for (const listing of await known(director))
      await compare(stage, listing, { ...options, count }, found)
    await sluice.stop()
    await sink.check()
    const unit = 'thousand packets/s'
    const sheets = [{ title: 'Packets delivered while listed', unit, digits: 0, rows: found.rows }]
    const facts = [memory, ...found.growths, ...found.times]
    await publish({ name: 'listing', claim: claim(options), sheets, facts }, options)
  } finally {
    await lab.close()
  }
}

/** Opens connections until there are that many; what each of them took. */
async function fill({ topology, sink, sluice }: Stage, count: number): Promise<Fact> {
  const { client, director } = topology
  const before = residentOctets(sluice.process.pid)
  const sources = Math.ceil(count / PORTS_EACH)
  const shape = { ...SHAPE, flows: count, sources, seconds: Math.ceil(count / 100_000) }
  let open = 0
  for (let pass = 0; open < count; pass++) {
    if (pass === PASSES_MAX) throw new Error(`only ${open} of ${count} connections were opened`)
    await flood(client, director, sink, shape)
    open = await connections(director)
    say('Sluice', 'connections open', String(open))
  }
  const octets = (residentOctets(sluice.process.pid) - before) / open
  // The heap's own coming and going is in it, so the table bench has the target.
  const name = 'growth of RSS while they were opened, for each connection'
  return { name, value: octets, unit: 'octets', digits: 0 }
}

async function connections(director: Namespace): Promise<number> {
  const { body } = await call(director, 'GET', '/v1/stats')
  return (body as { connections: number }).connections
}

type Listing = (typeof LISTINGS)[number]

/** The ways of listing that this API has. */
async function known(director: Namespace): Promise<Listing[]> {
  const command = ['curl', '-sS', '-o', '/dev/null', '-w', '%{content_type}', '-H']
  const url = 'http://127.0.0.1:7480/v1/connections?limit=1'
  const type = await director.must([...command, `accept: ${NDJSON}`, url])
  return LISTINGS.filter(({ accept }) => accept === undefined || type.includes(accept))
}

interface Found {
  rows: Row[]
  growths: Fact[]
  times: Fact[]
}

async function compare(
  stage: Stage,
  listing: Listing,
  { rounds, seconds, count }: BenchOptions & { count: number },
  found: Found,
): Promise<void> {
  const { client, director } = stage.topology
  const full = { ...SHAPE, flows: 10_000, seconds }
  const { deliveredPps } = await flood(client, director, stage.sink, full)
  for (const load of ['full speed', 'half speed']) {
    const name = `${listing.name}, ${load}`
    const row: Row = { name, samples: { [OWN]: [], [PEER]: [] }, targets: [least(PEER, 0.8)] }
    const [growth, took]: [number[], number[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      const pps = load === 'full speed' ? {} : { pps: deliveredPps / 2 }
      const one = await turn(stage, listing, seconds, pps)
      if (one.report.items < count)
        throw new Error(`${listing.name}: only ${one.report.items} connections were listed`)
      row.samples[OWN]!.push(one.listedPps / 1000)
      row.samples[PEER]!.push(one.alonePps / 1000)
      growth.push(one.growthOctets / 2 ** 20)
      took.push(one.report.elapsedS)
      const values = [one.listedPps, one.alonePps].map(value => (value / 1000).toFixed(0))
      say('Sluice', name, `${values.join(' with, ')} without, ${one.report.items} listed`)
    }
    found.rows.push(row)
    found.growths.push({
      ...{ name: `growth of RSS, ${name}`, value: Math.max(...growth), unit: 'MiB', digits: 1 },
      target: { side: 'most', value: 100 },
    })
    found.times.push({ name: `time, ${name}`, value: median(took), unit: 's', digits: 1 })
  }
}

/** Delivered alone, then while everything is listed once, in one flood. */
async function turn(
  { lab, topology, sink, sluice }: Stage,
  { path, accept, pages = false }: Listing,
  seconds: number,
  rate: { pps?: number },
): Promise<{ alonePps: number; listedPps: number; growthOctets: number; report: ApiReport }> {
  const { client, director } = topology
  const shape = { ...SHAPE, ...rate, flows: 10_000, seconds: seconds + LISTING_S }
  const sender = await startFlood(client, director, shape)
  const begin = sink.received()
  await pause(seconds * 1000)
  const middle = sink.received()
  const watch = new MemoryWatch(sluice.process.pid)
  const order = { calls: [{ method: 'GET', path }], pages, ...(accept ? { accept } : {}) }
  const report = await callApi(lab, director, order, LISTING_S * 1000)
  const end = sink.received()
  const growthOctets = watch.stop()
  await sender.stop('SIGKILL')
  return {
    ...{ report, growthOctets },
    alonePps: rateBetween(begin, middle),
    listedPps: rateBetween(middle, end),
  }
}

const pause = (ms: number): Promise<void> =>
  new Promise(resolve => {
    setTimeout(resolve, ms)
  })

const claim = ({ rounds, seconds, quick }: BenchOptions) =>
  `${quick ? 'Some' : 'A million'} UDP connections are open and 10,000 of them carry datagrams of 18 octets. Delivered packets a second over
${seconds} s while nobody asks, then while one client on the same host lists every connection once; ${rounds} rounds each. The
client, the API and the dataplane share the machine's cores with the sender.`
