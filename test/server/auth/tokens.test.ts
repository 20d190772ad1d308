// Tokens: what is stored, what is shown, who gets in, and that no secret is found anywhere else.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import t from 'tap'
import { SYSTEM } from '../../../server/auth/actor.js'
import { buildApp } from '../../../server/app.js'
import { Gate } from '../../../server/auth/gate.js'
import { scopeOf } from '../../../server/auth/route-scopes.js'
import { conceal, newSecret } from '../../../server/auth/secret.js'
import { Tokens } from '../../../server/auth/tokens.js'
import { openDatabase } from '../../../server/db.js'
import { SCOPES } from '../../../server/auth/scope.js'
import { startAppliance, web } from '../fixtures/appliance.js'

const BY = { actor: SYSTEM, requestId: null }
const DRAFT = { name: 'ci', scope: 'write', expiresAt: null } as const

t.test(
  'a token is kept as the SHA-256 of its text, outlives a restart and can be revoked',
  async t => {
    const file = join(t.testdir(), 'sluice.db')
    let database = openDatabase(file)
    const { secret, token } = new Tokens({ database }).create(DRAFT, BY)
    t.match(secret, /^sluice_[\w-]{43}$/)
    t.equal(Buffer.from(secret.slice(7), 'base64url').length, 32, '256 bits')
    t.strictSame(token.hash, createHash('sha256').update(secret).digest())
    database.close()
    for (const name of readdirSync(join(file, '..')))
      t.notOk(readFileSync(join(file, '..', name)).includes(secret.slice(7)), `not in ${name}`)

    database = openDatabase(file)
    t.teardown(() => database.close())
    const tokens = new Tokens({ database })
    t.match(tokens.find(secret), { token: { name: 'ci', scope: 'write' }, expired: false })
    t.equal(tokens.find(newSecret()), null)
    t.equal(tokens.find(secret.slice(0, -1)), null)
    t.equal(tokens.find(''), null)
    tokens.revoke('ci', BY)
    t.equal(tokens.find(secret), null)
    t.notOk(tokens.isGood('ci'))
    t.strictSame(new Tokens({ database }).list(), [])
    t.not(newSecret(), newSecret())
  },
)

t.test('a token expires by itself; its use is written down now and then', async t => {
  const database = openDatabase(':memory:')
  t.teardown(() => database.close())
  let nowMs = Date.UTC(2030, 0, 1)
  const tokens = new Tokens({ database, now: () => new Date(nowMs) })
  const expiresAt = '2030-01-01T01:00:00.000Z'
  const { secret, token } = tokens.create({ name: null, scope: 'read', expiresAt }, BY)
  t.match(token.name, /^token-[0-9a-f]{8}$/)
  t.match(tokens.find(secret), { expired: false })
  const stored = () => new Tokens({ database }).get(token.name)
  tokens.touch(token, '192.0.2.9')
  t.equal(stored().lastUsedAt, null)
  tokens.flush()
  t.match(stored(), { lastUsedAt: '2030-01-01T00:00:00.000Z', lastUsedFrom: '192.0.2.9' })
  nowMs += 30_000
  tokens.touch(token, '192.0.2.9')
  tokens.flush()
  t.match(stored(), { lastUsedAt: '2030-01-01T00:00:00.000Z' }, 'exact to a minute')
  tokens.touch(token, '192.0.2.10')
  tokens.flush()
  t.match(stored(), { lastUsedAt: '2030-01-01T00:00:30.000Z', lastUsedFrom: '192.0.2.10' })
  nowMs = Date.parse(expiresAt)
  t.match(tokens.find(secret), { expired: true })
  t.notOk(tokens.isGood(token.name))
})

t.test('what can be refused is refused without a trace', async t => {
  const database = openDatabase(':memory:')
  t.teardown(() => database.close())
  const tokens = new Tokens({ database })
  tokens.create(DRAFT, BY)
  t.throws(() => tokens.create(DRAFT, BY), { code: 'TOKEN_EXISTS' })
  t.throws(() => tokens.revoke('none', BY), { code: 'TOKEN_NOT_FOUND' })
  database.pragma('query_only = ON')
  t.throws(() => tokens.create({ ...DRAFT, name: 'b' }, BY), { code: 'STORAGE_FAILED' })
  t.throws(() => tokens.revoke('ci', BY), { code: 'STORAGE_FAILED' })
  t.strictSame(
    tokens.list().map(({ name }) => name),
    ['ci'],
  )
})

