/**
 * Question: how long does a small answer take over an open TCP connection (NAT), idle and at half
 * load, next to kernel nftables DNAT, HAProxy and nginx stream?
 *
 * One client, one connection, one request of 64 octets under way, all with blocking system calls.
 * Half load is a second connection's bulk transfer, paced by TCP at half of what this contender
 * itself carried a moment before; who carries more has more to do meanwhile. The same load is half of
 * what the slowest carries, for all of them.
 */
import { FAMILIES, serverAddress, VIP, type Family } from '../lab/cast.js'
import {
  haproxyContender,
  nftContender,
  nginxContender,
  sluiceContender,
  type Contender,
  type ServiceSpecs,
} from '../lab/contender.js'
import { bulk, startIperf } from '../lab/iperf.js'
import { Lab } from '../lab/lab.js'
import type { Namespace } from '../lab/namespace.js'
import type { LabProcess } from '../lab/process.js'
import { IPERF_PORT } from '../lab/real-server.js'
import { program } from '../lab/root.js'
import { build } from '../lab/topology.js'
import { taking, type BenchOptions } from './options.js'
import { publish } from './report.js'
import { most, type Row } from './sheet.js'
import { say, turned } from './turns.js'

const ECHO_PORT = 7
const OCTETS = 64
const ENV = ['env', '-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE']
const LOADS = ['idle', 'half load', 'the same load'] as const
type Load = (typeof LOADS)[number]
const CASES = FAMILIES.flatMap(family =>
  LOADS.map(load => ({ family, load, name: `${family}, ${load}` })),
)
const MEASURES = ['p50Us', 'p99Us'] as const

interface Report {
  count: number
  p50Us: number
  p99Us: number
  maxUs: number
}

export async function bench(options: BenchOptions): Promise<void> {
  const lab = await Lab.open()
  try {
    const { client, director, servers } = await build(lab, { servers: 1 })
    const server = servers.get('a')!
    const iperf = await startIperf(server)
    const echo = server.start([...ENV, process.execPath, program('echo-server'), String(ECHO_PORT)])
    await echo.waitFor(/ready/)
    const contenders = taking(
      [
        sluiceContender(lab, director, SERVICES, options),
        nftContender(director, SERVICES),
        haproxyContender(lab, director, SERVICES),
        nginxContender(lab, director, SERVICES),
      ],
      options,
    )
    const stage = { client, server: iperf, seconds: options.seconds }
    const sameGbitS = await slowest(contenders, stage)
    const rows = emptyRows()
    for (let round = 0; round < options.rounds; round++) {
      for (const contender of turned(contenders, round)) {
        await contender.start()
        await turn(contender, { ...stage, sameGbitS }, rows)
        await contender.stop()
      }
    }
    const title = 'Request and answer on an open connection'
    const sheets = [{ title, unit: 'µs', digits: 0, rows }]
    await publish({ name: 'latency', claim: claim(options), sheets }, options)
  } finally {
    await lab.close()
  }
}

interface Stage {
  client: Namespace
  /** iperf3's. */
  server: LabProcess
  seconds: number
}

/** The least that any contender carries, in Gbit/s. */
async function slowest(
  contenders: readonly Contender[],
  { client, server }: Stage,
): Promise<number> {
  const found: number[] = []
  for (const contender of contenders) {
    await contender.start()
    found.push(await capacity(client, server))
    await contender.stop()
  }
  return Math.min(...found)
}

const capacity = async (client: Namespace, server: LabProcess): Promise<number> =>
  (await bulk(client, VIP.ipv4, ['-t', '1'], { server })).gbitS

async function turn(
  { name }: Contender,
  { client, server, seconds, sameGbitS }: Stage & { sameGbitS: number },
  rows: Row[],
): Promise<void> {
  const ownGbitS = await capacity(client, server)
  const gbitS: Record<Load, number> = {
    ...{ idle: 0, 'half load': ownGbitS / 2, 'the same load': sameGbitS / 2 },
  }
  for (const [i, { family, load, ...one }] of CASES.entries()) {
    const rate = String(Math.round(gbitS[load] * 1e9))
    const amount = ['-t', String(seconds + 1), '--fq-rate', rate]
    const transfer = gbitS[load] > 0 ? bulk(client, VIP[family], amount, { server }) : null
    const report = await pingPong(client, VIP[family], seconds)
    await transfer
    MEASURES.forEach((measure, at) => {
      const { samples } = rows[i * MEASURES.length + at]!
      samples[name] = [...(samples[name] ?? []), report[measure]]
    })
    const { p50Us, p99Us, maxUs } = report
    say(name, one.name, [p50Us, p99Us, maxUs].map(us => us.toFixed(0)).join(' / ') + ' µs')
  }
}

async function pingPong(client: Namespace, address: string, seconds: number): Promise<Report> {
  const order = [address, ECHO_PORT, OCTETS, seconds].map(String)
  const command = [...ENV, process.execPath, program('ping-pong'), ...order]
  return JSON.parse(await client.must(command)) as Report
}

const emptyRows = (): Row[] =>
  CASES.flatMap(({ name }) =>
    MEASURES.map(measure => ({
      name: `${name}, ${measure.slice(0, 3)}`,
      samples: {},
      targets: [most('HAProxy TCP mode', 1)],
    })),
  )

const service = (port: number, family: Family) => ({
  ...{ protocol: 'tcp' as const, address: VIP[family], port, scheduler: 'rr' as const },
  realServers: { a: { address: serverAddress('a', family) } },
})

const SERVICES: ServiceSpecs = Object.fromEntries(
  FAMILIES.flatMap(family => [
    [`echo-${family}`, service(ECHO_PORT, family)],
    [`bulk-${family}`, service(IPERF_PORT, family)],
  ]),
)

const claim = ({ rounds, seconds }: BenchOptions) =>
  `One request of ${OCTETS} octets at a time over one open TCP connection through NAT on veth, to an echo server; client
and server use blocking system calls. Half load: another connection's bulk transfer at half of what the same contender
carried just before, so that who carries more has more to do. The same load: that transfer at half of what the slowest
contender carries, for all. ${rounds} rounds of ${seconds} s for each case, the contenders taking turns.`
