/**
 * Question: what do two workers carry that one does not?
 *
 * The same appliance with `--workers 1` and `--workers 2` takes turns: small UDP packets in 10,000
 * flows of 200 clients, and TCP bulk over 8 connections (as in bulk.ts), which are one client's, so
 * one worker's: workers share clients, not connections. Sender and receiver need
 * cores too, so a machine with two shows less than the workers could do.
 */
import { FAMILIES, serverAddress, VIP, type Family } from '../lab/cast.js'
import { sluiceContender, type Contender, type ServiceSpecs } from '../lab/contender.js'
import { flood, Sink } from '../lab/flood.js'
import { bulk, startIperf } from '../lab/iperf.js'
import { Lab } from '../lab/lab.js'
import { IPERF_PORT, SINK_PORT } from '../lab/real-server.js'
import { must } from '../lab/run.js'
import { built, SLUICE } from '../lab/root.js'
import { build } from '../lab/topology.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import { OWN } from './sheet.js'
import { takeTurns } from './turns.js'

const FLAG = '--workers'

const service = (protocol: 'tcp' | 'udp', family: Family, port: number) => ({
  ...{ protocol, address: VIP[family], port, scheduler: 'rr' as const },
  realServers: { a: { address: serverAddress('a', family) } },
})

const SERVICES: ServiceSpecs = Object.fromEntries(
  FAMILIES.flatMap(family => [
    [`flood-${family}`, service('udp', family, SINK_PORT)],
    [`bulk-${family}`, service('tcp', family, IPERF_PORT)],
  ]),
)
const CASES = FAMILIES.map(family => ({ family, name: family, targets: [] }))

export async function bench(options: BenchOptions): Promise<void> {
  const { rounds, seconds } = options
  if (!(await must([process.execPath, built(SLUICE), 'serve', '--help'])).includes(FLAG)) {
    process.stdout.write(`this build of sluice does not know ${FLAG}\n`)
    return
  }
  const lab = await Lab.open()
  try {
    const { client, director, servers } = await build(lab, { servers: 1 })
    const server = servers.get('a')!
    const sink = await Sink.start(server)
    const iperf = await startIperf(server)
    const contenders = [1, 2].map((count): Contender => {
      const serveArgs = [...options.serveArgs, FLAG, String(count)]
      // A database each, or the second would not be told what the first knows.
      const own = { serveArgs, database: `workers-${count}.db` }
      const name = count === 2 ? OWN : 'Sluice, 1 worker'
      return { ...sluiceContender(lab, director, SERVICES, own), name }
    })
    const plan = { contenders, cases: CASES, rounds }
    const pps = { unit: 'thousand packets/s', digits: 0 }
    const packets = await takeTurns({ ...plan, ...pps }, async ({ family }) => {
      const shape = {
        address: VIP[family],
        port: SINK_PORT,
        flows: 10_000,
        sources: 200,
        burst: 8,
        warmS: 1.5,
        seconds,
      }
      return (await flood(client, director, sink, shape)).deliveredPps / 1000
    })
    await sink.check()
    const gbit = { unit: 'Gbit/s', digits: 1 }
    const bulks = await takeTurns({ ...plan, ...gbit }, async ({ family }) => {
      const amount = ['-t', String(seconds), '-P', '8']
      return (await bulk(client, VIP[family], amount, { server: iperf })).gbitS
    })
    const sheets = [
      { title: 'UDP packets delivered, two workers, 10,000 flows', ...pps, rows: packets },
      { title: 'TCP bulk, two workers, 8 connections', ...gbit, rows: bulks },
    ]
    await publish({ name: 'workers', claim: claim(options), sheets }, options)
  } finally {
    await lab.close()
  }
}

const claim = ({ rounds, seconds }: BenchOptions) =>
  `The same appliance with one and with two workers ("Sluice"), NAT: UDP datagrams of 18 octets in 10,000 flows, and TCP
bulk over 8 connections; the receiver counts. Datagrams are cut eight at a time by the sender's kernel, which leaves more
of the cores. ${rounds} rounds of ${seconds} s, the two taking turns. Sender, receiver and workers share the machine's cores.`
