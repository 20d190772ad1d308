// Rules that hold for everything alike, asked of every path of the document that they are about.
import t, { type Test } from 'tap'
import { startAppliance, web, type Appliance } from './fixtures/appliance.js'
import type { Operation } from '../../server/openapi/document.js'
import { document } from './openapi/published.js'

const paths = Object.entries(document.paths)
const service = '/v1/virtual-services/{name}'

/** One of each kind, its collection, and two bodies that differ. */
const SERVER = { address: '10.0.0.9', port: 8080, labels: { env: 'prod' } }
const RULE = { mark: 7, addressFamily: 'ipv4', protocol: 'udp', labels: { env: 'prod' } }
const SERVICE = { ...web, port: 81, labels: { env: 'prod' } }
const CHECK = { kind: 'tcp', labels: { env: 'prod' } }
const NAMED: Readonly<Record<string, { body: object; patch: object; unique?: string }>> = {
  [service]: { body: SERVICE, patch: { scheduler: 'lc' }, unique: 'port' },
  [`${service}/real-servers/{server}`]: { body: SERVER, patch: { weight: 7 }, unique: 'port' },
  '/v1/mark-rules/{name}': { body: RULE, patch: { mark: 8 } },
  '/v1/health-checks/{name}': { body: CHECK, patch: { intervalMilliseconds: 7000 } },
}
/** There from the beginning. */
const SINGLE: Readonly<Record<string, { patch: object }>> = {
  '/v1/settings': { patch: { sloppyTcp: true } },
  '/v1/config': { patch: { settings: { sloppyTcp: true } } },
}
/** What else can be put is no configuration: it has rules and tests of its own. */
const ASIDE = [
  `${service}/real-servers/{server}/drain`,
  ...['/v1/webhooks/{name}', '/v1/maintenances/{name}'],
]
const isState = (path: string) => path.endsWith('/state') || ASIDE.includes(path)

/** Lists that are never long, or that are walked through in another way. */
const UNPAGED: Readonly<Record<string, string>> = {
  '/v1/interfaces': 'as many as the host has',
  '/v1/events': 'goes on from an event, after=',
  '/v1/webhooks': 'at most 64',
  [`${service}/real-servers/{server}/checks`]: 'at most those of one real server',
}

const named = (path: string, name: string): string =>
  path.includes('{server}')
    ? path.replace('{name}', 'web').replace('{server}', name)
    : path.replace('{name}', name)
const collectionOf = (path: string): string =>
  path.replace(/\/\{\w+\}$/, '').replace('{name}', 'web')

const prepared = async (): Promise<Appliance> => {
  const a = await startAppliance()
  await a.send('PUT', '/v1/virtual-services/web', web)
  return a
}
const make = async (a: Appliance, path: string, name: string, place: number) => {
  const { body, unique } = NAMED[path]!
  const document = unique === undefined ? body : { ...body, [unique]: 9000 + place }
  return a.send('PUT', named(path, name), document)
}

t.test('every path that can be put is looked at', async t => {
  const puts = paths.filter(([, each]) => 'put' in each && 'get' in each).map(([path]) => path)
  const known = [...Object.keys(NAMED), ...Object.keys(SINGLE)]
  // The whole set of real servers is a collection that can be put.
  const rest = puts.filter(path => !isState(path) && path !== `${service}/real-servers`)
  t.strictSame(rest.sort(), known.sort())
})

t.test('every list has pages, or a reason', async t => {
  for (const [path, { get }] of paths) {
    if (get === undefined) continue
    const { properties = {} } = schemaOf(get)
    if (!('nextCursor' in properties) && !('items' in properties)) continue
    const parameters = (get.parameters ?? []).map(({ name }) => name)
    if (path in UNPAGED) continue
    for (const name of ['limit', 'cursor']) t.ok(parameters.includes(name), `${path} has ${name}`)
  }
})

function schemaOf({ responses }: Operation): { properties?: object } {
  const media = responses['200']?.content?.['application/json']
  const { $ref } = (media?.schema ?? {}) as { $ref?: string }
  const schemas = document.components.schemas as Record<string, { properties?: object }>
  return $ref === undefined ? {} : (schemas[$ref.split('/').at(-1)!] ?? {})
}

