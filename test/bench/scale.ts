/**
 * Question: does a thousand services of a hundred real servers each cost packets a second, next to
 * one such service?
 *
 * Two Sluices with a database of their own take turns. Flows of small UDP packets (as in pps.ts)
 * spread over all services of the one, and go to the only service of the other. Each flow has a
 * client endpoint of its own, as those of different clients have. The hundred real servers are
 * addresses of one host, whose interface counts.
 */
import { FAMILIES, SERVER_DEVICE, VIP, type Family } from '../lab/cast.js'
import type { Contender } from '../lab/contender.js'
import type { ServiceSpec } from '../lab/director.js'
import { flood, Sink } from '../lab/flood.js'
import { Lab } from '../lab/lab.js'
import type { Namespace } from '../lab/namespace.js'
import { Sluice } from '../lab/sluice.js'
import { build } from '../lab/topology.js'
import { copyService } from './many-services.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import { least, OWN } from './sheet.js'
import { say, takeTurns } from './turns.js'

const FIRST_PORT = 10_000
const SERVERS = 100
const NETWORK = { ipv4: '10.0.0.', ipv6: '2001:db8:2::1:' }
/** Flows that are open, and so many that every packet is the first of one. */
const LOADS = [
  { name: '10,000 open flows', flows: 10_000, sources: 1, warmS: 1.5, burst: 8 },
  { name: 'new flows', flows: 1_000_000, sources: 20, warmS: 0.2, burst: 1 },
]
const PEER = 'Sluice, 1 service'
const CASES = FAMILIES.flatMap(family =>
  LOADS.map(load => ({
    ...{ family, load, name: `${family}, ${load.name}` },
    targets: [least(PEER, 0.9)],
  })),
)
const UNIT = 'thousand packets/s'

export async function bench(options: BenchOptions): Promise<void> {
  const { rounds, seconds, quick } = options
  const services = quick ? 20 : 1000
  const lab = await Lab.open()
  try {
    const { client, director, servers } = await build(lab, { servers: 1 })
    const server = servers.get('a')!
    await server.ip(
      ...addresses('ipv4').map(address => `addr replace ${address}/24 dev ${SERVER_DEVICE}`),
      ...addresses('ipv6').map(address => `addr replace ${address}/64 dev ${SERVER_DEVICE} nodad`),
    )
    const sink = await Sink.start(server, FIRST_PORT, services)
    const one = appliance(lab, director, { name: PEER, services: 1, options })
    const many = appliance(lab, director, { name: OWN, services, options })
    const plan = { contenders: [one, many], cases: CASES, rounds, unit: UNIT, digits: 0 }
    const rows = await takeTurns(plan, async ({ family, load }, { name }) => {
      const ports = name === OWN ? services : 1
      const shape = { ...load, address: VIP[family], port: FIRST_PORT, ports, seconds }
      return (await flood(client, director, sink, shape)).deliveredPps / 1000
    })
    await sink.check()
    const title = `${services} services of ${SERVERS} real servers`
    const sheets = [{ title, unit: UNIT, digits: 0, rows }]
    await publish({ name: 'scale', claim: claim(options), sheets }, options)
  } finally {
    await lab.close()
  }
}

interface Scale {
  name: string
  services: number
  options: BenchOptions
}

/** One service comes over the API, its copies straight into the database. */
function appliance(lab: Lab, host: Namespace, { name, services, options }: Scale): Contender {
  const { serveArgs } = options
  const sluice = new Sluice(lab, host, { serveArgs, database: `sluice-${services}.db` })
  let configured = false
  const start = async () => {
    const begin = performance.now()
    await sluice.start()
    say(name, 'ready', `after ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    if (configured) return
    configured = true
    for (const family of FAMILIES) await sluice.putService(`scale-${family}`, service(family))
    if (services === 1) return
    await sluice.stop()
    for (const family of FAMILIES) {
      const rest = Array.from({ length: services - 1 }, (_, i) => ({
        ...{ address: VIP[family], port: FIRST_PORT + 1 + i },
      }))
      copyService(sluice.database, `scale-${family}`, rest)
    }
    await start()
  }
  return { name, start, stop: () => sluice.stop() }
}

const addresses = (family: Family): string[] =>
  Array.from({ length: SERVERS }, (_, i) => NETWORK[family] + String(i + 1))

const service = (family: Family): ServiceSpec => ({
  ...{ protocol: 'udp', address: VIP[family], port: FIRST_PORT, scheduler: 'rr' },
  realServers: Object.fromEntries(addresses(family).map((address, i) => [`s${i}`, { address }])),
})

const claim = ({ rounds, seconds, quick }: BenchOptions) =>
  `UDP datagrams with 18 octets, in 10,000 open flows and as the first ones of a million, through ${quick ? 'a few' : 'a thousand'} services of ${SERVERS} real servers each
(round robin, NAT) of each family, and through one such service; the real servers' interface counts. ${rounds} rounds of ${seconds} s,
the two taking turns.`
