import t from 'tap'
import { startAppliance, web } from './fixtures/appliance.js'

/** As much of any answer as these tests look at. */
interface Json {
  code: string
  detail: string
  name: string
  openapi: string
  nextCursor: string | null
  realServers: object
  meta: object
  status: object
  errors: { pointer: string; code: string }[]
}

t.test('the life of a virtual service', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const url = '/v1/virtual-services/web'

  const created = await a.send('PUT', url, web)
  t.equal(created.statusCode, 201)
  t.equal(created.headers.location, url)
  t.equal(created.headers['config-revision'], '1')
  t.match(created.headers.etag, /^"[^"]+"$/)
  t.match(created.headers['x-request-id'], /./)
  t.match(created.json(), {
    name: 'web',
    ...web,
    schedulerFlags: [],
    onePacket: false,
    manageAddress: true,
    labels: {},
    realServers: {
      a: { name: 'a', weight: 2, forwarding: 'masq', adminState: 'enabled', upperThreshold: 0 },
      b: { name: 'b', weight: 1, port: 8080, meta: { revision: 1 } },
    },
    meta: { revision: 1 },
    status: { operatingStatus: 'ONLINE', activeConns: 0 },
  })
  t.strictSame(a.dataplane.table(), [
    'tcp 198.51.100.10 80 wrr',
    '  10.0.0.1:8080 masq 2',
    '  10.0.0.2:8080 masq 1',
  ])
  t.strictSame(a.host.addresses(), ['198.51.100.10'])
  t.strictSame(a.host.guarded(), ['tcp 10.0.0.1 8080', 'tcp 10.0.0.2 8080'])
  t.match(a.dataplane.log.at(-1), { op: 'announce', address: '198.51.100.10', interface: 'eth0' })

  const ops = a.dataplane.log.length
  const read = await a.send('GET', url)
  t.equal(read.statusCode, 200)
  t.strictSame(read.json(), created.json())
  const again = await a.send('PUT', url, read.json())
  t.equal(again.statusCode, 200)
  t.equal(again.body, created.body, 'GET | PUT changes no byte')
  t.equal(again.headers['config-revision'], '1')
  t.equal(again.headers.etag, created.headers.etag)
  t.equal(a.dataplane.log.length, ops, 'and tells the dataplane nothing')

  const patched = await a.send('PATCH', url, { scheduler: null, realServers: { b: null } })
  t.equal(patched.statusCode, 200)
  t.match(patched.json(), { scheduler: 'wlc', meta: { revision: 2 } })
  t.strictSame(Object.keys(patched.json<Json>().realServers), ['a'])
  t.not(patched.headers.etag, created.headers.etag)
  t.strictSame(a.dataplane.table(), ['tcp 198.51.100.10 80 wlc', '  10.0.0.1:8080 masq 2'])

  const kept = await a.send('PUT', url, { protocol: 'tcp', address: '198.51.100.10', port: 80 })
  t.strictSame(Object.keys(kept.json<Json>().realServers), ['a'], 'absent: the set stays')
  const emptied = await a.send('PATCH', url, { realServers: null })
  t.strictSame(emptied.json<Json>().realServers, {}, 'null: the default, which is none')

  const deleted = await a.send('DELETE', url)
  t.equal(deleted.statusCode, 204)
  t.equal(deleted.body, '')
  t.strictSame(a.dataplane.table(), [])
  t.strictSame(a.host.addresses(), [])
  t.equal((await a.send('GET', url)).statusCode, 404)
  t.equal((await a.send('DELETE', url)).statusCode, 404)
  t.equal((await a.send('DELETE', `${url}?missingOk=true`)).statusCode, 204)
  const reborn = await a.send('PUT', url, web)
  t.equal(reborn.statusCode, 201)
  t.not(reborn.json<Json>().meta, created.json<Json>().meta, 'a new uid')
})

