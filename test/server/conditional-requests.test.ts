// ETags and conditional requests (RFC 9110 section 13), asked of every resource of the document.
import t, { type Test } from 'tap'
import type { Operation } from '../../server/openapi/document.js'
import { startAppliance, web, type Appliance } from './fixtures/appliance.js'
import { document } from './openapi/published.js'

interface Resource {
  url: string
  /** What makes it there; the service `web` is. */
  make?: readonly [method: string, url: string, body: object]
  put?: object
  patch?: object
}

const service = '/v1/virtual-services/{name}'
const at = '/v1/virtual-services/web'
const SERVER = { address: '10.0.0.9', port: 8080 }
const RULE = { mark: 7, addressFamily: 'ipv4', protocol: 'udp' }
const HOOK = { url: 'https://hooks.example/sluice', enabled: false }
const selector = { address: '10.0.0.1' }
const drained = { deadlineSeconds: 600 }

const TAGGED: Readonly<Record<string, Resource>> = {
  [service]: { url: at, put: { ...web, scheduler: 'sed' }, patch: { scheduler: 'lc' } },
  [`${service}/real-servers`]: {
    url: `${at}/real-servers`,
    put: { items: [{ name: 'c', ...SERVER }] },
  },
  [`${service}/real-servers/{server}`]: {
    ...{ url: `${at}/real-servers/a`, put: SERVER, patch: { weight: 7 } },
  },
  [`${service}/real-servers/{server}/drain`]: {
    url: `${at}/real-servers/a/drain`,
    make: ['PUT', `${at}/real-servers/a/drain`, drained],
    put: { deadlineSeconds: 900 },
  },
  '/v1/maintenances/{name}': {
    url: '/v1/maintenances/host',
    make: ['PUT', '/v1/maintenances/host', { selector, ...drained, ignoreMinimum: true }],
    put: { selector, deadlineSeconds: 900, ignoreMinimum: true },
  },
  '/v1/mark-rules/{name}': {
    url: '/v1/mark-rules/voice',
    make: ['PUT', '/v1/mark-rules/voice', RULE],
    ...{ put: { ...RULE, mark: 8 }, patch: { mark: 9 } },
  },
  '/v1/health-checks/{name}': {
    url: '/v1/health-checks/up',
    make: ['PUT', '/v1/health-checks/up', { kind: 'tcp' }],
    ...{ put: { kind: 'tls' }, patch: { intervalMilliseconds: 7000 } },
  },
  '/v1/settings': {
    url: '/v1/settings',
    make: ['PATCH', '/v1/settings', { sloppyTcp: true }],
    ...{ put: { natIcmpSend: true }, patch: { sloppySctp: true } },
  },
  '/v1/config': {
    ...{ url: '/v1/config', put: { settings: { natIcmpSend: true } } },
    patch: { settings: { sloppyTcp: true } },
  },
  '/v1/config/revisions/{revision}': { url: '/v1/config/revisions/1' },
  '/v1/tokens/{name}': {
    url: '/v1/tokens/ci',
    make: ['POST', '/v1/tokens', { name: 'ci', scope: 'write' }],
  },
  '/v1/webhooks/{name}': {
    url: '/v1/webhooks/pager',
    make: ['PUT', '/v1/webhooks/pager', HOOK],
    put: { ...HOOK, events: ['realServer'] },
  },
}

/** What is read and has no tag, and why. */
const UNTAGGED: Readonly<Record<string, string>> = {
  '/v1/config/revisions/{revision}/diff': 'worked out of two revisions, which have tags',
  '/v1/operations/{id}': 'progress of what has a tag itself; it is waited for, not written',
  '/v1/stats': 'counters',
  '/v1/exports': 'another way to write the configuration, whose tag is at /v1/config',
  '/metrics': 'counters',
  '/v1/version': 'of the program',
  '/healthz': 'of the moment',
  '/readyz': 'of the moment',
  '/problems/{code}': 'of the program',
}

const WRITES = ['put', 'patch', 'delete'] as const
const paths = Object.entries(document.paths)

