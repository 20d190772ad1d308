// /v1/webhooks: documents, refusals, who may do what, and that the secret is nowhere to be read.
import { readdirSync, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import t from 'tap'
import { SYSTEM } from '../../../server/auth/actor.js'
import { buildApp } from '../../../server/app.js'
import { Gate } from '../../../server/auth/gate.js'
import { SCOPES } from '../../../server/auth/scope.js'
import { startAppliance } from '../fixtures/appliance.js'
import { Receiver } from './receiver.js'

const url = '/v1/webhooks/pager'
const SECRET = 'correct-horse-battery'

t.test('a webhook is made, shown, replaced, tried and deleted', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const to = await Receiver.open()
  t.teardown(() => to.close())
  const made = await a.send('PUT', url, { url: to.url })
  t.equal(made.statusCode, 201)
  t.equal(made.headers.location, url)
  t.match(made.json(), {
    ...{ name: 'pager', url: to.url, events: ['state'], enabled: true, signed: false },
    ...{ timeoutSeconds: 10, maxAttempts: 10 },
    status: { lastSuccessAt: null, lastError: null, failures: 0, dropped: 0 },
  })
  const shown = (await a.send('GET', url)).json<object>()
  t.strictSame((await a.send('GET', '/v1/webhooks')).json(), { items: [shown], nextCursor: null })
  const replaced = await a.send('PUT', url, { ...shown, enabled: false })
  t.match(replaced, { statusCode: 200 }, 'what is shown may be sent back')
  t.match(replaced.json(), { enabled: false })
  const { etag } = replaced.headers
  const again = await a.send('PUT', url, replaced.json<object>(), { 'if-match': String(etag) })
  t.match(again, { statusCode: 200, headers: { etag } }, 'asked for as it is')
  t.equal((await a.send('GET', url, undefined, { 'if-none-match': String(etag) })).statusCode, 304)
  t.not(made.headers.etag, etag)
  for (const method of ['PUT', 'DELETE'] as const) {
    const old = { 'if-match': String(made.headers.etag) }
    const refused = await a.send(method, url, method === 'PUT' ? { url: to.url } : undefined, old)
    t.match(refused, { statusCode: 412, headers: { etag } })
    t.match(refused.json(), { detail: /'pager' was changed at \d{4}-.*Z by anyone/ })
  }
  const star = await a.send('PUT', url, { url: to.url }, { 'if-none-match': '*' })
  t.match(star.json(), { status: 412, code: 'PRECONDITION_FAILED' })
  const nowhere = await a.send('PUT', '/v1/webhooks/none', { url: to.url }, { 'if-match': '*' })
  t.match(nowhere.json(), { status: 412, detail: /no such resource/ })
  const tried = await a.send('POST', `${url}/tests`)
  t.match(tried.json(), {
    ...{ delivered: true, detail: 'Answered 204.', event: { type: 'webhook.test', name: 'pager' } },
  })
  t.strictSame(JSON.parse(to.got[0]!.text), tried.json<{ event: object }>().event)
  t.equal((await a.send('DELETE', url)).statusCode, 204)
  t.match((await a.send('GET', url)).json(), { code: 'WEBHOOK_NOT_FOUND' })
  const log = (await a.send('GET', '/v1/audit-log?type=webhook')).json<{ items: object[] }>()
  t.match(log.items, [
    { type: 'webhook.changed', name: 'pager', before: { enabled: false }, after: null },
    { type: 'webhook.changed', before: { enabled: true }, after: { enabled: false } },
    { type: 'webhook.changed', before: null, after: { enabled: true, signed: false } },
  ])
})