t.test('the life of a real server', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', '/v1/virtual-services/web', { ...web, realServers: {} })
  const url = '/v1/virtual-services/web/real-servers/a'

  t.equal((await a.send('GET', url)).json<Json>().code, 'REAL_SERVER_NOT_FOUND')
  const created = await a.send('PUT', url, { address: '10.0.0.1' })
  t.equal(created.statusCode, 201)
  t.equal(created.headers.location, url)
  t.match(created.json(), { port: 80, weight: 1, forwarding: 'masq', adminState: 'enabled' })
  const again = await a.send('PUT', url, created.json())
  t.equal(again.statusCode, 200)
  t.equal(again.body, created.body)
  t.equal(again.headers['config-revision'], created.headers['config-revision'])

  const drained = await a.send('PATCH', url, { adminState: 'draining', weight: 7 })
  t.match(drained.json(), {
    weight: 7,
    status: {
      effectiveWeight: 0,
      operatingStatus: 'DRAINING',
      reasons: [{ code: 'ADMIN_DRAINING', since: /^2030/ }],
    },
  })
  t.strictSame(a.dataplane.table(), ['tcp 198.51.100.10 80 wrr', '  10.0.0.1:80 masq 0'])
  const labelled = await a.send('PATCH', url, { labels: { x: 'y' } })
  t.strictSame(
    labelled.json<Json>().status,
    drained.json<Json>().status,
    'a label does not move the moment since when it drains',
  )

  const disabled = await a.send('PATCH', url, { adminState: 'disabled' })
  t.match(disabled.json(), { status: { operatingStatus: 'OFFLINE', effectiveWeight: 0 } })
  t.strictSame(a.dataplane.table(), ['tcp 198.51.100.10 80 wrr'])
  t.strictSame(a.host.guarded(), [])
  const service = await a.send('GET', '/v1/virtual-services/web')
  t.match(service.json(), {
    status: { operatingStatus: 'OFFLINE', reasons: [{ code: 'NO_USABLE_REAL_SERVER' }] },
  })
  const enabled = await a.send('PATCH', url, { adminState: null })
  t.match(enabled.json(), { adminState: 'enabled', status: { operatingStatus: 'NO_MONITOR' } })
  t.equal((await a.send('DELETE', url)).statusCode, 204)
  t.equal((await a.send('DELETE', url)).statusCode, 404)
  t.equal((await a.send('DELETE', `${url}?missingOk=true`)).statusCode, 204)
  t.equal((await a.send('PATCH', url, {})).statusCode, 404)
})

t.test('the whole set in one step', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', '/v1/virtual-services/web', web)
  const url = '/v1/virtual-services/web/real-servers'
  const listed = await a.send('GET', url)
  const same = await a.send('PUT', url, listed.json())
  t.equal(same.statusCode, 200)
  t.equal(same.headers['config-revision'], '1', 'a list can be sent back as it came')

  const swapped = await a.send('PUT', url, {
    items: [
      { name: 'a', address: '10.0.0.2', port: 8080, weight: 2 },
      { name: 'b', address: '10.0.0.1', port: 8080, weight: 1 },
      { name: 'c', address: '10.0.0.3', port: 8080 },
    ],
  })
  t.equal(swapped.statusCode, 200, 'two names may swap their addresses')
  const ops = a.dataplane.log.slice(-3).map(({ op }) => op)
  t.strictSame(ops, ['editDest', 'editDest', 'addDest'], 'connections of both stay')
  const merged = await a.send('PUT', `${url}?mode=merge`, {
    items: [{ name: 'd', address: '10.0.0.4' }],
  })
  t.strictSame(
    merged.json<{ items: { name: string }[] }>().items.map(({ name }) => name),
    ['a', 'b', 'c', 'd'],
  )
  const replaced = await a.send('PUT', url, { items: [{ name: 'z', address: '10.0.0.9' }] })
  t.equal(replaced.json<{ items: Json[] }>().items.length, 1)
  t.strictSame(a.dataplane.table(), ['tcp 198.51.100.10 80 wrr', '  10.0.0.9:80 masq 1'])

  const faulty = await a.send('PUT', url, {
    items: [{ address: '10.0.0.1' }, { name: 'Q' }, { name: 'a', address: 'x' }, 7],
  })
  t.equal(faulty.statusCode, 422)
  t.strictSame(
    faulty
      .json<Json>()
      .errors.map(error => `${error.pointer} ${error.code}`)
      .sort(),
    [
      '/items/0/name MISSING_FIELD',
      '/items/1/address MISSING_FIELD',
      '/items/1/name INVALID_NAME',
      '/items/2/address INVALID_ADDRESS',
      '/items/3 WRONG_TYPE',
    ],
  )
  const clash = await a.send('PUT', `${url}?mode=merge`, {
    items: [{ name: 'y', address: '10.0.0.9' }],
  })
  t.match(clash.json(), { status: 409, code: 'REAL_SERVER_EXISTS', detail: /'z'/ })
})

