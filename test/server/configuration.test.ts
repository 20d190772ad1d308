import t from 'tap'
import { parse, stringify } from 'yaml'
import { startAppliance, web, type Appliance } from './fixtures/appliance.js'

const url = '/v1/virtual-services/web'
const yaml = { 'content-type': 'application/yaml', accept: 'application/yaml' }
const rule = { mark: 1, addressFamily: 'ipv4', destinationPorts: ['80'] }
/** Something of everything. */
const whole = {
  virtualServices: {
    web,
    marked: { fwmark: 1, addressFamily: 'ipv4', realServers: { a: { address: '10.0.0.9' } } },
    six: {
      ...{ protocol: 'udp', address: '2001:db8:f::1', port: 53, persistence: {} },
      realServers: {
        t: { address: '10.0.0.7', forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080 } },
        d: { address: '2001:db8:2::1', forwarding: 'dr', adminState: 'draining' },
      },
    },
  },
  markRules: { edge: rule },
  settings: { sloppyTcp: true, timeouts: { tcpSeconds: 7200 } },
}

interface Json {
  code: string
  revision: number
  changes: { kind: string; name: string; action: string }[]
  errors: { pointer: string; code: string; detail: string }[]
  items: { name: string; revision: number }[]
  nextCursor: string | null
  detail: string
}

async function start(t: { teardown(work: () => unknown): void }): Promise<Appliance> {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const made = await a.send('PUT', '/v1/config', whole)
  if (made.statusCode !== 200) throw new Error(made.body)
  return a
}

t.test('one document makes everything, as one revision and in one step', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const made = await a.send('PUT', '/v1/config', whole)
  t.equal(made.statusCode, 200, made.body)
  t.equal(made.headers['config-revision'], '1')
  t.equal(made.headers.etag, '"1"')
  t.equal(a.dataplane.table().length, 8)
  t.equal(a.dataplane.settings?.sloppyTcp, true)
  t.equal(a.dataplane.markRules.length, 1)
  const read = await a.send('GET', '/v1/config')
  t.equal(read.body, made.body)
  t.equal(
    (await a.send('GET', '/v1/config', undefined, { 'if-none-match': '"1"' })).statusCode,
    304,
  )
  const emptied = await a.send('PUT', '/v1/config', {})
  t.equal(emptied.headers['config-revision'], '2')
  t.strictSame(a.dataplane.table(), [])
  t.strictSame(a.host.addresses(), [])
  t.strictSame(a.dataplane.markRules, [])
})

t.test('GET x | PUT x makes no revision and changes no byte, whatever x', async t => {
  const a = await start(t)
  const paths = ['/v1/config', url, `${url}/real-servers`, `${url}/real-servers/a`]
  const others = ['/v1/mark-rules/edge', '/v1/settings', '/v1/virtual-services/six']
  const members = ['/v1/virtual-services/marked', '/v1/virtual-services/six/real-servers/t']
  for (const path of [...paths, ...others, ...members])
    for (const view of ['full', 'declared'])
      for (const headers of [{ accept: 'application/json' }, yaml]) {
        const before = await a.send('GET', `${path}?view=${view}`, undefined, headers)
        const put = await a.send('PUT', path, before.body, {
          ...headers,
          'content-type': headers.accept,
        })
        const what = `${path} ${view} ${headers.accept}`
        t.equal(put.statusCode, 200, `${what}: ${put.body}`)
        t.equal(put.headers['config-revision'], '1', what)
        const after = await a.send('GET', `${path}?view=${view}`, undefined, headers)
        t.equal(after.body, before.body, what)
        t.equal(after.headers.etag, before.headers.etag, what)
        const type = headers.accept === yaml.accept ? /^application\/yaml/ : /json/
        t.match(before.headers['content-type'], type, what)
      }
})

