/**
 * Question: how much TCP does one core of Sluice carry (NAT, IPv4 and IPv6, both directions) next
 * to kernel nftables DNAT and HAProxy in TCP mode?
 *
 * The contenders take turns on the same wires within one run, in another order each round, because
 * only ratios from one run count: the machine's own speed swings by more than they differ.
 * Throughput is what iperf3's receiver counted, over one TCP connection. The first transfer after
 * each start is thrown away.
 */
import { FAMILIES, serverAddress, VIP, type Family } from '../lab/cast.js'
import {
  haproxyContender,
  nftContender,
  sluiceContender,
  type Contender,
  type ServiceSpecs,
} from '../lab/contender.js'
import { bulk, startIperf } from '../lab/iperf.js'
import { Lab } from '../lab/lab.js'
import type { Namespace } from '../lab/namespace.js'
import { IPERF_PORT } from '../lab/real-server.js'
import { build } from '../lab/topology.js'
import type { BenchOptions } from './bench.js'
import { markdownTable, median, publish } from './report.js'

const CASES = FAMILIES.flatMap(family => [
  { family, down: false, name: `${family} client to server` },
  { family, down: true, name: `${family} server to client` },
])

/** Gbit/s of each contender in each case, one for each round. */
type Samples = Map<string, number[][]>

export async function bench({ rounds, seconds, without }: BenchOptions): Promise<void> {
  const lab = await Lab.open()
  try {
    const { client, director, servers } = await build(lab, { servers: 1 })
    await startIperf(servers.get('a')!)
    const contenders = [
      sluiceContender(lab, director, services()),
      nftContender(director, services()),
      haproxyContender(lab, director, services()),
    ].filter(({ name }) => !without.some(word => name.toLowerCase().includes(word)))
    const samples: Samples = new Map(contenders.map(({ name }) => [name, CASES.map(() => [])]))
    for (let round = 0; round < rounds; round++) {
      for (const contender of turned(contenders, round)) {
        await turn(contender, client, seconds, samples)
      }
    }
    await publish('bulk', claim(rounds, seconds), [table(samples), ratios(samples)])
  } finally {
    await lab.close()
  }
}

/** One contender's turn: start, one transfer to warm up, one for each case, stop. */
async function turn(
  contender: Contender,
  client: Namespace,
  seconds: number,
  samples: Samples,
): Promise<void> {
  await contender.start()
  await bulk(client, VIP.ipv4, ['-t', '1'])
  for (const [i, { family, down, name }] of CASES.entries()) {
    const { gbitS, retransmits } = await bulk(client, VIP[family], ['-t', String(seconds)], {
      down,
    })
    samples.get(contender.name)![i]!.push(gbitS)
    const detail = `${gbitS.toFixed(2).padStart(6)} Gbit/s  ${retransmits} retransmits`
    process.stdout.write(`${contender.name.padEnd(18)} ${name.padEnd(22)} ${detail}\n`)
  }
  await contender.stop()
}

function services(): ServiceSpecs {
  const service = (family: Family) => ({
    ...{ protocol: 'tcp' as const, address: VIP[family], port: IPERF_PORT },
    ...{ scheduler: 'rr' as const, realServers: { a: { address: serverAddress('a', family) } } },
  })
  return { 'bulk-four': service('ipv4'), 'bulk-six': service('ipv6') }
}

const turned = <T>(list: readonly T[], by: number): T[] => {
  const at = by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}

const claim = (rounds: number, seconds: number) =>
  `TCP bulk over one connection through NAT on veth between network namespaces, iperf3,
receiver's count. ${rounds} rounds of ${seconds} s, the contenders taking turns. HAProxy: one thread, kernel splicing.`

function table(samples: Samples): string {
  const head = ['Gbit/s: median (lowest to highest)', ...samples.keys()]
  const rows = CASES.map(({ name }, i) => [
    name,
    ...[...samples.values()].map(cases => {
      const values = cases[i]!
      const range = `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`
      return `${median(values).toFixed(1)} (${range})`
    }),
  ])
  return markdownTable([head, ...rows])
}

/** The median of each round's own ratio: neighbours in time, so the machine's swing cancels. */
function ratios(samples: Samples): string {
  const own = samples.get('Sluice')
  if (!own) return 'Sluice took no part.'
  const peers = [...samples].filter(([name]) => name !== 'Sluice')
  const rows = CASES.map(({ name }, i) => [
    name,
    ...peers.map(([, cases]) => {
      const each = own[i]!.map((value, round) => value / cases[i]![round]!)
      return median(each).toFixed(2)
    }),
  ])
  return markdownTable([['Sluice as a multiple of', ...peers.map(([name]) => name)], ...rows])
}
