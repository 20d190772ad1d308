/**
 * Question: how much TCP does Sluice carry by direct routing and by IP tunnels, next to NAT?
 *
 * One appliance, one real server, a service for each method. The real server answers what came by
 * direct routing or a tunnel itself, over a wire of its own to the client; NAT's answers pass Sluice.
 * The tunnel's other end is in the real server's kernel (lab/programs/decapsulate.ts), and the wire to
 * it takes packets that are one header larger. Throughput is what iperf3's receiver counted.
 */
import {
  CLIENT,
  DIRECTOR_DEVICES,
  FAMILIES,
  SERVER_DEVICE,
  serverAddress,
  VIP,
  type Family,
} from '../lab/cast.js'
import { bulk, startIperf, type Bulk } from '../lab/iperf.js'
import { Lab } from '../lab/lab.js'
import type { Namespace } from '../lab/namespace.js'
import type { LabProcess } from '../lab/process.js'
import { program } from '../lab/root.js'
import { Sluice } from '../lab/sluice.js'
import { build, type Topology } from '../lab/topology.js'
import { holdAddresses } from '../lab/tunnel-end.js'
import type { BenchOptions } from './options.js'
import { publish } from './report.js'
import { least, OWN, type Row } from './sheet.js'
import { say, turned } from './turns.js'

const NAT = 'Sluice, NAT'
const UNIT = 'Gbit/s'
const METHODS = [
  { name: 'NAT', forwarding: 'masq', port: 5201, least: 0 },
  { name: 'direct routing', forwarding: 'dr', port: 5202, least: 0.9 },
  { name: 'IP tunnel', forwarding: 'tunnel', port: 5203, least: 0.5 },
] as const
const BACK = {
  client: { ipv4: '203.0.113.10', ipv6: '2001:db8:3::10' },
  server: { ipv4: '203.0.113.1', ipv6: '2001:db8:3::1' },
}
const BACK_DEVICE = 'back0'
const PREFIX = { ipv4: '24', ipv6: '64' }
/** Room for an outer IPv6 header. */
const MTU = 1540

export async function bench(options: BenchOptions): Promise<void> {
  const { rounds, seconds } = options
  const lab = await Lab.open()
  try {
    const topology = await build(lab, { servers: 1 })
    const server = topology.servers.get('a')!
    await answerDirectly(lab, topology, server)
    // As every network card's driver does; a veth pair alone would hand over segment by segment.
    await server.must(['ethtool', '-K', SERVER_DEVICE, 'gro', 'on'])
    const receivers = new Map<number, LabProcess>()
    for (const { port } of METHODS) receivers.set(port, await startIperf(server, port))
    const decapsulate = [process.execPath, program('decapsulate'), SERVER_DEVICE]
    await server.start(decapsulate, { name: 'decapsulate' }).waitFor(/ready/)
    const sluice = await Sluice.start(lab, topology.director, options)
    for (const family of FAMILIES) await putServices(sluice, family)
    const carry = (family: Family, port: number, t: number) =>
      bulk(topology.client, VIP[family], ['-t', String(t)], { port, server: receivers.get(port)! })
    const rows = await measure(carry, rounds, seconds)
    await sluice.stop()
    const sheets = [{ title: 'TCP bulk by forwarding method', unit: UNIT, digits: 1, rows }]
    await publish({ name: 'methods', claim: claim(options), sheets }, options)
  } finally {
    await lab.close()
  }
}

/** One transfer of that many seconds. */
type Carry = (family: Family, port: number, seconds: number) => Promise<Bulk>

/** A row for each method but NAT, which is the peer in each. */
async function measure(carry: Carry, rounds: number, seconds: number): Promise<Row[]> {
  const rows: Row[] = []
  for (const family of FAMILIES) {
    await carry(family, METHODS[0].port, 1)
    const found: Record<string, number[]> = {}
    for (let round = 0; round < rounds; round++) {
      for (const { name, port } of turned(METHODS, round)) {
        const { gbitS } = await carry(family, port, seconds)
        found[name] = [...(found[name] ?? []), gbitS]
        say('Sluice', `${family}, ${name}`, `${gbitS.toFixed(1)} ${UNIT}`)
      }
    }
    for (const method of METHODS.slice(1)) {
      rows.push({
        name: `${family}, ${method.name}`,
        samples: { [OWN]: found[method.name]!, [NAT]: found['NAT']! },
        targets: [least(NAT, method.least)],
      })
    }
  }
  return rows
}

async function putServices(sluice: Sluice, family: Family): Promise<void> {
  for (const { forwarding, port } of METHODS) {
    await sluice.api('PUT', `/v1/virtual-services/${forwarding}-${family}`, {
      ...{ protocol: 'tcp', address: VIP[family], port, scheduler: 'rr' },
      realServers: { a: { address: serverAddress('a', family), forwarding } },
    })
  }
}

/** The real server holds the virtual addresses, and what it sends from them goes another way. */
async function answerDirectly(lab: Lab, { client, director }: Topology, server: Namespace) {
  await holdAddresses(server)
  await lab.wire({ host: client, device: BACK_DEVICE }, { host: server, device: BACK_DEVICE })
  for (const family of FAMILIES) {
    const flag = family === 'ipv4' ? '-4' : '-6'
    const ip = (host: Namespace, ...words: string[]) => host.must(['ip', flag, ...words])
    const nodad = family === 'ipv4' ? [] : ['nodad']
    const put = (host: Namespace, own: string) =>
      ip(host, 'addr', 'add', `${own}/${PREFIX[family]}`, 'dev', BACK_DEVICE, ...nodad)
    await put(client, BACK.client[family])
    await put(server, BACK.server[family])
    await ip(server, 'rule', 'add', 'from', VIP[family], 'lookup', '100')
    const via = ['via', BACK.client[family], 'dev', BACK_DEVICE, 'table', '100']
    await ip(server, 'route', 'add', CLIENT[family], ...via)
  }
  await director.ip(`link set ${DIRECTOR_DEVICES[1]} mtu ${MTU}`)
  await server.ip(`link set ${SERVER_DEVICE} mtu ${MTU}`)
}

const claim = ({ rounds, seconds }: BenchOptions) =>
  `TCP bulk over one connection from the client, by forwarding method, iperf3, receiver's count; ${rounds} rounds of ${seconds} s, the
methods taking turns. Answers to direct routing and tunnels reach the client over a wire of their own. The tunnel (plain
IP in IP) ends in an eBPF program at the real server's interface, which
coalesces segments (GRO) for all methods alike; its wire has an MTU of ${MTU}.`