t.test('declared has no defaults, full has all; another YAML reader agrees', async t => {
  const a = await start(t)
  const declared = await a.send('GET', '/v1/config?view=declared')
  t.strictSame(declared.json(), {
    virtualServices: {
      marked: { fwmark: 1, addressFamily: 'ipv4', realServers: { a: { address: '10.0.0.9' } } },
      six: {
        ...{ protocol: 'udp', address: '2001:db8:f::1', port: 53, persistence: {} },
        realServers: {
          d: { address: '2001:db8:2::1', forwarding: 'dr', adminState: 'draining' },
          t: { address: '10.0.0.7', forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080 } },
        },
      },
      web: {
        ...{ protocol: 'tcp', address: '198.51.100.10', port: 80, scheduler: 'wrr' },
        realServers: {
          a: { address: '10.0.0.1', port: 8080, weight: 2 },
          b: { address: '10.0.0.2', port: 8080 },
        },
      },
    },
    markRules: { edge: rule },
    settings: { timeouts: { tcpSeconds: 7200 }, sloppyTcp: true },
  })
  t.match((await a.send('GET', '/v1/config')).json(), {
    virtualServices: { web: { labels: {}, realServers: { b: { weight: 1, forwarding: 'masq' } } } },
    markRules: { edge: { protocol: 'any', order: 100 } },
    settings: { timeouts: { tcpSeconds: 7200, udpSeconds: 300 }, sloppySctp: false },
  })
  const text = await a.send('GET', '/v1/config?view=declared', undefined, yaml)
  t.strictSame(parse(text.body), declared.json())
  const one = await a.send('GET', `${url}?view=declared`)
  t.notMatch(one.json(), { meta: {} })
  t.match(one.headers['content-type'], /^application\/vnd\.sluice\.declared\+json/)
})

t.test('every fault of a whole document, each in its place; text that does not parse', async t => {
  const a = await start(t)
  const bad = {
    virtualServices: {
      web: { ...web, scheduler: 'wrx', realServers: { a: { address: 'x' } } },
      twin: { ...web, address: '198.51.100.11', prot: 1 },
      Bad: web,
    },
    markRules: { edge: { mark: 0, addressFamily: 'ipv4' } },
    settings: { sloppy: true },
    setings: {},
  }
  const shape = await a.send('PUT', '/v1/config', bad)
  t.strictSame(
    shape.json<Json>().errors.map(({ pointer, code }) => `${pointer} ${code}`),
    ['/virtualServices/Bad INVALID_NAME', '/setings UNKNOWN_FIELD'],
  )
  const { web: webs, twin } = bad.virtualServices
  const { markRules, settings } = bad
  const rest = { virtualServices: { web: webs, twin }, markRules, settings }
  const refused = await a.send('PUT', '/v1/config', stringify(rest), yaml)
  t.equal(refused.headers['content-type'], 'application/problem+json')
  t.strictSame(
    refused.json<Json>().errors.map(({ pointer, code }) => `${pointer} ${code}`),
    [
      '/virtualServices/web/scheduler INVALID_VALUE',
      '/virtualServices/web/realServers/a/address INVALID_ADDRESS',
      '/virtualServices/twin/prot UNKNOWN_FIELD',
      '/markRules/edge/mark OUT_OF_RANGE',
      '/settings/sloppy UNKNOWN_FIELD',
    ],
  )
  const twins = { virtualServices: { a: web, b: web } }
  t.match((await a.send('PUT', '/v1/config', twins)).json(), {
    status: 409,
    errors: [{ pointer: '/virtualServices/a/address' }, { pointer: '/virtualServices/b/address' }],
  })
  const broken = await a.send('PUT', '/v1/config', 'virtualServices:\n  web: [1, 2\nx: y\n', yaml)
  t.match(broken.json(), { code: 'MALFORMED_YAML', detail: /Line [34], column/ })
  const twice = await a.send('PUT', '/v1/config', 'settings: {}\nsettings: {}\n', yaml)
  t.match(twice.json(), { errors: [{ code: 'DUPLICATE_FIELD', detail: /Line 2, column 1/ }] })
  const bomb = `a: &a [x, x]\nb: &b [*a, *a]\nc: [${'*b, '.repeat(500)}*b]\n`
  t.equal((await a.send('PUT', '/v1/config', bomb, yaml)).statusCode, 400)
  t.equal((await a.send('PUT', '/v1/config', '['.repeat(50_000), yaml)).statusCode, 400)
  t.equal(a.control.revision(), 1, 'nothing of all this was stored')
})

t.test('412 says who changed what and when', async t => {
  const a = await start(t)
  const { etag } = (await a.send('GET', `${url}/real-servers/a`)).headers
  await a.send('PATCH', `${url}/real-servers/a?message=more%20load`, { weight: 9 })
  const stale = { 'if-match': String(etag) }
  const refused = await a.send('PATCH', `${url}/real-servers/a`, { weight: 1 }, stale)
  t.equal(refused.statusCode, 412)
  t.match(
    refused.json<Json>().detail,
    /at 2030-.*revision 2 of anyone, "more load" \(realServer web\/a\)/,
  )
  const config = await a.send('PATCH', '/v1/config', {}, { 'if-match': '"1"' })
  t.match(config.json(), { status: 412, detail: /revision 2 of anyone, "more load"/ })
  t.equal(config.headers.etag, '"2"')
  const now = await a.send('PATCH', '/v1/config', { settings: null }, { 'if-match': '"2"' })
  t.equal(now.statusCode, 200)
  t.equal(now.headers['config-revision'], '3')
})