t.test('over HTTP: each scope opens what it should and nothing more', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const tokens = new Tokens({ database: a.database })
  const lines: string[] = []
  const stream = new PassThrough().on('data', chunk => lines.push(String(chunk)))
  const logger = pino({ level: 'trace' }, { write: line => void stream.write(conceal(line)) })
  const gate = new Gate({ tokens, open: false })
  const app = buildApp({ control: a.control, access: { ...a.access, gate, tokens }, logger })
  t.teardown(() => app.close())
  const secrets = Object.fromEntries(
    SCOPES.map(scope => [scope, tokens.create({ ...DRAFT, name: scope, scope }, BY).secret]),
  )
  const ask = (method: string, url: string, secret?: string, body?: object) =>
    app.inject({
      ...{ method: method as 'GET', url },
      ...(secret === undefined ? {} : { headers: { authorization: `Bearer ${secret}` } }),
      ...(body === undefined ? {} : { payload: body }),
    })
  const wanted: [string, string, object | undefined, (typeof SCOPES)[number]][] = [
    ['GET', '/v1/virtual-services', undefined, 'read'],
    ['HEAD', '/v1/virtual-services', undefined, 'read'],
    ['POST', '/v1/simulations', {}, 'read'],
    ['POST', '/v1/stats/zero', undefined, 'operate'],
    ['PUT', '/v1/virtual-services/web', web, 'write'],
    ['DELETE', '/v1/virtual-services/none', undefined, 'write'],
    ['GET', '/v1/tokens', undefined, 'admin'],
    ['POST', '/v1/tokens', { scope: 'nonsense' }, 'admin'],
  ]
  for (const [method, url, body, scope] of wanted) {
    t.match(await ask(method, url, undefined, body), { statusCode: 401 }, `${method} ${url}`)
    for (const held of SCOPES) {
      const answer = await ask(method, url, secrets[held], body)
      const enough = SCOPES.indexOf(held) >= SCOPES.indexOf(scope)
      t.equal(![401, 403].includes(answer.statusCode), enough, `${method} ${url} with ${held}`)
      if (enough || method === 'HEAD') continue
      t.match(answer.json(), { code: 'INSUFFICIENT_SCOPE', detail: new RegExp(`'${scope}'`) })
      t.match(answer.headers['www-authenticate'], /error="insufficient_scope", scope="\w+"$/)
    }
  }
  for (const url of ['/healthz', '/readyz', '/openapi.json', '/problems/NOT_FOUND', '/docs/'])
    t.equal((await ask('GET', url)).statusCode, 200, `${url} is open`)
  t.match(await ask('GET', '/v1/nowhere'), { statusCode: 404 })

  const none = await ask('GET', '/v1/version')
  t.match(none.headers['www-authenticate'], /^Bearer realm="sluice"$/)
  for (const authorization of ['Basic eDp5', 'Bearer', 'Bearer a b', `Bearer ${newSecret()}`, '']) {
    const answer = await app.inject({ url: '/v1/version', headers: { authorization } })
    t.match(answer.json(), { status: 401, code: 'TOKEN_REFUSED' }, `'${authorization.slice(0, 9)}'`)
  }
  // The scheme is not case-sensitive (RFC 9110 section 11.1).
  const lower = await app.inject({
    ...{ url: '/v1/version', headers: { authorization: `bearer ${secrets.read}` } },
  })
  t.equal(lower.statusCode, 200)

  const secret = secrets.admin!
  const misplaced = [
    await ask('GET', `/v1/version?token=${secret}`, secret),
    await ask('GET', `/v1/virtual-services/${secret}`, secret),
    await ask('POST', '/v1/tokens', secret, { scope: secret, [secret]: 1 }),
    await app.inject({ url: '/v1/version', headers: { 'x-request-id': secret } }),
  ]
  for (const { body } of misplaced) t.notOk(body.includes(secret), 'no secret in an answer')
  const log = lines.join('')
  t.match(log, /sluice_\*\*\*/, 'they were logged, but')
  for (const each of Object.values(secrets)) t.notOk(log.includes(each), 'no secret in the log')
})

t.test('over HTTP: a token from its making to its end', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const expiresAt = '2099-01-01T00:00:00Z'
  const made = await a.send('POST', '/v1/tokens', { name: 'ci', scope: 'operate', expiresAt })
  t.match(made, { statusCode: 201, headers: { location: '/v1/tokens/ci' } })
  t.equal(made.headers['cache-control'], 'no-store')
  const { token, ...rest } = made.json<Record<string, string>>()
  const headers = { authorization: `Bearer ${token}` }
  t.match(rest, { name: 'ci', createdBy: 'anyone', expiresAt: '2099-01-01T00:00:00.000Z' })
  t.strictSame((await a.send('GET', '/v1/tokens')).json(), { items: [rest], nextCursor: null })
  t.match(await a.send('GET', '/v1/version', undefined, headers), { statusCode: 200 })
  const used = await a.send('GET', '/v1/tokens/ci')
  t.match(used.json(), { lastUsedAt: /^20/, lastUsedFrom: '127.0.0.1' })
  t.notOk(used.body.includes('sluice_') || used.body.includes('hash'))
  for (const [body, code] of [
    [{}, 'MISSING_FIELD'],
    [{ scope: 'root' }, 'INVALID_VALUE'],
    [{ scope: 'read', name: 'A b' }, 'INVALID_VALUE'],
    [{ scope: 'read', expiresAt: '2001-01-01T00:00:00Z' }, 'INVALID_TIME'],
    [{ scope: 'read', expiresAt: 'tomorrow' }, 'INVALID_TIME'],
    [{ scope: 'read', expires: 1 }, 'UNKNOWN_FIELD'],
  ] as const) {
    const answer = await a.send('POST', '/v1/tokens', body)
    t.match(answer.json(), { status: 422, errors: [{ code }] })
  }
  t.equal((await a.send('DELETE', '/v1/tokens/ci')).statusCode, 204)
  t.equal((await a.send('GET', '/v1/version', undefined, headers)).statusCode, 401)
})

t.test('routes without a scope of their own', async t => {
  t.equal(scopeOf('GET', '/v1/whatever'), 'read')
  t.equal(scopeOf('PUT', '/v1/whatever'), 'write')
  t.equal(scopeOf('GET', '/metrics'), 'read')
  t.equal(scopeOf('POST', '/healthz-not'), 'write')
  t.equal(scopeOf('GET', '/docsx'), 'read')
  t.equal(scopeOf('GET', '/v1/audit-log'), 'admin')
  t.equal(scopeOf('GET', '/docs/static/index.html'), null)
})
