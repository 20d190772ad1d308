// The journal: every change and every denial, once; and readers who are late, slow or gone.
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { SYSTEM } from '../../../server/auth/actor.js'
import { EventStream } from '../../../server/journal/event-stream.js'
import { Journal, type EntryRecord } from '../../../server/journal/journal.js'
import { openDatabase } from '../../../server/db.js'
import type { Event } from '../../../server/schemas/event.js'
import { silent, startAppliance, web, type Appliance } from '../fixtures/appliance.js'

const url = '/v1/virtual-services/web'
interface Page {
  items: Event[]
  lastEventId: number
  nextCursor: string | null
}
const audit = async (a: Appliance, query = '') =>
  (await a.send('GET', `/v1/audit-log?limit=1000&${query}`)).json<Page>().items
const events = async (a: Appliance, query: string) =>
  (await a.send('GET', `/v1/events?${query}`)).json<Page>()
const types = (items: readonly { type: string }[]) => items.map(({ type }) => type)

async function stage(t: Test) {
  const a = await startAppliance()
  t.teardown(() => a.close())
  return a
}

t.test('every change is told once: who, in which request, before and after', async t => {
  const a = await stage(t)
  const { token } = (await a.send('POST', '/v1/tokens', { name: 'ci', scope: 'write' })).json<{
    token: string
  }>()
  const headers = { authorization: `Bearer ${token}`, 'x-request-id': 'deploy-7' }
  await a.send('PUT', url, web, headers)
  await a.send('PUT', url, web, headers)
  const patch = { adminState: 'draining' }
  await a.send('PATCH', `${url}/real-servers/a`, patch, { ...headers, 'x-request-id': 'deploy-8' })
  await a.send('DELETE', `${url}/real-servers/b`, undefined, headers)
  await a.send('PATCH', '/v1/settings', { timeouts: { udpSeconds: 30 } })
  const { items } = await events(a, 'after=0&limit=1000')
  t.strictSame(types(items), [
    ...['token.created', 'virtualService.created', 'realServer.created', 'realServer.created'],
    ...['realServer.updated', 'realServer.statusChanged', 'realServer.deleted', 'settings.updated'],
  ])
  t.strictSame(
    items.map(({ id }) => id),
    [1, 2, 3, 4, 5, 6, 7, 8],
  )
  const ci = { kind: 'token', name: 'ci' }
  t.match(items[1], { kind: 'virtualService', name: 'web', revision: 1, before: null, actor: ci })
  t.match(items[1], { requestId: 'deploy-7', after: { scheduler: 'wrr' }, address: '127.0.0.1' })
  t.match(items[4], { name: 'web/a', requestId: 'deploy-8', before: { adminState: 'enabled' } })
  t.match(items[4], { after: { adminState: 'draining' }, outcome: 'done' })
  t.match(items[5], { before: { operatingStatus: 'NO_MONITOR' } })
  t.match(items[5], { after: { operatingStatus: 'DRAINING' } })
  t.match(items[6], { name: 'web/b', before: { address: '10.0.0.2' }, after: null })
  t.match(items[7], { actor: { kind: 'anyone' } })
  t.notMatch(JSON.stringify(items), /sluice_|hash/)
})

t.test('what was not stored is not told', async t => {
  const a = await stage(t)
  a.database.pragma('query_only = ON')
  t.match(await a.send('PUT', url, web), { statusCode: 503 })
  a.database.pragma('query_only = OFF')
  t.strictSame(types((await events(a, 'after=0')).items), [])
})

t.test('denials, refusals and failures are told; equal ones are counted', async t => {
  const a = await stage(t)
  const { token } = (await a.send('POST', '/v1/tokens', { name: 'eye', scope: 'read' })).json<{
    token: string
  }>()
  const eye = { authorization: `Bearer ${token}` }
  for (let i = 0; i < 5; i++)
    await a.send('GET', '/v1/stats', undefined, { authorization: 'Bearer wrong' })
  await a.send('PUT', url, web, eye)
  await a.send('PUT', url, { ...web, port: -1 })
  await a.send('GET', '/v1/virtual-services/none')
  a.dataplane.goDown('gone')
  await a.send('PUT', url, web)
  await a.dataplane.comeUp()
  await a.send('POST', '/v1/stats/zero', undefined, { 'x-request-id': 'zero-1' })
  await a.app.close()
  const log = a.access.journal.auditLog(1e9, 1000, {})
  const find = (outcome: string) => log.filter(each => each.outcome === outcome)
  t.match(find('denied'), [
    { actor: 'eye', detail: { code: 'INSUFFICIENT_SCOPE', method: 'PUT', count: 1 } },
    { actor: null, address: '127.0.0.1', detail: { code: 'TOKEN_REFUSED', count: 5 } },
  ])
  t.match(find('refused'), [
    { actor: 'anyone', detail: { code: 'VALIDATION_FAILED', path: '/v1/virtual-services/:name' } },
  ])
  t.match(find('failed'), [{ detail: { code: 'DATAPLANE_UNAVAILABLE' } }])
  t.match(
    log.filter(({ type }) => type === 'request.done'),
    [{ actor: 'anyone', requestId: 'zero-1', detail: { path: '/v1/stats/zero' } }],
  )
  t.equal(log.length, 6, 'and nothing else')
})