t.test('revisions: listed, read, compared, gone back to', async t => {
  const a = await start(t)
  const first = (await a.send('GET', '/v1/config')).body
  await a.send('PATCH', `${url}/real-servers/a`, { weight: 9 }, { 'config-message': 'try it' })
  await a.send('DELETE', '/v1/virtual-services/six')
  const list = (await a.send('GET', '/v1/config/revisions')).json<Json>()
  t.strictSame(
    list.items.map(({ revision }) => revision),
    [3, 2, 1, 0],
  )
  t.match(list.items[1], {
    ...{ revision: 2, message: 'try it', actor: { name: 'anyone' }, requestId: /./, at: /^2030/ },
    changes: [{ kind: 'realServer', name: 'web/a', action: 'update' }],
  })
  const page = await a.send('GET', '/v1/config/revisions?limit=2')
  t.match(page.headers.link, /rel="next"/)
  const next = `/v1/config/revisions?limit=2&cursor=${page.json<Json>().nextCursor}`
  t.strictSame(
    (await a.send('GET', next)).json<Json>().items.map(each => each.revision),
    [1, 0],
  )
  t.equal((await a.send('GET', '/v1/config/revisions/1')).body, first)
  t.strictSame((await a.send('GET', '/v1/config/revisions/0?view=declared')).json(), {})
  t.match((await a.send('GET', '/v1/config/revisions/2/diff')).json(), {
    changes: [{ name: 'web/a', fields: [{ pointer: '/weight', before: 2, after: 9 }] }],
  })
  const diff = (await a.send('GET', '/v1/config/revisions/3/diff?against=1')).json<Json>()
  t.strictSame(diff.changes.map(({ name, action }) => `${action} ${name}`).sort(), [
    'delete six',
    'delete six/d',
    'delete six/t',
    'update web/a',
  ])
  const back = await a.send('POST', '/v1/config/rollbacks?message=oops', { revision: 1 })
  t.match(back.json(), { revision: 4, message: 'oops' })
  t.equal((await a.send('GET', '/v1/config')).body, first)
  t.equal((await a.send('GET', '/v1/config/revisions/x')).statusCode, 400)
  t.equal((await a.send('POST', '/v1/config/rollbacks', { revision: 9 })).statusCode, 404)
})

t.test('a list of changes: all of them as one revision, or none', async t => {
  const a = await start(t)
  const log = a.dataplane.log.length
  const made = await a.send('POST', '/v1/changesets?message=move', [
    { op: 'delete', path: url },
    { op: 'put', path: '/v1/virtual-services/new', value: web },
    { op: 'patch', path: '/v1/virtual-services/new/real-servers/a', value: { weight: 7 } },
    { op: 'delete', path: '/v1/mark-rules/edge' },
    { op: 'patch', path: '/v1/settings', value: { sloppyTcp: null } },
  ])
  t.match(made.json(), { revision: 2, message: 'move' }, made.body)
  t.strictSame(
    a.dataplane.log.slice(log).map(({ op }) => op),
    ['editDest', 'setSettings', 'setMarkRules'],
    'a renamed service keeps its connections',
  )
  const before = (await a.send('GET', '/v1/config')).body
  const refused = await a.send('POST', '/v1/changesets', [
    { op: 'put', path: '/v1/virtual-services/x', value: { ...web, address: '198.51.100.77' } },
    { op: 'patch', path: '/v1/virtual-services/none', value: {} },
    { op: 'patch', path: '/v1/virtual-services/new/real-servers/a', value: { weight: -1 } },
    { op: 'delete', path: '/v1/settings' },
    { op: 'put', path: '/v1/virtual-services/new/drain', value: {} },
    { op: 'put', path: '/v1/settings' },
    { op: 'delete', path: '/v1/virtual-services/new', ifMatch: '"old"' },
  ])
  t.strictSame(
    refused.json<Json>().errors.map(({ pointer, code }) => `${pointer} ${code}`),
    [
      '/1/path SERVICE_NOT_FOUND',
      '/2/value/weight OUT_OF_RANGE',
      '/3/op INVALID_VALUE',
      '/4/path INVALID_PATH',
      '/5/value MISSING_FIELD',
      '/6/ifMatch PRECONDITION_FAILED',
    ],
  )
  t.equal((await a.send('GET', '/v1/config')).body, before)
  const swap = await a.send('POST', '/v1/changesets', [
    { op: 'put', path: url, value: { ...web, address: '198.51.100.20' } },
    { op: 'patch', path: '/v1/virtual-services/new', value: { address: '198.51.100.20' } },
    { op: 'patch', path: url, value: { address: '198.51.100.10' } },
  ])
  t.equal(swap.statusCode, 200, 'only the end counts')
  const twin = await a.send('POST', '/v1/changesets', [
    { op: 'patch', path: url, value: { address: '198.51.100.20' } },
  ])
  t.match(twin.json(), { status: 409, errors: [{ pointer: '/0/value/address' }] })
})