t.test('a port that has to be the service’s follows it', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const url = '/v1/virtual-services/web'
  await a.send('PUT', url, {
    ...web,
    realServers: {
      d: { address: '10.0.0.1', forwarding: 'dr' },
      m: { address: '10.0.0.2', port: 8080 },
    },
  })
  const moved = await a.send('PATCH', url, { port: 443 })
  t.match(moved.json(), { port: 443, realServers: { d: { port: 443 }, m: { port: 8080 } } })
  t.strictSame(a.dataplane.table(), [
    'tcp 198.51.100.10 443 wrr',
    // Its endpoint is new, so it counts as added last.
    '  10.0.0.2:8080 masq 1',
    '  10.0.0.1:443 dr 1',
  ])
  t.match((await a.send('PATCH', `${url}/real-servers/m`, { forwarding: 'dr' })).json(), {
    status: 422,
    errors: [{ pointer: '/port', code: 'PORT_MISMATCH' }],
  })
})

t.test('addresses are written as RFC 5952 says, whatever was sent', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const url = '/v1/virtual-services/six'
  const body = {
    protocol: 'udp',
    address: '2001:DB8:0:0::0010',
    port: 53,
    persistence: {},
    realServers: { a: { address: '2001:0db8::00A1' } },
  }
  const created = await a.send('PUT', url, body)
  t.match(created.json(), {
    address: '2001:db8::10',
    persistence: { timeoutSeconds: 360, prefixLength: 128 },
    realServers: { a: { address: '2001:db8::a1', port: 53 } },
  })
  t.equal((await a.send('PUT', url, body)).headers['config-revision'], '1')
  const found = await a.send('GET', '/v1/virtual-services?address=2001:db8:0::10')
  t.equal(found.json<{ items: Json[] }>().items.length, 1)
})

t.test('lists: pages, links, filters', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  for (let i = 0; i < 7; i++) {
    const realServers = Object.fromEntries(
      Array.from({ length: 3 }, (_, j) => [
        `r${j}`,
        { address: `10.0.${i}.${j + 1}`, labels: { rack: `r${j % 2}` }, weight: j },
      ]),
    )
    await a.send('PUT', `/v1/virtual-services/s${i}`, {
      protocol: i % 2 ? 'tcp' : 'udp',
      address: `198.51.100.${i + 1}`,
      port: 80,
      scheduler: i === 3 ? 'mh' : 'rr',
      labels: { env: i < 4 ? 'prod' : 'test', number: String(i) },
      realServers,
    })
  }
  const names = (body: string) =>
    (JSON.parse(body) as { items: { name: string }[] }).items.map(({ name }) => name)
  const all: string[] = []
  let url: string | null = '/v1/virtual-services?limit=3&labels=env=prod'
  while (url !== null) {
    const page = await a.send('GET', url)
    t.equal(page.statusCode, 200)
    all.push(...names(page.body))
    const next: string | undefined = /^<([^>]+)>; rel="next"$/.exec(String(page.headers.link))?.[1]
    t.equal(next !== undefined, page.json<Json>().nextCursor !== null, 'link and cursor agree')
    url = next ?? null
  }
  t.strictSame(all, ['s0', 's1', 's2', 's3'])
  const filtered = async (query: string) =>
    names((await a.send('GET', `/v1/virtual-services?${query}`)).body)
  t.strictSame(await filtered('protocol=tcp'), ['s1', 's3', 's5'])
  t.strictSame(await filtered('scheduler=mh'), ['s3'])
  t.strictSame(await filtered('address=198.51.100.5&port=80'), ['s4'])
  t.strictSame(await filtered('port=81'), [])
  t.strictSame(await filtered('labels=env=prod&labels=number=2'), ['s2'])
  t.strictSame(await filtered('labels=env='), [])
  const servers = async (query: string) =>
    names((await a.send('GET', `/v1/virtual-services/s1/real-servers?${query}`)).body)
  t.strictSame(await servers('limit=2'), ['r0', 'r1'])
  t.strictSame(await servers('labels=rack=r0'), ['r0', 'r2'])
  t.strictSame(await servers('address=10.0.1.2'), ['r1'])
  t.strictSame(await servers('adminState=disabled'), [])
  t.strictSame(await servers('forwarding=masq&port=80'), ['r0', 'r1', 'r2'])
})

