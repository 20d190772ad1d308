/** The stage for forwarding methods whose real servers answer clients themselves. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { inUrl, VIP, type Family } from '../lab/cast.js'
import { bytesHash, fetchOne } from '../lab/curl.js'
import { Lab } from '../lab/lab.js'
import type { Namespace } from '../lab/namespace.js'
import { buildOneWay, type OneWay, type OneWayOptions } from '../lab/one-way.js'
import { payload, sha256 } from '../lab/payload.js'
import { HTTP_PORT_2, startServers, UDP_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { askUdp } from '../lab/udp.js'
import type { Stage } from './stage.js'

const OCTETS = 400_000

// A port that comes again within two minutes meets the connection it had, in FIN_WAIT: IPVS has seen
// one direction only and goes on with it, whatever the weights have become. Below those of the host.
let portsTaken = 0
const freshPort = () => ['--local-port', String(20_000 + (portsTaken++ % 10_000))]

export interface OneWayStage extends Stage<Sluice> {
  topology: OneWay
}

export async function setOneWayStage(t: Test, options: OneWayOptions): Promise<OneWayStage> {
  const lab = await Lab.open()
  // For a test that breaks off; "endStage" is the one that asserts.
  t.teardown(() => lab.close())
  const topology = await buildOneWay(lab, options)
  const servers = await startServers(topology.servers)
  const director = await Sluice.start(lab, topology.director)
  return { lab, topology, servers, director }
}

/** Name of the service: `tcp-ipv4`. */
const nameOf = (protocol: 'tcp' | 'udp', family: Family) => `${protocol}-${family}`

/** HTTP and UDP of one family, each with these real servers. */
export async function putServices(
  { director }: OneWayStage,
  family: Family,
  realServers: Readonly<Record<string, object>>,
): Promise<void> {
  const both = { address: VIP[family], scheduler: 'rr', interface: 'client0', realServers }
  for (const [protocol, port] of [
    ['tcp', HTTP_PORT_2],
    ['udp', UDP_PORT],
  ] as const) {
    const path = `/v1/virtual-services/${nameOf(protocol, family)}`
    await director.api('PUT', path, { ...both, protocol, port })
  }
}

/** Sends much, and looks whether the server had all of it. */
export async function upload(t: Test, { lab, topology }: OneWayStage, family: Family) {
  const content = payload('upload', OCTETS)
  const file = join(lab.folder, 'upload')
  writeFileSync(file, content)
  const url = `http://${inUrl(VIP[family])}/hash`
  const up = await fetchOne(lab, topology.client, url, [
    ...freshPort(),
    ...['--data-binary', `@${file}`, '-m', '8'],
  ])
  t.match(up, { exit: 0, sha256: sha256(Buffer.from(sha256(content))) }, 'upload is whole')
}

export async function download(t: Test, { lab, topology }: OneWayStage, family: Family) {
  const url = `http://${inUrl(VIP[family])}/bytes/${OCTETS}`
  const down = await fetchOne(lab, topology.client, url, [...freshPort(), '-m', '8'])
  t.match(down, { exit: 0, sha256: bytesHash(OCTETS) }, 'download is whole')
}

/** Datagrams from empty to many fragments, one after the other. */
export async function datagrams(
  t: Test,
  { topology }: OneWayStage,
  family: Family,
  sizes = [0, 1, 1200, 1400, 1472, 2000, 9000, 20000],
) {
  const order = { address: VIP[family], port: UDP_PORT, sizes, parallel: 2 }
  const report = await askUdp(topology.client, order)
  t.match(report, { answered: sizes.length, corrupt: 0, lost: 0, errors: {} }, 'datagrams')
}

/** What this host believes the path to `address` carries; null when it has learnt nothing. */
export async function pathMtu(host: Namespace, address: string): Promise<number | null> {
  const route = await host.must(['ip', 'route', 'get', address])
  const known = /\bmtu (\d+)/.exec(route)
  return known === null ? null : Number(known[1])
}

export async function forget(...hosts: readonly Namespace[]): Promise<void> {
  for (const host of hosts) {
    await host.must(['ip', 'route', 'flush', 'cache'])
    await host.must(['ip', '-6', 'route', 'flush', 'cache'])
  }
}