t.test('dry runs and plans: answer, differences and impact; nothing changes', async t => {
  const a = await start(t)
  const before = (await a.send('GET', '/v1/config')).body
  const ops = a.dataplane.log.length
  const dry = await a.send('PATCH', `${url}/real-servers/a?dryRun=true`, { weight: 0 })
  t.equal(dry.statusCode, 200)
  t.match(dry.headers['content-type'], /^application\/vnd\.sluice\.plan\+json/)
  t.match(dry.json(), {
    ...{ revision: 1, status: 200, body: { name: 'a', weight: 0, meta: { revision: 2 } } },
    changes: [{ name: 'web/a', fields: [{ pointer: '/weight', before: 2, after: 0 }] }],
    impact: {
      connectionsLosingServer: 0,
      services: [{ name: 'web', usableServersBefore: 2, usableServersAfter: 1 }],
    },
  })
  const both = [
    { op: 'patch', path: `${url}/real-servers/a`, value: { weight: 0 } },
    { op: 'delete', path: `${url}/real-servers/b` },
  ]
  const expected = { impact: { servicesWithoutServer: ['web'] } }
  t.match((await a.send('POST', '/v1/plans', { changes: both })).json(), expected)
  t.match((await a.send('POST', '/v1/changesets?dryRun=true', both)).json(), expected)
  const created = await a.send('PUT', '/v1/virtual-services/x?dryRun=true', {
    ...{ ...web, address: '198.51.100.99' },
  })
  t.match(created.json(), { status: 201, body: { name: 'x' } })
  t.match((await a.send('DELETE', `${url}?dryRun=true`)).json(), { status: 204, body: null })
  t.match((await a.send('DELETE', '/v1/mark-rules/no?dryRun=true')).json(), { status: 404 })
  t.match((await a.send('PUT', '/v1/config?dryRun=true', {})).json(), {
    changes: { length: 10 },
    body: { virtualServices: {} },
  })
  t.match((await a.send('POST', '/v1/plans', {})).json(), { status: 422 })
  const faulty = { configuration: { settings: { x: 1 } } }
  t.match((await a.send('POST', '/v1/plans', faulty)).json(), {
    errors: [{ pointer: '/configuration/settings/x' }],
  })
  t.equal((await a.send('GET', '/v1/config')).body, before)
  t.equal(a.dataplane.log.length, ops)
  t.equal(a.control.revision(), 1)
})

t.test('a POST under an Idempotency-Key is done once', async t => {
  const a = await start(t)
  const headers = { 'idempotency-key': 'abc' }
  const change = [{ op: 'patch', path: '/v1/settings', value: { sloppySctp: true } }]
  const send = () => a.send('POST', '/v1/changesets', change, headers)
  const [first, second] = await Promise.all([send(), send()])
  t.equal(first.json<Json>().revision, 2)
  t.equal(second.body, first.body)
  await a.send('PATCH', '/v1/settings', { sloppySctp: false })
  t.equal((await send()).body, first.body, 'not done again')
  t.match((await a.send('GET', '/v1/settings')).json(), { sloppySctp: false })
})

t.test('lists: sorted by any field, forwards and backwards, page by page', async t => {
  const a = await start(t)
  const names = async (sort: string) => {
    const found: string[] = []
    for (let next = `/v1/virtual-services?limit=1&sort=${sort}`; next !== '';) {
      const page = await a.send('GET', next)
      found.push(...page.json<Json>().items.map(({ name }) => name))
      next = /<([^>]+)>/.exec(String(page.headers.link ?? ''))?.[1] ?? ''
    }
    return found
  }
  t.strictSame(await names('name'), ['marked', 'six', 'web'])
  t.strictSame(await names('-name'), ['web', 'six', 'marked'])
  t.strictSame(await names('position'), ['web', 'marked', 'six'])
  t.strictSame(await names('-activeConnections'), ['marked', 'six', 'web'])
  const wrong = await a.send('GET', '/v1/virtual-services?sort=-activeConection')
  t.match(wrong.json(), {
    errors: [
      {
        parameter: 'sort',
        hint: "Did you mean 'activeConnections'? A '-' before it turns the order round.",
      },
    ],
  })
})
