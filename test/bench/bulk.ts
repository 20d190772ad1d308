/**
 * Question: how much TCP does one core of Sluice carry (NAT, IPv4 and IPv6, both directions) next
 * to kernel nftables DNAT and HAProxy in TCP mode?
 *
 * The contenders take turns on the same wires within one run, in another order each round, because
 * only ratios from one run count: the machine's own speed swings by more than they differ.
 * Throughput is what iperf3's receiver counted, up (client to server) and down, over 1 and 8
 * connections. The first transfer after each start is thrown away.
 *
 * On veth what is sent runs through the receiver's stack on the sender's core, in the middle of the
 * balancer's own sending. Eight streams are therefore measured twice: on plain wires, and with client
 * and real server receiving on both cores (RPS on their interfaces, not on the balancer's), which is
 * nearer to machines of their own.
 */
import {
  CLIENT_DEVICE,
  FAMILIES,
  SERVER_DEVICE,
  serverAddress,
  VIP,
  type Family,
} from '../lab/cast.js'
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
import { build } from '../lab/topology.js'
import { taking, type BenchOptions } from './options.js'
import { publish } from './report.js'
import { least } from './sheet.js'
import { takeTurns } from './turns.js'

const TARGETS = [
  least('nftables DNAT', 0.65),
  least('nftables DNAT', 0.5, true),
  least('HAProxy TCP mode', 1.7),
]
const SETUPS = [
  { streams: 1, spread: false, name: '1 stream' },
  { streams: 8, spread: false, name: '8 streams' },
  { streams: 8, spread: true, name: "8 streams, peers' receiving spread" },
]
const CASES = FAMILIES.flatMap(family =>
  SETUPS.flatMap(({ name, ...setup }) =>
    [false, true].map(down => ({
      ...{ ...setup, family, down, targets: TARGETS },
      name: `${family}, ${name}, ${down ? 'down' : 'up'}`,
    })),
  ),
)

export async function bench(options: BenchOptions): Promise<void> {
  const { rounds, seconds } = options
  const lab = await Lab.open()
  try {
    const { client, director, servers } = await build(lab, { servers: 1 })
    const peers = [
      { host: client, device: CLIENT_DEVICE },
      { host: servers.get('a')!, device: SERVER_DEVICE },
    ]
    const server = await startIperf(servers.get('a')!)
    const contenders = taking(
      [
        sluiceContender(lab, director, SERVICES, options),
        nftContender(director, SERVICES),
        haproxyContender(lab, director, SERVICES),
        nginxContender(lab, director, SERVICES),
      ].map(contender => warmed(contender, client, server)),
      options,
    )
    const rows = await takeTurns(
      { contenders, cases: CASES, rounds, unit: 'Gbit/s', digits: 1 },
      async ({ family, down, streams, spread }) => {
        for (const { host, device } of peers) await host.spreadReceiving(device, spread)
        const amount = ['-t', String(seconds), '-P', String(streams)]
        return (await bulk(client, VIP[family], amount, { down, server })).gbitS
      },
    )
    const sheets = [{ title: 'TCP bulk through NAT', unit: 'Gbit/s', digits: 1, rows }]
    await publish({ name: 'bulk', claim: claim(options), sheets }, options)
  } finally {
    await lab.close()
  }
}

/** The first transfer after each start is thrown away. */
const warmed = (contender: Contender, client: Namespace, server: LabProcess): Contender => ({
  ...contender,
  start: async () => {
    await contender.start()
    await bulk(client, VIP.ipv4, ['-t', '1'], { server })
  },
})

const SERVICES: ServiceSpecs = Object.fromEntries(
  FAMILIES.map((family: Family) => [
    `bulk-${family}`,
    {
      ...{ protocol: 'tcp' as const, address: VIP[family], port: IPERF_PORT },
      ...{ scheduler: 'rr' as const, realServers: { a: { address: serverAddress('a', family) } } },
    },
  ]),
)

const claim = ({ rounds, seconds }: BenchOptions) =>
  `TCP bulk through NAT on veth between network namespaces, iperf3, receiver's count. ${rounds} rounds of
${seconds} s for each case, the contenders taking turns. HAProxy: one thread, kernel splicing. nginx: one worker,
buffers of 64 KiB. Peers' receiving spread: client and real server receive on all cores (\`rps_cpus\` of their interfaces), the
balancers' interfaces as before.`