t.test('the audit log is filtered and paged, newest first', async t => {
  const a = await stage(t)
  await a.send('PUT', url, web, { 'x-request-id': 'first' })
  await a.send('DELETE', url)
  t.strictSame(types(await audit(a, 'kind=virtualService')), [
    ...['virtualService.deleted', 'virtualService.created'],
  ])
  t.equal((await audit(a, 'type=realServer')).length, 4)
  t.equal((await audit(a, 'type=realServer.deleted&name=web/a')).length, 1)
  t.equal((await audit(a, 'type=real')).length, 0)
  t.equal((await audit(a, 'requestId=first')).length, 3)
  t.equal((await audit(a, 'actor=anyone&outcome=done')).length, 6)
  t.equal((await audit(a, 'actor=system')).length, 0)
  t.equal((await audit(a, 'since=2030-01-01T00:00:00Z&until=2031-01-01T00:00:00Z')).length, 6)
  t.equal((await audit(a, 'until=2030-01-01T00:00:00Z')).length, 0)
  const seen: number[] = []
  let next: string | null = '/v1/audit-log?limit=2'
  while (next !== null) {
    const answer = await a.send('GET', next)
    const { items, nextCursor } = answer.json<Page>()
    seen.push(...items.map(({ id }) => id))
    t.equal(answer.headers.link !== undefined, nextCursor !== null)
    next = nextCursor === null ? null : `/v1/audit-log?limit=2&cursor=${nextCursor}`
  }
  t.strictSame(seen, [6, 5, 4, 3, 2, 1])
  for (const query of ['since=yesterday', 'cursor=!', 'outcome=x', 'nope=1'])
    t.equal((await a.send('GET', `/v1/audit-log?${query}`)).statusCode, 400, query)
})

t.test('a long poll waits for the next event, and no longer than it was told', async t => {
  const a = await stage(t)
  await a.send('PUT', url, web)
  t.strictSame((await events(a, 'limit=2')).items.length, 2, 'the newest, without `after`')
  t.match(await events(a, 'after=3'), { items: [], lastEventId: 3 })
  const waiting = events(a, 'after=3&waitSeconds=60&type=virtualService')
  // What it does not want does not end the wait, but is not looked at again either.
  await a.send('PATCH', `${url}/real-servers/a`, { weight: 7 })
  await a.send('PATCH', url, { scheduler: 'rr' })
  t.match(await waiting, { items: [{ type: 'virtualService.updated' }], lastEventId: 5 })
  const ended = events(a, 'after=5&waitSeconds=60')
  setImmediate(() => void a.app.close())
  t.match(await ended, { items: [] }, 'closing ends it')
})

t.test(
  'a stream over HTTP: resumed where it ended, filtered, refused when it is too late',
  async t => {
    const a = await stage(t)
    await a.app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = a.app.server.address() as AddressInfo
    const open = (path: string, headers: Record<string, string> = {}) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const accept = { accept: 'text/event-stream', ...headers }
        get({ port, host: '127.0.0.1', path, headers: accept, agent: false }, resolve).on(
          'error',
          reject,
        )
      })
    await a.send('PUT', url, web)
    const stream = await open('/v1/events', { 'last-event-id': '2' })
    t.match(stream.headers, { 'content-type': /^text\/event-stream/, 'cache-control': 'no-store' })
    t.match(stream.headers['x-request-id'], /./)
    const text = await readUntil(stream, /realServer\.created/)
    t.match(text, /^retry: 2000\n: from 2 on\n\nid: 3\nevent: realServer\.created\ndata: \{"id":3,/)
    await a.send('PATCH', url, { scheduler: 'rr' })
    const data = /id: 4\nevent: virtualService\.updated\ndata: (.*)\n\n/
    const [, json = ''] = data.exec(await readUntil(stream, data))!
    t.match(JSON.parse(json), { id: 4, before: { scheduler: 'wrr' }, after: { scheduler: 'rr' } })
    stream.destroy()
    const servers = await open('/v1/events?after=0&type=realServer')
    await a.send('DELETE', `${url}/real-servers/a`)
    t.notMatch(await readUntil(servers, /realServer\.deleted/), /event: virtualService/)
    t.match(await open('/v1/events', { 'last-event-id': 'x' }), { statusCode: 400 })
    a.database.exec('UPDATE journal_removed SET through = 3')
    t.match(await open('/v1/events?after=2'), { statusCode: 410 })
    const ended = new Promise(resolve => servers.on('end', resolve))
    await a.app.close()
    await ended
  },
)

