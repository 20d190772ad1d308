// Who may read /metrics without a token: programs on the appliance, and nobody whom they speak for.
import t from 'tap'
import { buildApp } from '../../../server/app.js'
import { Gate } from '../../../server/auth/gate.js'
import { startAppliance } from '../fixtures/appliance.js'

t.test('open on loopback, a token with scope read elsewhere', async t => {
  const a = await startAppliance()
  const { tokens } = a.access
  const app = buildApp({
    control: a.control,
    access: { ...a.access, gate: new Gate({ tokens, open: false }) },
  })
  t.teardown(async () => {
    await app.close()
    await a.close()
  })
  const { secret } = tokens.create(
    { name: 'prometheus', scope: 'read', expiresAt: null },
    {
      actor: { kind: 'admin-socket', name: 'admin-socket', scope: 'admin', address: null },
      requestId: null,
    },
  )
  const get = async (
    remoteAddress: string,
    headers: Record<string, string> = {},
    url = '/metrics',
  ) => (await app.inject({ url, remoteAddress, headers })).statusCode
  t.equal(await get('127.0.0.1'), 200)
  t.equal(await get('127.8.9.1'), 200)
  t.equal(await get('::1'), 200)
  t.equal(await get('::ffff:127.0.0.1'), 200)
  t.equal(await get('192.0.2.1'), 401)
  t.equal(await get('2001:db8::1'), 401)
  t.equal(await get('192.0.2.1', { authorization: `Bearer ${secret}` }), 200)
  t.equal(await get('127.0.0.1', { authorization: 'Bearer wrong' }), 401, 'what is shown counts')
  t.equal(await get('127.0.0.1', { 'x-forwarded-for': '192.0.2.1' }), 401, 'a proxy asks')
  t.equal(await get('127.0.0.1', { via: '1.1 proxy' }), 401)
  t.equal(await get('127.0.0.1', {}, '/v1/virtual-services'), 401, 'nothing else is open')
})