for (const path of Object.keys(NAMED)) {
  t.test(`the collection of ${path}`, async t => {
    const a = await prepared()
    t.teardown(() => a.close())
    for (const [i, name] of ['k1', 'k3', 'k2'].entries()) {
      const answer = await make(a, path, name, i)
      t.equal(answer.statusCode, 201, answer.body)
    }
    const list = collectionOf(path)
    interface List {
      items: { name: string; meta?: object }[]
    }
    const names = async (query: string) => {
      const answer = await a.send('GET', `${list}?${query}`)
      t.equal(answer.statusCode, 200, answer.body)
      return answer.json<List>().items.map(({ name }) => name)
    }
    const mine = 'labels=env%3Dprod'
    t.strictSame(await names(`${mine}&sort=name`), ['k1', 'k2', 'k3'])
    t.strictSame(await names(`${mine}&sort=-name`), ['k3', 'k2', 'k1'])
    t.strictSame(await names(`${mine}&sort=createdAt`), ['k1', 'k3', 'k2'])
    t.strictSame(await names('labels=env%3Dtest'), [])
    for (const sort of ['name', '-createdAt']) {
      const paged: string[] = []
      let url = `${list}?${mine}&sort=${sort}&limit=1`
      while (url !== '') {
        const answer = await a.send('GET', url)
        paged.push(...answer.json<List>().items.map(({ name }) => name))
        url = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1] ?? ''
      }
      t.strictSame(paged, await names(`${mine}&sort=${sort}`), `pages by ${sort}`)
    }
    const { nextCursor } = (await a.send('GET', `${list}?limit=1`)).json<{ nextCursor: string }>()
    const wrong = { 'sort=colour': /sorted by/, 'cursor=x': /cursor/, 'limit=0': /limit/ }
    const moved = { [`sort=-name&cursor=${nextCursor}`]: /belongs to the list/ }
    for (const [query, detail] of Object.entries({ ...wrong, ...moved, 'lables=a': /labels/ })) {
      const answer = await a.send('GET', `${list}?${query}`)
      t.match([answer.statusCode, answer.body], [400, detail], query)
    }
    const { items } = (await a.send('GET', `${list}?${mine}&view=declared`)).json<List>()
    t.equal(items[0]!.meta, undefined)
  })

  t.test(`one of ${path}`, async t => {
    const a = await prepared()
    t.teardown(() => a.close())
    const url = named(path, 'k1')
    t.equal((await a.send('PUT', url, NAMED[path]!.body)).statusCode, 201)
    await obeys(t, a, url, NAMED[path]!.patch)
    const star = await a.send('PUT', url, NAMED[path]!.body, { 'if-none-match': '*' })
    t.match([star.statusCode, star.body], [412, /exists/])
    const revision = a.control.revision()
    const { etag } = (await a.send('GET', url)).headers
    const trial = await a.send('DELETE', `${url}?dryRun=true`)
    t.match([trial.statusCode, trial.headers['content-type']], [200, /sluice\.plan\+json/])
    t.equal(a.control.revision(), revision)
    const stale = await a.send('DELETE', url, undefined, { 'if-match': '"0"' })
    t.equal(stale.statusCode, 412)
    t.equal((await a.send('DELETE', url, undefined, { 'if-match': String(etag) })).statusCode, 204)
    t.equal((await a.send('DELETE', url)).statusCode, 404)
    t.equal((await a.send('DELETE', `${url}?missingOk=true`)).statusCode, 204)
  })
}

for (const [path, { patch }] of Object.entries(SINGLE))
  t.test(path, async t => {
    const a = await prepared()
    t.teardown(() => a.close())
    await obeys(t, a, path, patch)
  })

/** ETag, conditions, identity of GET and PUT, and trial runs. */
async function obeys(t: Test, a: Appliance, url: string, patch: object): Promise<void> {
  const first = await a.send('GET', url)
  const etag = String(first.headers.etag)
  t.match(etag, /^"[^"]+"$/, 'a strong ETag')
  const fresh = await a.send('GET', url, undefined, { 'if-none-match': etag })
  t.match([fresh.statusCode, fresh.body], [304, ''])
  const revision = a.control.revision()
  for (const view of ['full', 'declared']) {
    const read = await a.send('GET', `${url}?view=${view}`)
    t.equal(read.headers.etag, etag, `${view}: the same ETag`)
    // What was read can be sent back under the very type that it came under.
    const type = { 'content-type': String(read.headers['content-type']) }
    const put = await a.send('PUT', url, read.body, type)
    t.match([put.statusCode, put.headers.etag], [200, etag], `GET ${view} | PUT: ${put.body}`)
    t.equal((await a.send('GET', `${url}?view=${view}`)).body, read.body, 'to the octet')
  }
  t.equal((await a.send('PATCH', url, {})).headers.etag, etag)
  t.equal(a.control.revision(), revision, 'and no revision')

  const trial = await a.send('PATCH', `${url}?dryRun=true`, patch)
  t.match(
    [trial.statusCode, trial.headers['content-type']],
    [200, /sluice\.plan\+json/],
    trial.body,
  )
  t.equal(trial.json<{ changes: unknown[] }>().changes.length, 1)
  t.equal((await a.send('GET', url)).headers.etag, etag, 'nothing happened')

  const done = await a.send('PATCH', url, patch, { 'if-match': etag })
  t.equal(done.statusCode, 200, done.body)
  t.equal(done.headers['config-revision'], String(revision + 1))
  t.not(done.headers.etag, etag)
  for (const method of ['PUT', 'PATCH']) {
    const late = await a.send(method, url, method === 'PUT' ? first.body : patch, {
      'if-match': etag,
    })
    t.equal(late.statusCode, 412, method)
    const { detail } = late.json<{ detail: string }>()
    t.match(detail, /anyone/, 'who')
    t.match(detail, /2030-01-01T/, 'when')
    t.equal(late.headers.etag, done.headers.etag, 'and what it is now')
  }
  t.equal(a.control.revision(), revision + 1)
}