t.test('every fault of a document is said, and nothing is stored', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const good = { url: 'https://alerts.example.com/' }
  const wrong: [object, string, string][] = [
    [{}, '/url', 'CONFLICTING_FIELDS'],
    [{ ...good, command: 'page' }, '/url', 'CONFLICTING_FIELDS'],
    [{ command: 'page' }, '/command', 'INVALID_VALUE'],
    [{ url: 'alerts' }, '/url', 'INVALID_VALUE'],
    [{ url: 'ftp://alerts.example.com/' }, '/url', 'INVALID_VALUE'],
    [{ url: 'https://me:pw@alerts.example.com/' }, '/url', 'INVALID_VALUE'],
    [{ ...good, secret: 'short' }, '/secret', 'INVALID_VALUE'],
    [{ ...good, secret: `${SECRET}\n` }, '/secret', 'INVALID_VALUE'],
    [{ ...good, secret: 'x'.repeat(257) }, '/secret', 'TOO_LONG'],
    [{ ...good, events: ['no such thing'] }, '/events/0', 'INVALID_VALUE'],
    [{ ...good, timeoutSeconds: 0 }, '/timeoutSeconds', 'OUT_OF_RANGE'],
    [{ ...good, maxAttempts: 51 }, '/maxAttempts', 'OUT_OF_RANGE'],
    [{ ...good, colour: 'red' }, '/colour', 'UNKNOWN_FIELD'],
  ]
  for (const [body, pointer, code] of wrong) {
    const answer = await a.send('PUT', url, body)
    t.match(answer.json(), { status: 422, errors: [{ pointer, code }] }, JSON.stringify(body))
    t.notMatch(answer.body, /"detail":[^}]*(short|pw@|horse)/, 'without what was sent')
  }
  t.strictSame((await a.send('GET', '/v1/webhooks')).json(), { items: [], nextCursor: null })
  for (let i = 0; i < 64; i++) await a.send('PUT', `/v1/webhooks/w${i}`, good)
  t.match((await a.send('PUT', url, good)).json(), { code: 'LIMIT_REACHED' })
  a.database.pragma('query_only = ON')
  t.match((await a.send('PUT', '/v1/webhooks/w1', {})).json(), { code: 'VALIDATION_FAILED' })
  const other = { ...good, enabled: false }
  t.match((await a.send('PUT', '/v1/webhooks/w1', other)).json(), { code: 'STORAGE_FAILED' })
  t.match((await a.send('DELETE', '/v1/webhooks/w1')).json(), { code: 'STORAGE_FAILED' })
  t.equal((await a.send('GET', '/v1/webhooks/w1')).statusCode, 200)
  a.database.pragma('query_only = OFF')
})

t.test('reading takes the scope read, everything else admin', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const gate = new Gate({ tokens: a.access.tokens, open: false })
  const app = buildApp({ control: a.control, access: { ...a.access, gate } })
  t.teardown(() => app.close())
  const by = { actor: SYSTEM, requestId: null }
  for (const scope of SCOPES) {
    const { secret } = a.access.tokens.create({ name: scope, scope, expiresAt: null }, by)
    const headers = { authorization: `Bearer ${secret}` }
    const ask = async (method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string) =>
      (await app.inject({ method, url: path, headers })).statusCode
    t.equal(await ask('GET', '/v1/webhooks'), 200, scope)
    t.equal(await ask('GET', url), 404, scope)
    t.equal(await ask('PUT', url), scope === 'admin' ? 400 : 403, scope)
    t.equal(await ask('DELETE', url), scope === 'admin' ? 404 : 403, scope)
    t.equal(await ask('POST', `${url}/tests`), scope === 'admin' ? 404 : 403, scope)
  }
})

t.test('the secret is in no answer, no event, no log line and no error', async t => {
  const folder = t.testdir()
  const a = await startAppliance({ file: `${folder}/sluice.db` })
  t.teardown(() => a.close())
  const lines: string[] = []
  const logger = pino(
    { level: 'trace' },
    new PassThrough().on('data', chunk => lines.push(String(chunk))),
  )
  const app = buildApp({ control: a.control, access: a.access, logger })
  t.teardown(() => app.close())
  const texts: string[] = []
  const ask = async (method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: string) => {
    const headers = { 'content-type': 'application/json' }
    const given = body === undefined ? {} : { payload: body, headers }
    const answer = await app.inject({ method, url: path, ...given })
    texts.push(JSON.stringify(answer.headers), answer.body)
    return answer
  }
  const document = { url: 'http://127.0.0.1:9/', secret: SECRET }
  t.match((await ask('PUT', url, JSON.stringify(document))).json(), { signed: true })
  t.match((await ask('PUT', url, '{"url":"http://127.0.0.1:9/"}')).json(), { signed: true })
  await ask('PUT', url, JSON.stringify({ ...document, timeoutSeconds: 'x' }))
  await ask('PUT', url, JSON.stringify({ ...document, secret: [SECRET] }))
  await ask('PUT', url, JSON.stringify({ ...document, secret: `${SECRET}é` }))
  await ask('PUT', url, `{"secret":"${SECRET}" "url"`)
  t.match((await ask('POST', `${url}/tests`)).json(), { delivered: false, detail: /ECONNREFUSED/ })
  await ask('GET', url)
  await ask('GET', '/v1/webhooks')
  t.match((await ask('PUT', url, JSON.stringify({ ...document, secret: '' }))).json(), {
    signed: false,
  })
  await ask('GET', '/v1/events?after=0&limit=1000')
  await ask('GET', '/v1/audit-log')
  await ask('GET', '/v1/config')
  await ask('GET', '/metrics')
  // Writes down what was refused.
  await app.close()
  const rows = a.database.prepare('SELECT * FROM journal').all()
  t.ok(rows.length > 3)
  t.ok(lines.length > 10)
  for (const text of [...texts, ...lines, JSON.stringify(rows)])
    if (text.includes(SECRET)) t.fail(text)
  // Where it is kept, and that what looks for it can find it.
  const kept = readdirSync(folder).map(name => readFileSync(`${folder}/${name}`))
  t.ok(kept.some(octets => octets.includes(SECRET)))
})
