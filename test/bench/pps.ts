/**
 * Question: how many small packets a second does Sluice deliver (UDP, 18 octets of payload, NAT, one
 * way), next to kernel nftables DNAT and nginx stream?
 *
 * One process sends as fast as it can through a packet socket (lab/programs/flood.ts); what counts is
 * what the real server's interface received. The kernel forwards in the softirq that the sender's core
 * runs, as it does behind one queue of a card. HAProxy's TCP mode does not do UDP.
 *
 * One sender is as fast as Sluice, so that row says how much it takes of what there is; nginx takes
 * less. Two senders are more than either takes: then three processes share two cores, and the row
 * compares what the two of them make of the same share. The kernel would forward on both senders'
 * cores, which is not one thread, so it has no part in that.
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

const FLOWS = [1, 10_000]
const NFTABLES = 'nftables DNAT'
const OVER_NGINX = least('nginx stream', 3)
const TARGETS = [least(NFTABLES, 0.8), OVER_NGINX]
const CASES = FAMILIES.flatMap(family =>
  [1, 2].flatMap(senders =>
    FLOWS.map(flows => ({
      ...{ family, senders, flows: Math.max(flows, senders) },
      targets: senders === 1 ? TARGETS : [OVER_NGINX],
      suits: (contender: string) => senders === 1 || contender !== NFTABLES,
      name: `${family}, ${titleOf(Math.max(flows, senders), senders)}`,
    })),
  ),
)

function titleOf(flows: number, senders: number): string {
  const title = `${flows.toLocaleString('en')} flow${flows === 1 ? '' : 's'}`
  return senders === 1 ? title : `${title} of ${senders} senders`
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
      ],
      options,
    )
    const unit = 'thousand packets/s'
    const rows = await takeTurns(
      { contenders, cases: CASES, rounds, unit, digits: 0 },
      async ({ family, flows, senders }) => {
        // Opening sessions is no part of it; nginx takes a second for ten thousand.
        const warmS = flows > senders ? 1.5 : 0.5
        const shape = { address: VIP[family], port: SINK_PORT, flows, senders, seconds, warmS }
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
  `UDP datagrams of 18 octets from sending processes (packet socket, \`sendmmsg\`) over veth through NAT to one
real server, whose interface counts; it drops them before its own stack. One sender unless told; two are more than
Sluice or nginx take, and share the two cores with them. ${rounds} rounds of ${seconds} s
for each case, the contenders taking turns. nginx: one worker, sessions kept. The kernel forwards in softirq on the
sender's core.`
