/**
 * Path MTU discovery through a balancer, with the narrow place in three positions. A router's ICMP
 * error quotes the packet as it passed there, so the balancer has to translate the error and the
 * quotation, or the transfer hangs. Routers stand on both sides of the director.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { CLIENT, inUrl, VIP, type Family } from '../lab/cast.js'
import { bytesHash, fetchOne } from '../lab/curl.js'
import type { Namespace } from '../lab/namespace.js'
import { payload, sha256 } from '../lab/payload.js'
import type { Stage } from './stage.js'
import { httpService } from './traffic.js'

const OCTETS = 500_000
const NARROW = 1300

const NETWORKS = {
  client: { ipv4: '192.0.2.0/24', ipv6: '2001:db8:1::/64' },
  server: { ipv4: '10.0.0.0/24', ipv6: '2001:db8:2::/64' },
} as const

/** Registers the sub-tests of one address family; the stage has `hops` and one real server. */
export function pathMtuTests(t: Test, stage: Stage, family: Family): void {
  const { lab, topology, director } = stage
  const { client } = topology
  const { near, far } = topology.hops!
  const [a] = topology.servers.values()
  const url = `http://${inUrl(VIP[family])}:80/`
  // The kernel's own routes to connected networks have this metric in IPv6 and none in IPv4.
  const connected = `dev down0${family === 'ipv6' ? ' metric 256' : ''}`
  const gateway = { ipv4: '10.0.9.2', ipv6: '2001:db8:9::2' }[family]

  const upload = async (t: Test) => {
    const content = payload('upload', OCTETS)
    const file = join(lab.folder, 'upload')
    writeFileSync(file, content)
    const up = await fetchOne(lab, client, `${url}hash`, ['--data-binary', `@${file}`, '-m', '8'])
    t.match(up, { exit: 0, sha256: sha256(Buffer.from(sha256(content))) }, 'upload is whole')
  }

  t.test(`${family}: a narrow place between director and real server`, async t => {
    await director.putService(`mtu-${family}`, httpService(family, { a: 1 }))
    await far.ip(`route change ${NETWORKS.server[family]} ${connected} mtu ${NARROW}`)
    await upload(t)
    t.equal(await pathMtu(client, VIP[family]), NARROW, 'the client learnt it for the VIP')
    await far.ip(`route change ${NETWORKS.server[family]} ${connected}`)
    await forget(client)
  })

  t.test(`${family}: a narrow place between director and client`, async t => {
    await near.ip(`route change ${NETWORKS.client[family]} ${connected} mtu ${NARROW}`)
    const down = await fetchOne(lab, client, `${url}bytes/${OCTETS}`, ['-m', '8'])
    t.match(down, { exit: 0, sha256: bytesHash(OCTETS) }, 'download is whole')
    t.equal(await pathMtu(a!, CLIENT[family]), NARROW, 'the server learnt it for the client')
    await near.ip(`route change ${NETWORKS.client[family]} ${connected}`)
    await forget(a!)
  })

  t.test(`${family}: the director's own way to the real server is narrow`, async t => {
    const narrow = `route change ${NETWORKS.server[family]} via ${gateway}`
    await topology.director.ip(`${narrow} mtu ${NARROW}`)
    await upload(t)
    t.equal(await pathMtu(client, VIP[family]), NARROW, 'the client was told')
    await topology.director.ip(narrow)
    await forget(client)
  })
}

/** What this host believes the path to `address` carries; 1500 when it has learnt nothing. */
async function pathMtu(host: Namespace, address: string): Promise<number> {
  const route = await host.must(['ip', 'route', 'get', address])
  return Number(/\bmtu (\d+)/.exec(route)?.[1] ?? 1500)
}

async function forget(host: Namespace): Promise<void> {
  await host.must(['ip', 'route', 'flush', 'cache'])
  await host.must(['ip', '-6', 'route', 'flush', 'cache'])
}
