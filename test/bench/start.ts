/**
 * Question: how long does a cold start take, from the command to the line that says "ready", with
 * no services and with ten thousand?
 *
 * Ready means that the dataplane has everything and the API answers. Each start is a new process on
 * a database that is there; addresses are put on the host again each time, because a clean stop
 * takes them off.
 */
import { serverAddress } from '../lab/cast.js'
import { Lab } from '../lab/lab.js'
import { Sluice } from '../lab/sluice.js'
import { build } from '../lab/topology.js'
import { copyService, type Endpoint } from './many-services.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import type { Fact } from './sheet.js'
import { median } from './statistics.js'
import { say } from './turns.js'

const PORTS_EACH = 1000

export async function bench(options: BenchOptions): Promise<void> {
  const count = options.quick ? 100 : 10_000
  const lab = await Lab.open()
  try {
    const { director } = await build(lab, { servers: 1 })
    const { serveArgs } = options
    const empty = new Sluice(lab, director, { serveArgs, database: 'empty.db' })
    const full = new Sluice(lab, director, { serveArgs, database: 'full.db' })
    await full.start()
    const realServers = { a: { address: serverAddress('a', 'ipv4'), port: 80 } }
    const [first, ...rest] = endpoints(count)
    await full.putService('start', { ...first!, protocol: 'tcp', scheduler: 'wlc', realServers })
    await full.stop()
    copyService(full.database, 'start', rest)
    const [none, many]: [number[], number[]] = [[], []]
    for (let round = 0; round < options.rounds; round++) {
      none.push(await start(empty, 'no services'))
      many.push(await start(full, `${count} services`))
    }
    const fact = (name: string, values: number[], most: number): Fact => ({
      ...{ name, value: median(values), unit: 's', digits: 2 },
      target: { side: 'most', value: most },
    })
    const facts = [
      fact('cold start, no services', none, 1),
      fact(`cold start, ${count.toLocaleString('en')} services`, many, 5),
    ]
    await publish({ name: 'start', claim: claim(options), facts }, options)
  } finally {
    await lab.close()
  }
}

/** Seconds until it said that it is ready. */
async function start(sluice: Sluice, what: string): Promise<number> {
  const begin = performance.now()
  await sluice.start()
  const seconds = (performance.now() - begin) / 1000
  say('Sluice', what, `${seconds.toFixed(2)} s`)
  await sluice.stop()
  return seconds
}

const endpoints = (count: number): Endpoint[] =>
  Array.from({ length: count }, (_, i) => ({
    address: `198.51.100.${1 + Math.floor(i / PORTS_EACH)}`,
    port: 10_000 + (i % PORTS_EACH),
  }))

const claim = ({ rounds }: BenchOptions) =>
  `From starting the process to its line "ready": the database read, addresses and packet guard on the host, the dataplane
told, the API listening. Services have one real server each, on ten addresses. Medians of ${rounds} starts.`