t.test('a token sees what its scope shows, and its stream ends with it', async t => {
  const a = await stage(t)
  const { journal, gate, tokens } = a.access
  const by = { actor: SYSTEM, requestId: null }
  const draft = { name: 'eye', scope: 'read', expiresAt: null } as const
  const { secret } = tokens.create(draft, by)
  await a.send('PUT', url, web)
  const seen = await a.send('GET', '/v1/events?after=0', undefined, {
    authorization: `Bearer ${secret}`,
  })
  t.strictSame(types(seen.json<Page>().items), [
    ...['virtualService.created', 'realServer.created', 'realServer.created'],
  ])
  const actor = { ...SYSTEM, kind: 'token', name: 'eye' } as const
  const stream = streamOf(journal, { mayStay: () => gate.isGood(actor) }).resume()
  tokens.revoke('eye', by)
  await new Promise(resolve => stream.on('end', resolve))
  t.equal(journal.readers, 0)
})

t.test('a slow reader costs a page of memory, and is let go', async t => {
  const database = openDatabase(':memory:')
  const journal = new Journal({ database, logger: silent })
  t.teardown(() => database.close())
  const stream = streamOf(journal, { heartbeatMs: 20, patienceMs: 100 })
  // Takes the greeting and then nothing.
  stream.once('readable', () => void stream.read(1))
  const note = { type: 'test.note', class: 'state', detail: { x: 'x'.repeat(1000) } } as const
  const many = Array.from({ length: 1000 }, () => note)
  for (let i = 0; i < 5; i++) journal.record(...many)
  const buffered: number[] = []
  const watching = setInterval(() => buffered.push(stream.readableLength), 5)
  await new Promise(resolve => stream.on('close', resolve))
  clearInterval(watching)
  t.ok(Math.max(...buffered) < 250_000, `at most ${Math.max(...buffered)} of 5,000,000 octets`)
  t.equal(journal.readers, 0)
  // Another that reads gets everything, in order, whatever the first one did.
  const ids: number[] = []
  const quick = streamOf(journal, { after: 0 }).setEncoding('utf8')
  await new Promise<void>(resolve => {
    quick.on('data', (text: string) => {
      for (const [, id] of text.matchAll(/^id: (\d+)$/gm)) ids.push(Number(id))
      if (ids.at(-1) === 5000) resolve()
    })
  })
  quick.destroy()
  t.strictSame(
    ids,
    Array.from({ length: 5000 }, (_, i) => i + 1),
  )
})

t.test('an idle stream is kept alive', async t => {
  const database = openDatabase(':memory:')
  t.teardown(() => database.close())
  const journal = new Journal({ database, logger: silent })
  const stream = streamOf(journal, { heartbeatMs: 5 })
  t.match(await readUntil(stream, /: heartbeat\n\n: heartbeat\n\n/), /^retry/)
  stream.destroy()
})

t.test('retention: by number and by age, each class for itself', async t => {
  const database = openDatabase(':memory:')
  t.teardown(() => database.close())
  let nowMs = Date.UTC(2030, 0, 1)
  const retention = { entries: { change: 100, denial: 3, state: 100 }, days: 90 }
  const now = () => new Date(nowMs)
  const journal = new Journal({ database, logger: silent, now, retention })
  const add = (of: EntryRecord['class'], count: number) => {
    for (let i = 0; i < count; i++) journal.record({ type: `test.${of}`, class: of })
  }
  add('change', 2)
  add('denial', 10)
  journal.trim()
  t.equal(journal.auditLog(1e9, 100, { type: 'test.change' }).length, 2, 'a flood of others')
  t.equal(journal.auditLog(1e9, 100, { type: 'test.denial' }).length, 3)
  t.throws(() => journal.after(0, 10), { code: 'EVENTS_TRUNCATED' })
  t.equal(journal.after(9, 10).length, 3)
  nowMs += 89 * 86_400_000
  add('change', 1)
  nowMs += 2 * 86_400_000
  journal.trim()
  t.equal(journal.auditLog(1e9, 100, {}).length, 1, 'older than 90 days')
  t.equal(journal.last(), 13)
  nowMs += 90 * 86_400_000
  journal.trim()
  t.equal(journal.last(), 13, 'numbers are not given out twice')
  add('change', 1)
  t.match(journal.after(13, 10), [{ id: 14 }])
  journal.close()
})

function streamOf(
  journal: Journal,
  options: Partial<ConstructorParameters<typeof EventStream>[0]> = {},
) {
  const always = () => true
  return new EventStream({
    ...{ journal, after: journal.last(), passes: always, render: (entry: EntryRecord) => entry },
    ...{ mayStay: always, ...options },
  })
}

function readUntil(stream: NodeJS.ReadableStream, wanted: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const read = (part: Buffer | string) => {
      text += String(part)
      if (!wanted.test(text)) return
      stream.off('data', read)
      resolve(text)
    }
    stream.on('data', read)
    stream.on('end', () => reject(new Error(`ended with ${text}`)))
  })
}
