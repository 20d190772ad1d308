// Two workers share the traffic of many clients, and nobody can tell. Each test says which clients
// belong to which worker, so that both have some.
import t from 'tap'
import { shardOf, addressKey } from '../../dataplane/shared/shard.js'
import * as address from '../../dataplane/wire/address.js'
import { DIRECTOR_CLIENT_SIDE, FAMILIES, inUrl, VIP, type Family } from '../lab/cast.js'
import { CLIENT_DEVICE, serverAddress } from '../lab/cast.js'
import { bytesHash, fetchOne, tally, type Fetched } from '../lab/curl.js'
import { fetchFile, FTP_PORT, FtpServer, hashOf } from '../lab/ftp.js'
import { SINK_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { askUdp, openFlows } from '../lab/udp.js'
import { until } from '../lab/until.js'
import { endStage, setStage, watchClient } from './stage.js'
import { httpService, udpService } from './traffic.js'

const WORKERS = 2
const HELD = 500_000
const stage = await setStage(t, (lab, host) =>
  Sluice.start(lab, host, { workers: WORKERS, killable: true }),
)
const { lab, topology, servers, director: sluice } = stage
const { client } = topology
await FtpServer.start(lab, topology.servers.get('a')!)
const watched = await watchClient(stage)

const numbers = Array.from({ length: 8 }, (_, i) => 20 + i)
const sourcesOf = (family: Family) =>
  numbers.map(n => (family === 'ipv4' ? `192.0.2.${n}` : `2001:db8:1::${n}`))
for (const source of sourcesOf('ipv4'))
  await client.ip(`addr add ${source}/24 dev ${CLIENT_DEVICE}`)
for (const source of sourcesOf('ipv6'))
  await client.ip(`addr add ${source}/64 dev ${CLIENT_DEVICE} nodad`)

const workerOf = (text: string): number => {
  const { family, w0, w1, w2, w3 } = address.parse(text)!
  return shardOf(addressKey(family, w0, w1, w2, w3), WORKERS)
}

/** One client of each worker. */
const oneEach = (family: Family) =>
  [0, 1].map(worker => sourcesOf(family).find(source => workerOf(source) === worker)!)

interface ServerStats {
  name: string
  activeConns: number
  inactConns: number
  persistConns: number
}
interface Stats {
  connections: number
  totals: { conns: number }
  services: { name: string; conns: number; realServers: ServerStats[] }[]
  dataplane: Record<string, number>
}
const statistics = () => sluice.api('GET', '/v1/stats') as Promise<Stats>

const fetchFrom = (source: string, family: Family, path = '', port = 80): Promise<Fetched> =>
  fetchOne(lab, client, `http://${inUrl(VIP[family])}:${port}/${path}`, ['--interface', source])

for (const family of FAMILIES) {
  const sources = sourcesOf(family)

  t.test(`${family}: every client is served, and seen`, async t => {
    t.strictSame([...new Set(sources.map(workerOf))].sort(), [0, 1], 'clients of both workers')
    await sluice.putService(`http-${family}`, httpService(family, { a: 1, b: 1, c: 1 }))
    const before = await statistics()
    for (const source of sources) {
      const fetched = await Promise.all(
        [0, 1, 2].map(() => fetchFrom(source, family, 'bytes/9000')),
      )
      t.ok(fetched.every(({ status, sha256 }) => status === 200 && sha256 === bytesHash(9000)))
      t.ok(fetched.every(one => one.client === source))
      t.strictSame(tally(fetched), { a: 1, b: 1, c: 1 }, `${source}: round robin within a worker`)
    }
    const after = await statistics()
    t.equal(after.totals.conns - before.totals.conns, 24, 'counted as one')
    t.equal(after.services.find(({ name }) => name === `http-${family}`)?.conns, 24)
    const given = after.dataplane['handedOver']! - before.dataplane['handedOver']!
    t.equal(given, 0, 'the kernel gave each packet to the right worker')
  })

  t.test(`${family}: connections of all workers are listed, page by page`, async t => {
    await sluice.putService(`sink-${family}`, { ...udpService(family), port: SINK_PORT })
    const to = { address: VIP[family], port: SINK_PORT, count: 300, sources }
    const service = { ...udpService(family), port: SINK_PORT, scheduler: 'lc' as const }
    await sluice.putService(`sink-${family}`, service)
    t.equal(await openFlows(client, to), 300)
    const listed = new Set<string>()
    let cursor: string | null = ''
    for (let pages = 0; cursor !== null && pages < 200; pages++) {
      const query = `service=sink-${family}&limit=7${cursor === '' ? '' : `&cursor=${cursor}`}`
      const page = (await sluice.api('GET', `/v1/connections?${query}`)) as {
        items: { client: { address: string; port: number } }[]
        nextCursor: string | null
      }
      for (const { client } of page.items) listed.add(`${client.address} ${client.port}`)
      cursor = page.nextCursor
    }
    t.equal(listed.size, 300, 'each once')
    t.strictSame([...new Set([...listed].map(one => one.split(' ')[0]))].sort(), sources)
    const { services } = await statistics()
    const shares = services.find(({ name }) => name === `sink-${family}`)!.realServers
    t.equal(
      shares.reduce((sum, { inactConns }) => sum + inactConns, 0),
      300,
    )
    // Two workers that choose at the same instant may choose alike.
    for (const { name, inactConns } of shares)
      t.ok(Math.abs(inactConns - 100) <= 10, `least connection over both: ${name} ${inactConns}`)
    await sluice.deleteService(`sink-${family}`)
  })

  t.test(`${family}: fragments and ICMP errors, both ways`, async t => {
    await sluice.putService(`udp-${family}`, udpService(family))
    const closed = { a: { address: serverAddress('a', family), port: 4444 } }
    await sluice.putService('closed', { ...udpService(family), port: 83, realServers: closed })
    await sluice.putService('none', { ...udpService(family), port: 84, realServers: {} })
    for (const source of oneEach(family)) {
      const via = `route replace default via ${DIRECTOR_CLIENT_SIDE[family]} dev ${CLIENT_DEVICE}`
      await client.ip(`${via} src ${source}`)
      const sizes = [1, 1472, 1473, 4000, 16000, 60000]
      const report = await askUdp(client, { address: VIP[family], port: 53, sizes })
      t.match(report, { answered: sizes.length, corrupt: 0, lost: 0, errors: {} }, source)
      for (const port of [83, 84]) {
        const refused = await askUdp(client, { address: VIP[family], port, sizes: [10] })
        t.strictSame(refused.errors, { ECONNREFUSED: 1 }, `${source}: port ${port}`)
      }
    }
    for (const name of [`udp-${family}`, 'closed', 'none']) await sluice.deleteService(name)
  })

  t.test(`${family}: a network of clients stays together, whosever they are`, async t => {
    const network = family === 'ipv4' ? { netmask: '255.255.255.0' } : { prefixLength: 64 }
    const service = { ...httpService(family, { a: 1, b: 1, c: 1 }), port: 90 }
    const persistence = { timeoutSeconds: 300, ...network }
    await sluice.api('PUT', `/v1/virtual-services/together-${family}`, { ...service, persistence })
    const fetched: Fetched[] = []
    for (const source of sources) fetched.push(await fetchFrom(source, family, 'bytes/9000', 90))
    t.ok(fetched.every(({ status, sha256 }) => status === 200 && sha256 === bytesHash(9000)))
    t.equal(Object.keys(tally(fetched)).length, 1, 'one real server for all')
    const { dataplane } = await statistics()
    t.ok(dataplane['handedOver']! > 0, 'the other worker handed its clients over')
    t.equal(dataplane['handoverFull'], 0)
    await sluice.deleteService(`together-${family}`)
  })
}

const statsOf = async (service: string) =>
  (await statistics()).services.find(({ name }) => name === service)!
const FTP_MODES = { ipv4: ['PASV', 'EPRT'], ipv6: ['EPSV', 'EPRT'] } as const

for (const family of FAMILIES) {
  const sources = sourcesOf(family)

  t.test(`${family}: an upper threshold holds for all together`, async t => {
    const name = `full-${family}`
    const realServers = Object.fromEntries(
      (['a', 'b'] as const).map(each => {
        const limit = each === 'a' ? { upperThreshold: 40 } : {}
        return [each, { address: serverAddress(each, family), port: SINK_PORT, ...limit }]
      }),
    )
    await sluice.putService(name, { ...udpService(family), port: 94, realServers })
    const to = { address: VIP[family], port: 94, count: 200, sources }
    t.equal(await openFlows(client, to), 200)
    let shares: ServerStats[] = []
    const of = (server: string) => shares.find(each => each.name === server)!.inactConns
    await until('all to be counted', async () => {
      shares = (await statsOf(name)).realServers
      return of('a') + of('b') === 200
    })
    // Two that choose in the same instant do not see each other's choice yet.
    t.ok(of('a') >= 40 && of('a') < 40 + WORKERS, `a has ${of('a')}`)
    await sluice.deleteService(name)
  })

  t.test(`${family}: by firewall mark`, async t => {
    const name = `marked-${family}`
    const rule = { addressFamily: family, protocol: 'tcp', destinationPorts: ['91'] }
    await sluice.api('PUT', '/v1/mark-rules/workers', { mark: 9, ...rule })
    const { realServers } = httpService(family, { a: 1, b: 1, c: 1 })
    const marked = { fwmark: 9, addressFamily: family, scheduler: 'rr', realServers }
    await sluice.api('PUT', `/v1/virtual-services/${name}`, marked)
    for (const source of sources) {
      const fetched = await fetchFrom(source, family, 'bytes/9000', 91)
      t.match(fetched, { exit: 0, sha256: bytesHash(9000), client: source })
    }
    t.equal((await statsOf(name)).conns, sources.length, 'counted as one')
    await sluice.deleteService(name)
    await sluice.api('DELETE', '/v1/mark-rules/workers')
  })

  t.test(`${family}: each client stays with its server`, async t => {
    const name = `sticky-${family}`
    const service = { ...httpService(family, { a: 1, b: 1, c: 1 }), port: 92 }
    const persistence = { timeoutSeconds: 300 }
    await sluice.api('PUT', `/v1/virtual-services/${name}`, { ...service, persistence })
    const all: Fetched[] = []
    for (const source of sources) {
      const fetched = [0, 1, 2].map(() => fetchFrom(source, family, '', 92))
      const answers = tally(await Promise.all(fetched))
      t.strictSame(Object.values(answers), [3], `${source}: ${Object.keys(answers).join()}`)
      all.push(...(await Promise.all(fetched)))
    }
    t.ok(Object.keys(tally(all)).length > 1, 'not all with one')
    const { realServers } = await statsOf(name)
    const templates = realServers.reduce((sum, { persistConns }) => sum + persistConns, 0)
    t.equal(templates, sources.length, 'a template each')
    await sluice.deleteService(name)
  })

  t.test(`${family}: FTP, a client of each`, async t => {
    const service = {
      protocol: 'tcp',
      address: VIP[family],
      port: FTP_PORT,
      scheduler: 'rr',
    } as const
    await sluice.putService('ftp', {
      ...service,
      realServers: { a: { address: serverAddress('a', family) } },
    })
    for (const source of oneEach(family))
      for (const mode of FTP_MODES[family]) {
        const got = await fetchFile(lab, client, VIP[family], { mode, name: 'large', source })
        t.match(got, { exit: 0, sha256: hashOf('large') }, `${source}, ${mode}`)
      }
    await sluice.deleteService('ftp')
  })
}

t.test('a simulation asks the worker that has the connection', async t => {
  for (const source of sourcesOf('ipv6').slice(0, 4)) {
    const packet = { protocol: 'udp', virtual: { address: VIP.ipv6, port: 53 } }
    await sluice.putService('asked', udpService('ipv6'))
    const to = { address: VIP.ipv6, port: 53, count: 1, sources: [source] }
    await openFlows(client, to)
    const { items } = (await sluice.api(
      'GET',
      `/v1/connections?service=asked&client=${source}`,
    )) as {
      items: { client: { address: string; port: number } }[]
    }
    const told = (await sluice.api('POST', '/v1/simulations', {
      ...packet,
      client: items[0]!.client,
    })) as { decidedBy: string; connection: { status: string } }
    t.match(told, { decidedBy: 'connection', connection: { status: 'existing' } }, source)
    await sluice.deleteService('asked')
  }
})

t.test('a worker dies: every connection goes on', async t => {
  const http = [...servers.values()].map(server => server.http)
  const held = () => http.reduce((sum, one) => sum + one.stdout.split('held').length - 1, 0)
  const before = held()
  const sources = sourcesOf('ipv4')
  const transfers = sources.map(source => fetchFrom(source, 'ipv4', `held/${HELD}`))
  const untilMs = performance.now() + 20_000
  while (held() < before + sources.length && performance.now() < untilMs) await statistics()
  const from = sluice.process.stdout.length + sluice.process.stderr.length
  sluice.loseWorker()
  await sluice.process.waitFor(/ending thread \d+/, 5000, from)
  for (const one of http) one.tell('release')
  for (const fetched of await Promise.all(transfers))
    t.match(fetched, { exit: 0, sha256: bytesHash(HELD) }, fetched.client)
  await sluice.process.waitFor(/"dataplane has everything"/, 10_000, from)
  for (const source of sources) t.equal((await fetchFrom(source, 'ipv4')).status, 200)
  await sluice.putServer('http-ipv4', 'a', { address: serverAddress('a', 'ipv4'), weight: 0 })
  await sluice.deleteServer('http-ipv4', 'a')
  const fetched = await Promise.all(sources.map(source => fetchFrom(source, 'ipv4')))
  t.strictSame(Object.keys(tally(fetched)).sort(), ['b', 'c'], 'changes reach both')
})

t.test('nobody but the balancer has answered', async t => t.strictSame(await watched(), []))

// It resets clients.
for (const family of FAMILIES) {
  const sources = sourcesOf(family)
  t.test(`${family}: a drain ends the connections of all at its deadline`, async t => {
    const name = `drained-${family}`
    await sluice.putService(name, { ...httpService(family, { a: 1 }), port: 93 })
    const { http } = servers.get('a')!
    const before = http.stdout.split('held').length
    const transfers = sources.map(source => fetchFrom(source, family, `held/${HELD}`, 93))
    await until('all to be held', async () => {
      return http.stdout.split('held').length === before + sources.length
    })
    const drain = `/v1/virtual-services/${name}/real-servers/a/drain`
    const state = async () =>
      ((await sluice.api('GET', drain)) as { status: { state: string } }).status.state
    await sluice.api('PUT', drain, { deadlineSeconds: 0, onDeadline: 'keep' })
    await until('the deadline', async () => (await state()) === 'expired')
    t.equal((await statsOf(name)).realServers[0]!.activeConns, sources.length, 'kept')
    await sluice.api('PUT', drain, { deadlineSeconds: 0, onDeadline: 'reset' })
    const exits = (await Promise.all(transfers)).map(({ exit }) => exit)
    t.strictSame([...new Set(exits)], [56], 'reset, clients of either worker')
    await until('nothing to be left', async () => (await state()) === 'drained')
    await sluice.deleteService(name)
  })
}

endStage(t, stage)
