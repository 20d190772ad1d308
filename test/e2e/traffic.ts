/**
 * What any balancer must do with real clients' traffic. The same body runs over each driver of
 * Sluice, and over kernel nftables to show that the expectations are not of our own making.
 */
import type { Test } from 'tap'
import { CLIENT, inUrl, SERVER_DEVICE, serverAddress, VIP, type Family } from '../lab/cast.js'
import { Capture } from '../lab/capture.js'
import { bytesHash, fetchMany, fetchOne, tally } from '../lab/curl.js'
import type { ServerSpec, ServiceSpec } from '../lab/director.js'
import { bulk, startIperf } from '../lab/iperf.js'
import { payload, sha256 } from '../lab/payload.js'
import { HTTP_PORT, IPERF_PORT, SINK_PORT, UDP_PORT } from '../lab/real-server.js'
import { askUdp, openFlows } from '../lab/udp.js'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Stage } from './stage.js'

const WEIGHTS = { a: 3, b: 2, c: 1 } as const
const CLOSED_PORT = 4444

/** Registers the sub-tests of one address family. */
export function trafficTests(t: Test, stage: Stage, family: Family): void {
  const { lab, topology, director } = stage
  const { client } = topology
  const vip = VIP[family]
  const url = (path: string, port = 80) => `http://${inUrl(vip)}:${port}/${path}`

  t.test(`${family}: HTTP is spread as the weights say, ports are mapped`, async t => {
    await director.putService(`http-${family}`, httpService(family, WEIGHTS))
    const fetched = await fetchMany(lab, client, url('bytes/1000'), { times: 60, parallel: 10 })
    t.strictSame(tally(fetched), { a: 30, b: 20, c: 10 }, 'as 3 : 2 : 1')
    t.ok(fetched.every(({ exit, status }) => exit === 0 && status === 200))
    t.ok(
      fetched.every(one => one.sha256 === bytesHash(1000)),
      'payloads are whole',
    )
    t.ok(
      fetched.every(one => one.client === CLIENT[family]),
      'servers see the client',
    )
  })

  t.test(`${family}: megabytes arrive whole, both ways`, async t => {
    const octets = 8_000_000
    const down = await fetchOne(lab, client, url(`bytes/${octets}`))
    t.match(down, { exit: 0, status: 200, sha256: bytesHash(octets) }, 'download')
    const upload = payload('upload', octets)
    const file = join(lab.folder, 'upload')
    writeFileSync(file, upload)
    const up = await fetchOne(lab, client, url('hash'), ['--data-binary', `@${file}`])
    t.match(up, { exit: 0, status: 200, sha256: sha256(Buffer.from(sha256(upload))) }, 'upload')
  })

  t.test(`${family}: UDP, up to datagrams of many fragments`, async t => {
    await director.putService(`udp-${family}`, udpService(family))
    const sizes = [0, 1, 512, 1400, 1472, 1473, 2000, 4000, 9000, 16000, 33000, 60000]
    const report = await askUdp(client, { address: vip, port: 53, sizes })
    t.match(report, { answered: sizes.length, corrupt: 0, lost: 0, errors: {} })
    t.strictSame(report.servers, { a: 4, b: 4, c: 4 }, 'round robin')
  })

  t.test(`${family}: bulk TCP by iperf3`, async t => {
    const [a] = topology.servers.values()
    const iperf = await startIperf(a!)
    const service: ServiceSpec = {
      ...{ protocol: 'tcp', address: vip, port: IPERF_PORT, scheduler: 'rr' },
      realServers: { a: { address: serverAddress('a', family) } },
    }
    await director.putService(`iperf-${family}`, service)
    const amount = ['-n', '100M']
    // iperf3's receiver stops counting at the end message, which may overtake the last segments.
    t.ok((await bulk(client, vip, amount)).octets >= 90e6, 'up')
    t.ok((await bulk(client, vip, amount, { down: true })).octets >= 90e6, 'down')
    await director.deleteService(`iperf-${family}`)
    await iperf.stop()
  })

  t.test(`${family}: changes leave other connections alone`, async t => {
    const held = 2_000_000
    const servers = [...stage.servers.values()]
    const before = servers.map(({ http }) => http.stdout.length)
    // Three transfers, one on each server, stand half-way while the service changes under them.
    await director.putService(`http-${family}`, httpService(family, { a: 1, b: 1, c: 1 }))
    const transfers = fetchMany(lab, client, url(`held/${held}`), { times: 3, parallel: 3 })
    await Promise.all(servers.map(({ http }, i) => http.waitFor(/held/, 5000, before[i])))

    await director.putServer(`http-${family}`, 'a', { ...server('a', family), weight: 0 })
    const quiesced = await fetchMany(lab, client, url(''), { times: 10 })
    t.strictSame(tally(quiesced), { b: 5, c: 5 }, 'weight 0 takes nothing new')
    await director.putServer(`http-${family}`, 'a', { ...server('a', family), weight: 2 })
    await director.putServer(`http-${family}`, 'd', {
      address: serverAddress('a', family),
      port: 80,
    })
    const added = await fetchMany(lab, client, url(''), { times: 10 })
    t.strictSame(tally(added), { a: 6, b: 2, c: 2 }, 'an added server serves at once')
    await director.deleteServer(`http-${family}`, 'd')
    await director.putService(`other-${family}`, { ...udpService(family), port: 54 })
    await director.deleteService(`other-${family}`)

    for (const { http } of servers) http.tell('release')
    const done = await transfers
    t.strictSame(tally(done), { a: 1, b: 1, c: 1 })
    t.ok(
      done.every(one => one.exit === 0 && one.sha256 === bytesHash(held)),
      'all three finish',
    )
  })

  t.test(`${family}: without real servers clients are refused`, async t => {
    const refusing = `refusing-${family}`
    const service: ServiceSpec = { ...httpService(family, {}), port: 81 }
    await director.putService(refusing, service)
    const { exit } = await fetchOne(lab, client, url('', 81), ['--connect-timeout', '2'])
    t.equal(exit, 7, 'TCP: connection refused')
    await director.deleteService(refusing)
    await director.putService(refusing, { ...udpService(family), port: 82, realServers: {} })
    const report = await askUdp(client, { address: vip, port: 82, sizes: [10] })
    t.strictSame(report.errors, { ECONNREFUSED: 1 }, 'UDP: ICMP port unreachable')
    await director.deleteService(refusing)
  })

  t.test(`${family}: a real server's ICMP error reaches the client's socket`, async t => {
    const closed = `closed-${family}`
    const realServers = { a: { address: serverAddress('a', family), port: CLOSED_PORT } }
    await director.putService(closed, { ...udpService(family), port: 83, realServers })
    const report = await askUdp(client, { address: vip, port: 83, sizes: [10, 1000] })
    t.strictSame(report.errors, { ECONNREFUSED: 2 })
    await director.deleteService(closed)
  })

  t.test(`${family}: a client's ICMP error reaches the real server's socket`, async t => {
    const late = `late-${family}`
    const realServers = { a: { address: serverAddress('a', family) } }
    await director.putService(late, { ...udpService(family), port: SINK_PORT, realServers })
    await openFlows(client, { address: vip, port: SINK_PORT, count: 1, sources: [CLIENT[family]] })
    // The client has closed its socket by now. The server's hears of that only if the packet that
    // the error quotes bears the server's own address and port.
    const { udp } = stage.servers.get('a')!
    const before = udp.stdout.length
    udp.tell('answer')
    t.ok(await udp.waitFor(/answer: ECONNREFUSED/, 5000, before))
    await director.deleteService(late)
  })

  t.test(`${family}: a hop is counted`, async t => {
    const [a] = topology.servers.values()
    const filter = `dst host ${serverAddress('a', family)} and udp port ${UDP_PORT}`
    const capture = await Capture.start(a!, SERVER_DEVICE, filter, { verbose: true })
    await askUdp(client, { address: vip, port: 53, sizes: [1, 1, 1] })
    await capture.waitFor(/(ttl|hlim) 63\b/)
    const lines = await capture.stop()
    // The comma: the last line may have been cut off in the middle of a number.
    t.notMatch(lines.join('\n'), /(ttl|hlim) (?!63,)\d+,/, '64 left the client, 63 arrived')
  })
}

/** HTTP on port 80 of the virtual address, 8080 of the real servers. */
export function httpService(
  family: Family,
  weights: Readonly<Partial<Record<'a' | 'b' | 'c', number>>>,
): ServiceSpec {
  const realServers: Record<string, ServerSpec> = {}
  for (const [name, weight] of Object.entries(weights)) {
    realServers[name] = { ...server(name as 'a', family), weight }
  }
  return { protocol: 'tcp', address: VIP[family], port: 80, scheduler: 'wrr', realServers }
}

/** UDP on port 53 of the virtual address, 5353 of the real servers, in turn. */
export function udpService(family: Family): ServiceSpec {
  const names = ['a', 'b', 'c'] as const
  const realServers = Object.fromEntries(
    names.map(name => [name, { address: serverAddress(name, family), port: UDP_PORT }]),
  )
  return { protocol: 'udp', address: VIP[family], port: 53, scheduler: 'rr', realServers }
}

const server = (name: 'a' | 'b' | 'c', family: Family): ServerSpec => ({
  address: serverAddress(name, family),
  port: HTTP_PORT,
})