t.test('conditional requests', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const url = '/v1/virtual-services/web'
  const first = await a.send('PUT', url, web, { 'if-none-match': '*' })
  t.equal(first.statusCode, 201)
  const etag = String(first.headers.etag)
  const second = await a.send('PUT', url, web, { 'if-none-match': '*' })
  t.match(second.json(), { status: 412, code: 'PRECONDITION_FAILED' })

  const unchanged = await a.send('GET', url, undefined, { 'if-none-match': `"x", W/${etag}` })
  t.equal(unchanged.statusCode, 304)
  t.equal(unchanged.body, '')
  t.equal(unchanged.headers.etag, etag)
  // Counters are not configuration.
  new Float64Array(a.dataplane.memory.services).fill(9)
  t.equal((await a.send('GET', url)).headers.etag, etag)

  t.equal((await a.send('PATCH', url, { port: 81 }, { 'if-match': etag })).statusCode, 200)
  const stale = await a.send('PATCH', url, { port: 82 }, { 'if-match': etag })
  t.equal(stale.statusCode, 412)
  t.match(stale.json<Json>().detail, /revision 2/, 'says what changed it')
  t.equal((await a.send('DELETE', url, undefined, { 'if-match': etag })).statusCode, 412)
  t.equal((await a.send('PUT', url, web, { 'if-match': `W/${etag}` })).statusCode, 412)
  t.equal((await a.send('PUT', `${url}2`, web, { 'if-match': '*' })).statusCode, 412)
  t.equal((await a.send('DELETE', url, undefined, { 'if-match': '*' })).statusCode, 204)

  await a.send('PUT', url, web)
  const server = await a.send('GET', `${url}/real-servers/a`)
  const tag = String(server.headers.etag)
  await a.send('PATCH', `${url}/real-servers/b`, { weight: 3 })
  const mine = await a.send('PATCH', `${url}/real-servers/a`, { weight: 3 }, { 'if-match': tag })
  t.equal(mine.statusCode, 200, 'a change of another real server is none of this one')
})

t.test('live state', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', '/v1/virtual-services/web', web)
  t.match((await a.send('GET', '/healthz')).json(), { status: 'ok' })
  t.match((await a.send('GET', '/readyz')).json(), { status: 'ready' })
  t.match((await a.send('GET', '/v1/version')).json(), { name: 'sluice', apiVersion: 'v1' })
  const interfaces = (await a.send('GET', '/v1/interfaces')).json<{ items: Json[] }>().items
  t.match(
    interfaces.find(({ name }) => name === 'eth0'),
    { dataplane: true, index: 2, macAddress: '02:00:00:00:00:01', mtuOctets: 1500 },
  )
  a.dataplane.goDown('The dataplane failed: no such device')
  const ready = await a.send('GET', '/readyz')
  t.match(ready.json(), { status: 503, code: 'DATAPLANE_UNAVAILABLE', detail: /no such device/ })
  t.match((await a.send('GET', '/healthz')).json(), { status: 'ok' })
  t.equal((await a.send('GET', '/docs')).statusCode, 200, 'pages without the Internet')
  t.notMatch((await a.send('GET', '/docs')).headers['content-security-policy'], /upgrade/)
  const script = await a.send('GET', '/docs/static/swagger-ui-bundle.js')
  t.equal(script.statusCode, 200)
  t.equal((await a.send('GET', '/openapi.json')).json<Json>().openapi, '3.1.0')
})