t.test('everything that can be read has a tag, is a list, or has a reason', async t => {
  for (const [path, operations] of paths) {
    const { get } = operations
    if (get === undefined) continue
    const isPlainList = isList(get) && !WRITES.some(verb => verb in operations)
    const isLive = isList(get) && path === '/v1/connections'
    if (isPlainList || isLive || path in UNTAGGED) {
      t.notOk('ETag' in headersOf(get, '200'), `${path} promises no ETag`)
      continue
    }
    t.ok(path in TAGGED, `${path} is tried`)
    t.ok('ETag' in headersOf(get, '200'), `${path}: ETag`)
    t.ok('304' in get.responses, `${path}: 304`)
    for (const verb of WRITES) {
      const write = operations[verb]
      if (write === undefined) continue
      t.ok('412' in write.responses, `${verb} ${path}: 412`)
      for (const status of Object.keys(write.responses).filter(each => each.startsWith('2')))
        if (verb !== 'delete') t.ok('ETag' in headersOf(write, status), `${verb} ${path}: ETag`)
    }
  }
})

for (const [path, resource] of Object.entries(TAGGED))
  t.test(path, async t => {
    const a = await startAppliance()
    t.teardown(() => a.close())
    t.equal((await a.send('PUT', at, web)).statusCode, 201)
    let tag: string | undefined
    if (resource.make !== undefined) {
      const made = await a.send(...resource.make)
      t.match(made.statusCode, /20[012]/, made.body)
      tag = String(made.headers.etag)
    }
    tag = await read(t, a, resource.url, tag)
    const operations = document.paths[path]!
    for (const verb of WRITES.filter(each => each in operations)) {
      tag = await write(t, a, { verb, resource, tag })
    }
  })

/** The tag, which is that of whatever made it; and what a client is told that knows it. */
async function read(t: Test, a: Appliance, url: string, known?: string): Promise<string> {
  const first = await a.send('GET', url)
  const tag = String(first.headers.etag)
  t.match(tag, /^"[^"]+"$/, 'a strong ETag')
  if (known !== undefined) t.equal(tag, known, 'that of the answer that made it')
  for (const condition of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
    const fresh = await a.send('GET', url, undefined, { 'if-none-match': condition })
    t.match([fresh.statusCode, fresh.body, fresh.headers.etag], [304, '', tag], condition)
  }
  const stale = await a.send('GET', url, undefined, { 'if-none-match': '"other"' })
  t.equal(stale.statusCode, 200)
  return tag
}

interface Attempt {
  verb: (typeof WRITES)[number]
  resource: Resource
  tag: string
}

/** Refused to whoever knows something older, done for who knows it as it is; the tag that it has then. */
async function write(t: Test, a: Appliance, { verb, resource, tag }: Attempt): Promise<string> {
  const { url } = resource
  const method = verb.toUpperCase()
  const body = verb === 'delete' ? undefined : resource[verb]
  if (verb !== 'delete') t.type(body, 'object', `${verb} is tried`)
  for (const [name, condition] of [
    ['if-match', '"older"'],
    // Strongly compared.
    ['if-match', `W/${tag}`],
    ['if-none-match', '*'],
    ['if-none-match', tag],
  ] as const) {
    const refused = await a.send(method, url, body, { [name]: condition })
    t.equal(refused.statusCode, 412, `${verb}, ${name}: ${condition}: ${refused.body}`)
    t.equal(refused.headers.etag, tag, 'and what it is now')
    const { code, detail } = refused.json<{ code: string; detail: string }>()
    t.equal(code, 'PRECONDITION_FAILED')
    if (name === 'if-none-match') continue
    t.match(detail, /\banyone\b/, 'who')
    t.match(detail, /\d{4}-\d\d-\d\dT\d\d:\d\d/, 'when')
  }
  t.equal((await a.send('GET', url)).headers.etag, tag, 'nothing happened')
  const done = await a.send(method, url, body, { 'if-match': `"older", ${tag}` })
  t.match(done.statusCode, /20[0124]/, done.body)
  if (verb === 'delete') return ''
  t.not(done.headers.etag, tag)
  return read(t, a, url, String(done.headers.etag))
}

function headersOf({ responses }: Operation, status: string): object {
  return responses[status]?.headers ?? {}
}

function isList({ responses }: Operation): boolean {
  const media = responses['200']?.content?.['application/json']
  const { $ref = '' } = (media?.schema ?? {}) as { $ref?: string }
  const schemas = document.components.schemas as Record<string, { properties?: object }>
  return 'items' in (schemas[$ref.split('/').at(-1)!]?.properties ?? {})
}
