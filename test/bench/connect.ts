/**
 * Question: how many new TCP connections a second does Sluice carry (NAT, one request and one small
 * answer each), next to kernel nftables DNAT, HAProxy and nginx stream?
 *
 * wrk with one thread and 64 requests under way asks nginx for a fixed answer with `Connection: close`.
 * What counts is how many connections the real server's stack accepted.
 */
import { FAMILIES, serverAddress, VIP, type Family } from '../lab/cast.js'
import {
  haproxyContender,
  nftContender,
  nginxContender,
  sluiceContender,
  type ServiceSpecs,
} from '../lab/contender.js'
import { Lab } from '../lab/lab.js'
import { startNginxServer } from '../lab/nginx-server.js'
import { HTTP_PORT } from '../lab/real-server.js'
import { Resident } from '../lab/resident.js'
import { build, type Topology } from '../lab/topology.js'
import { wrk } from '../lab/wrk.js'
import { taking, type BenchOptions } from './options.js'
import { publish } from './report.js'
import { least } from './sheet.js'
import { takeTurns } from './turns.js'

const CONNECTIONS = 64
const TARGETS = [least('nftables DNAT', 0.9), least('HAProxy TCP mode', 1.3)]
const CASES = FAMILIES.map(family => ({ family, name: family, targets: TARGETS }))
const UNIT = 'thousand connections/s'

export async function bench(options: BenchOptions): Promise<void> {
  const { rounds } = options
  const lab = await Lab.open()
  try {
    const topology = await build(lab, { servers: 1 })
    const { client, director, servers } = topology
    // Every port there is, for wrk and for a proxy's own connections.
    for (const host of [client, director])
      await host.sysctl({ 'net.ipv4.ip_local_port_range': '1024 65535' })
    await startNginxServer(lab, servers.get('a')!)
    const resident = await Resident.start(servers.get('a')!)
    const contenders = taking(
      [
        sluiceContender(lab, director, SERVICES, options),
        nftContender(director, SERVICES),
        haproxyContender(lab, director, SERVICES),
        nginxContender(lab, director, SERVICES),
      ],
      options,
    )
    const plan = { contenders, cases: CASES, rounds, unit: UNIT, digits: 1 }
    const rows = await takeTurns(plan, ({ family }) => rate(topology, resident, family, options))
    const sheets = [{ title: 'New TCP connections', unit: UNIT, digits: 1, rows }]
    await publish({ name: 'connect', claim: claim(options), sheets }, options)
  } finally {
    await lab.close()
  }
}

/** Thousands a second, after one second to warm up. */
async function rate(
  { client }: Topology,
  resident: Resident,
  family: Family,
  { seconds }: BenchOptions,
): Promise<number> {
  const order = { address: VIP[family], port: HTTP_PORT, connections: CONNECTIONS }
  await wrk(client, { ...order, seconds: 1 })
  const before = resident.acceptedConnections()
  const { requests, elapsedS, errors } = await wrk(client, { ...order, seconds })
  const accepted = resident.acceptedConnections() - before
  if (errors > requests / 100) throw new Error(`wrk: ${errors} errors in ${requests} requests`)
  return accepted / elapsedS / 1000
}

const SERVICES: ServiceSpecs = Object.fromEntries(
  FAMILIES.map(family => [
    `web-${family}`,
    {
      ...{ protocol: 'tcp' as const, address: VIP[family], port: HTTP_PORT },
      ...{ scheduler: 'rr' as const, realServers: { a: { address: serverAddress('a', family) } } },
    },
  ]),
)

const claim = ({ rounds, seconds }: BenchOptions) =>
  `wrk (one thread, ${CONNECTIONS} requests under way, \`Connection: close\`) asks nginx (one worker) for a fixed answer,
through NAT on veth; connections that the real server's stack accepted. ${rounds} rounds of ${seconds} s for each
family, the contenders taking turns. HAProxy: one thread. nginx as a balancer: one worker.`
