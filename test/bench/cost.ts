/**
 * Question: where does the dataplane thread's time for a packet go: taking it out of the ring,
 * deciding and rewriting (JavaScript), or the kernel's sending?
 *
 * Small UDP packets as in pps.ts and new TCP connections as in connect.ts, through an appliance whose
 * turns are clocked (programs/turn-clock.ts). What the kernel does before a packet lies in the ring is
 * the sender's time, not ours. On veth `sendmmsg` includes the receiver's whole stack, up to the
 * program that it wakes: a real card would take the frame and be done.
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { FAMILIES, serverAddress, VIP, type Family } from '../lab/cast.js'
import { sluiceContender, type ServiceSpecs } from '../lab/contender.js'
import { flood, Sink } from '../lab/flood.js'
import { Lab } from '../lab/lab.js'
import { startNginxServer } from '../lab/nginx-server.js'
import { HTTP_PORT, SINK_PORT } from '../lab/real-server.js'
import { build, type Topology } from '../lab/topology.js'
import { wrk } from '../lab/wrk.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import type { Fact } from './sheet.js'
import { say } from './turns.js'
import type { TurnTimes } from './turn-times.js'

const CONNECTIONS = 64
const CASES = ['UDP, 1 flow', 'UDP, 10,000 flows', 'new TCP connections'] as const
type Case = (typeof CASES)[number]

export async function bench(options: BenchOptions): Promise<void> {
  const lab = await Lab.open()
  try {
    const topology = await build(lab, { servers: 1 })
    const { client, director, servers } = topology
    for (const host of [client, director])
      await host.sysctl({ 'net.ipv4.ip_local_port_range': '1024 65535' })
    await startNginxServer(lab, servers.get('a')!)
    const sink = await Sink.start(servers.get('a')!)
    const turnClock = join(lab.folder, 'turns.json')
    const { serveArgs } = options
    const sluice = sluiceContender(lab, director, SERVICES, { serveArgs, turnClock })
    const facts: Fact[] = []
    for (const family of FAMILIES) {
      for (const one of CASES) {
        // An appliance for each, so that what it wrote is of this case alone.
        rmSync(turnClock, { force: true })
        await sluice.start()
        await load(one, { topology, sink, family, options })
        await sluice.stop()
        const times = JSON.parse(readFileSync(turnClock, 'utf8')) as TurnTimes
        facts.push(...factsOf(`${family}, ${one}`, times))
      }
    }
    await publish({ name: 'cost', claim: CLAIM, facts }, options)
  } finally {
    await lab.close()
  }
}

interface Stage {
  topology: Topology
  sink: Sink
  family: Family
  options: BenchOptions
}

async function load(one: Case, { topology, sink, family, options }: Stage): Promise<void> {
  const { client, director } = topology
  const { seconds } = options
  const address = VIP[family]
  if (one === 'new TCP connections') {
    await wrk(client, { address, port: HTTP_PORT, connections: CONNECTIONS, seconds })
    return
  }
  const flows = one === 'UDP, 1 flow' ? 1 : 10_000
  await flood(client, director, sink, { address, port: SINK_PORT, flows, seconds })
}

function factsOf(name: string, times: TurnTimes): Fact[] {
  const each = (ms: number) => (ms / times.packets) * 1e6
  const [ring, script, send] = [times.receiveMs, times.handleMs, times.sendMs].map(each)
  const batch = times.packets / times.turns
  const text = [ring, script, send].map(ns => ns!.toFixed(0)).join(' + ')
  say('Sluice', name, `${text} ns, ${batch.toFixed(1)} packets a turn`)
  const fact = (what: string, value: number, unit = 'ns', digits = 0): Fact => {
    return { name: `${name}: ${what}`, value, unit, digits }
  }
  return [
    fact('ring', ring!),
    fact('JavaScript', script!),
    fact('kernel, send', send!),
    fact('packets a turn', batch, '', 1),
  ]
}

const service = (protocol: 'tcp' | 'udp', family: Family, port: number) => ({
  ...{ protocol, address: VIP[family], port, scheduler: 'rr' as const },
  realServers: { a: { address: serverAddress('a', family) } },
})

const SERVICES: ServiceSpecs = Object.fromEntries(
  FAMILIES.flatMap(family => [
    [`flood-${family}`, service('udp', family, SINK_PORT)],
    [`web-${family}`, service('tcp', family, HTTP_PORT)],
  ]),
)

const CLAIM = `Time of the dataplane thread for each packet in turns that had packets, by its own clock around the two ends
of a turn. UDP: 18 octets of payload, one way. Connections: wrk with ${CONNECTIONS} under way, one request each.
On veth sending includes the receiver's stack, which runs in the sender's softirq.`
