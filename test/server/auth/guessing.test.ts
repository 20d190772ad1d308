// Whoever tries tokens from one address has to wait, and nobody else has to.
import t, { type Test } from 'tap'
import { SYSTEM } from '../../../server/auth/actor.js'
import { buildApp } from '../../../server/app.js'
import { Gate } from '../../../server/auth/gate.js'
import { newSecret } from '../../../server/auth/secret.js'
import { setOrigin } from '../../../server/auth/origin.js'
import { Refusals } from '../../../server/journal/refusals.js'
import { ManualTimers } from '../../fixtures/manual-timers.js'
import { startAppliance } from '../fixtures/appliance.js'

async function stage(t: Test) {
  const a = await startAppliance()
  const clock = { nowMs: 0 }
  const { tokens } = a.access
  const gate = new Gate({ tokens, open: false, nowMs: () => clock.nowMs })
  const app = buildApp({ control: a.control, access: { ...a.access, gate } })
  t.teardown(async () => {
    await app.close()
    await a.close()
  })
  const by = { actor: SYSTEM, requestId: null }
  const mint = (name: string) => tokens.create({ name, scope: 'read', expiresAt: null }, by).secret
  const ask = (remoteAddress: string, token = newSecret()) =>
    app.inject({
      ...{ url: '/v1/version', remoteAddress, headers: { authorization: `Bearer ${token}` } },
    })
  return { a, app, ask, clock, mint }
}

t.test('ten refusals, then one in six seconds; others are not touched', async t => {
  const { app, ask, clock, mint } = await stage(t)
  const [known, fresh] = [mint('known'), mint('fresh')]
  t.equal((await ask('192.0.2.1', known)).statusCode, 200)
  for (let i = 0; i < 10; i++) t.equal((await ask('192.0.2.1')).statusCode, 401)
  const refused = await ask('192.0.2.1')
  t.match(refused.json(), { status: 429, code: 'TOKENS_GUESSED', requestId: /./ })
  t.equal(refused.headers['retry-after'], '6')
  t.equal((await ask('192.0.2.1', fresh)).statusCode, 429, 'a good one is told no more')
  t.equal((await ask('192.0.2.1', known)).statusCode, 200, 'who was there before goes on')
  t.equal((await ask('192.0.2.2', fresh)).statusCode, 200, 'and so does everybody elsewhere')
  t.equal((await app.inject({ url: '/readyz', remoteAddress: '192.0.2.1' })).statusCode, 200)
  const none = await app.inject({ url: '/v1/version', remoteAddress: '192.0.2.1' })
  t.equal(none.statusCode, 401, 'without a token nothing was tried')
  clock.nowMs += 6000
  t.equal((await ask('192.0.2.1')).statusCode, 401)
  t.equal((await ask('192.0.2.1')).statusCode, 429)
  clock.nowMs += 60_000
  t.equal((await ask('192.0.2.1', fresh)).statusCode, 200)
  for (let i = 0; i < 10; i++) await ask(`2001:db8:1::${i}`)
  t.equal((await ask('2001:db8:1::ffff')).statusCode, 429, 'of IPv6 a /64 is one')
  t.equal((await ask('2001:db8:1:1::1')).statusCode, 401)
})

t.test('the admin socket is never shut', async t => {
  const gate = new Gate({ tokens: null, open: false, nowMs: () => 0 })
  const request = { socket: {}, headers: { authorization: 'Bearer wrong' } } as never
  for (let i = 0; i < 11; i++) t.throws(() => gate.identify(request))
  t.throws(() => gate.identify(request), { code: 'TOKENS_GUESSED' }, 'another unix socket is')
  setOrigin(request, 'admin-socket')
  t.match(gate.identify(request), { kind: 'admin-socket', scope: 'admin' })
})

t.test('the journal has one entry a minute, with a count', async t => {
  const { a } = await stage(t)
  const timers = new ManualTimers()
  const refusals = new Refusals(a.access.journal, timers)
  const add = (address: string, i: number) =>
    refusals.add({
      ...{ outcome: 'denied', code: 'TOKENS_GUESSED', actor: null, address, requestId: `r${i}` },
      ...{ method: 'GET', path: `/v1/path-${i}` },
    })
  const entries = () => a.access.journal.auditLog(1e9, 1000, {})
  for (let second = 0; second < 180; second++) {
    for (let i = 0; i < 5; i++) add('192.0.2.1', second * 5 + i)
    timers.advance(1000)
  }
  const log = entries()
  t.ok(log.length >= 2 && log.length <= 3, `${log.length} entries in three minutes`)
  for (const entry of log)
    t.match(entry, { address: '192.0.2.1', detail: { code: 'TOKENS_GUESSED' } })
  refusals.flush()
  const total = entries().reduce((sum, { detail }) => sum + (detail as { count: number }).count, 0)
  t.equal(total, 900, 'none is lost')
  // A thousand addresses leave room for other things.
  for (let i = 0; i < 1000; i++) add(`198.51.100.${i}`, i)
  refusals.add({
    ...{ outcome: 'denied', code: 'INSUFFICIENT_SCOPE', actor: null, address: '192.0.2.7' },
    ...{ requestId: 'x', method: 'PUT', path: '/v1/tokens' },
  })
  timers.advance(1000)
  t.match(entries(), [{ detail: { count: 950 } }, { detail: { code: 'INSUFFICIENT_SCOPE' } }])
})
