/**
 * Question: how many small packets a second does Sluice deliver (UDP, 18 octets of payload, NAT, one
 * way), next to kernel nftables DNAT and nginx stream?
 *
 * One process sends as fast as it can through a packet socket (lab/programs/flood.ts); what counts is
 * what the real server's interface received. The kernel forwards in the softirq that the sender's core
 * runs, as it does behind one queue of a card. HAProxy's TCP mode does not do UDP.
 *
 * A sender that makes every datagram by itself has no more than Sluice takes, so that those rows say
 * what of 380,000 a second arrives. A sender that leaves cutting to its kernel, eight datagrams of a flow
 * at a time, has nearly twice as many for the same core: there each contender shows its own limit. What
 * arrives at it is single datagrams either way.
 */
import { FAMILIES, serverAddress, VIP, type Family } from '../lab/cast.js'
import { nftContender, nginxContender, sluiceContender } from '../lab/contender.js'
import type { ServiceSpecs } from '../lab/contender.js'
import { flood, Sink } from '../lab/flood.js'
import { Lab } from '../lab/lab.js'
import { SINK_PORT } from '../lab/real-server.js'
import { build } from '../lab/topology.js'
import { taking, type BenchOptions } from './options.js'
import { publish } from './report.js'
import { least } from './sheet.js'
import { takeTurns } from './turns.js'

const BURST = 8
const FLOWS = [1, 10_000]
const WARMING = { address: VIP.ipv4, port: SINK_PORT, flows: 1000, burst: BURST, seconds: 2 }
const TARGETS = [least('nftables DNAT', 0.8), least('nginx stream', 3)]
const CASES = FAMILIES.flatMap(family =>
  [BURST, 1].flatMap(burst =>
    FLOWS.map(flows => ({
      ...{ family, burst, flows, targets: TARGETS },
      name: `${family}, ${titleOf(flows)}, ${burst === 1 ? 'each sent by itself' : `sent ${burst} at a time`}`,
    })),
  ),
)

function titleOf(flows: number): string {
  return `${flows.toLocaleString('en')} flow${flows === 1 ? '' : 's'}`
}

export async function bench(options: BenchOptions): Promise<void> {
  const { rounds, seconds } = options
  const lab = await Lab.open()
  try {
    const { client, director, servers } = await build(lab, { servers: 1 })
    const sink = await Sink.start(servers.get('a')!)
    const contenders = taking(
      [
        sluiceContender(lab, director, SERVICES, options),
        nftContender(director, SERVICES),
        nginxContender(lab, director, SERVICES),
      ].map(contender => ({
        ...contender,
        // Code is compiled, and programs have found a core, before the first counts.
        start: async () => {
          await contender.start()
          await flood(client, director, sink, WARMING)
        },
      })),
      options,
    )
    const unit = 'thousand packets/s'
    const rows = await takeTurns(
      { contenders, cases: CASES, rounds, unit, digits: 0 },
      async ({ family, flows, burst }) => {
        // Opening sessions is no part of it; nginx takes a second for ten thousand.
        const warmS = flows > 1 ? 1.5 : 0.5
        const shape = { address: VIP[family], port: SINK_PORT, flows, burst, seconds, warmS }
        return (await flood(client, director, sink, shape)).deliveredPps / 1000
      },
    )
    await sink.check()
    const title = 'UDP packets delivered, 18 octets of payload'
    const sheets = [{ title, unit, digits: 0, rows }]
    await publish({ name: 'pps', claim: claim(options), sheets }, options)
  } finally {
    await lab.close()
  }
}

const SERVICES: ServiceSpecs = Object.fromEntries(
  FAMILIES.map((family: Family) => [
    `flood-${family}`,
    {
      ...{ protocol: 'udp' as const, address: VIP[family], port: SINK_PORT },
      ...{ scheduler: 'rr' as const, realServers: { a: { address: serverAddress('a', family) } } },
    },
  ]),
)

const claim = ({ rounds, seconds }: BenchOptions) =>
  `UDP datagrams of 18 octets from one sending process (packet socket, \`sendmmsg\`) over veth through NAT to one
real server, whose interface counts; it drops them before its own stack. Sent ${BURST} at a time: the sender's kernel cuts that
many datagrams of one flow apart before the interface, so that one core has more than anybody takes; each by itself: it has
less than Sluice takes. ${rounds} rounds of ${seconds} s for each case, the contenders taking turns. nginx: one worker, sessions
kept. The kernel forwards in softirq on the sender's core.`
