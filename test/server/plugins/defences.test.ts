// One client must not harm others: rates, and what browsers are told.
import t from 'tap'
import { SYSTEM } from '../../../server/auth/actor.js'
import { buildApp } from '../../../server/app.js'
import { addressBlock } from '../../../server/ip-address.js'
import { startAppliance } from '../fixtures/appliance.js'

t.test('each token and each peer has a rate of its own', async t => {
  const a = await startAppliance()
  const defences = { requestsPerMinute: 3, eventLoopDelayMs: 60_000 }
  const app = buildApp({ control: a.control, access: a.access, defences })
  t.teardown(async () => {
    await app.close()
    await a.close()
  })
  const secret = (name: string) =>
    a.access.tokens.create(
      { name, scope: 'read', expiresAt: null },
      { actor: SYSTEM, requestId: null },
    ).secret
  const ask = (remoteAddress: string, token?: string) =>
    app.inject({
      ...{ url: '/v1/version', remoteAddress },
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    })
  for (let i = 0; i < 3; i++) t.match(await ask('192.0.2.1'), { statusCode: 200 })
  const limited = await ask('192.0.2.1')
  t.match(limited.json(), { status: 429, code: 'RATE_LIMITED', requestId: /./ })
  t.match(limited.headers, { 'retry-after': /^\d+$/, 'content-type': /problem/ })
  t.match(await ask('192.0.2.2'), { statusCode: 200 }, 'another peer')
  const [one, two] = [secret('one'), secret('two')]
  for (let i = 0; i < 3; i++) t.match(await ask(`192.0.2.${i}`, one), { statusCode: 200 })
  t.match(await ask('192.0.2.9', one), { statusCode: 429 }, 'one token from many places')
  t.match(await ask('192.0.2.9', two), { statusCode: 200 })
  for (let i = 0; i < 3; i++) await ask(`2001:db8:1::${i}`)
  t.match(await ask('2001:db8:1::9'), { statusCode: 429 }, 'one /64')
  t.match(await ask('2001:db8:2::9'), { statusCode: 200 })
})

t.test('what browsers are told: nothing but /docs loads anything, nobody else may ask', async t => {
  const a = await startAppliance()
  const defences = { requestsPerMinute: 0, eventLoopDelayMs: 60_000 }
  const app = buildApp({ control: a.control, access: a.access, defences })
  t.teardown(async () => {
    await app.close()
    await a.close()
  })
  const origin = { origin: 'https://evil.example' }
  const answers = [
    await app.inject({ url: '/v1/version', headers: origin }),
    await app.inject({ url: '/v1/nowhere', headers: origin }),
    await app.inject({ method: 'OPTIONS', url: '/v1/version', headers: origin }),
  ]
  for (const { headers } of answers) {
    t.match(headers, {
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'x-frame-options': /./,
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
    })
    t.notOk(Object.keys(headers).some(name => name.startsWith('access-control-')))
    t.notOk('x-powered-by' in headers || 'strict-transport-security' in headers)
  }
  const docs = await app.inject('/docs/')
  t.equal(docs.statusCode, 200)
  t.match(docs.headers['content-security-policy'], /script-src 'self'/)
  // A form of another site cannot post what we read.
  const form = { 'content-type': 'application/x-www-form-urlencoded', ...origin }
  const posted = await app.inject({
    method: 'POST',
    url: '/v1/tokens',
    headers: form,
    payload: 'a',
  })
  t.equal(posted.statusCode, 415)
})

t.test('what counts as one peer', async t => {
  t.equal(addressBlock('192.0.2.1'), '192.0.2.1')
  t.equal(addressBlock('2001:db8:1:2:3::9'), '2001:db8:1:2::/64')
  t.equal(addressBlock('fe80::1%eth0'), 'fe80::/64')
  t.equal(addressBlock('socket'), 'socket')
})
