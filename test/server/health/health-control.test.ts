import t, { type Test } from 'tap'
import { startAppliance, web, type Appliance } from '../fixtures/appliance.js'
import { FakeEngine } from '../fixtures/fake-engine.js'

const service = '/v1/virtual-services/web'
const checks = `${service}/real-servers/a/checks`
const tcp = { kind: 'tcp' }

async function stage(t: Test, options: object = {}) {
  const engine = new FakeEngine()
  const a = await startAppliance({ engine, ...options })
  t.teardown(() => a.close())
  const state = (server: string) => a.control.health.get('web', server)?.state ?? 'none'
  return { a, engine, state, states: () => ['a', 'b'].map(state).join(' ') }
}
const ok = async (answer: ReturnType<Appliance['send']>) => {
  const { statusCode, body } = await answer
  if (statusCode >= 300) throw new Error(`${statusCode} ${body}`)
  return answer
}

t.test('the engine has what the configuration says, by differences alone', async t => {
  const { a, engine } = await stage(t)
  const did = () => engine.log.splice(0)
  await ok(a.send('PUT', '/v1/health-checks/port', tcp))
  await ok(a.send('PUT', service, { ...web, healthChecks: { named: ['port'] } }))
  await ok(a.send('PUT', '/v1/virtual-services/other', { ...web, port: 81 }))
  t.strictSame(did(), ['set web/a', 'set web/b'])
  t.match(engine.servers.get('web/a'), {
    ...{ address: '10.0.0.1', port: 8080, protocol: 'tcp', required: 1 },
    vip: { address: '198.51.100.10', port: 80 },
    checks: [{ name: 'port', spec: { kind: 'tcp', intervalMs: 5000, via: 'direct' } }],
  })
  await ok(a.send('PATCH', service, { scheduler: 'rr', labels: { a: 'b' } }))
  await ok(a.send('PATCH', '/v1/virtual-services/other', { scheduler: 'rr' }))
  await ok(a.send('PATCH', '/v1/settings', { sloppyTcp: true }))
  t.strictSame(did(), [], 'what checks do not see')
  await ok(a.send('PATCH', `${service}/real-servers/a`, { weight: 7 }))
  t.strictSame(did(), [])
  await ok(a.send('PATCH', `${service}/real-servers/a`, { port: 8081 }))
  t.strictSame(did(), ['set web/a'])
  await ok(a.send('PATCH', '/v1/health-checks/port', { fall: 9 }))
  t.strictSame(did().sort(), ['set web/a', 'set web/b'], 'its users')
  t.equal(engine.servers.get('web/b')!.checks[0]!.spec.fall, 9)
  await ok(
    a.send('PATCH', `${service}/real-servers/a`, { healthChecks: { targetPort: 9, host: 'x' } }),
  )
  t.match(engine.servers.get('web/a'), { checks: [{ spec: { targetPort: 9, host: undefined } }] })
  await ok(a.send('PATCH', `${service}/real-servers/b`, { healthChecks: { named: [] } }))
  t.strictSame(did(), ['set web/a', 'delete web/b'])
  await ok(a.send('PATCH', `${service}/real-servers/a`, { adminState: 'disabled' }))
  await ok(a.send('PATCH', `${service}/real-servers/a`, { adminState: 'draining' }))
  t.strictSame(did(), ['delete web/a', 'set web/a'], 'a server that drains is checked')
  await ok(
    a.send('PATCH', service, { healthChecks: { inline: { ping: { kind: 'icmp' } }, named: [] } }),
  )
  await ok(a.send('PATCH', '/v1/health-checks/port', { fall: 2 }))
  t.strictSame(did(), ['set web/a'], 'it is not asked for any more')
  await ok(a.send('DELETE', service))
  t.strictSame(did(), ['delete web/a'])
})

t.test('health is known before anything is taken, and follows', async t => {
  const { a, engine, state, states } = await stage(t)
  const inline = (initialState: string) => ({ x: { ...tcp, initialState }, y: tcp })
  const first: string[] = []
  a.dataplane.before = () => void first.push(state('a'))
  const body = { ...web, healthChecks: { inline: inline('down'), required: 2 } }
  await ok(a.send('PUT', service, body))
  t.equal(first[0], 'down', 'before the dataplane had it')
  await ok(a.send('PATCH', service, { healthChecks: { required: 1 } }))
  t.equal(states(), 'unknown unknown', 'y may still be up')
  engine.find('web/a', { x: 'down', y: 'up' })
  engine.find('web/b', { x: 'down', y: 'down' }, 'y: Nobody listens.')
  t.equal(states(), 'up down')
  t.match(a.control.health.get('web', 'b'), { detail: 'y: Nobody listens.' })
  await ok(a.send('PATCH', service, { healthChecks: { required: 2 } }))
  t.equal(states(), 'down down', 'as many as are needed now')
  await ok(a.send('PATCH', service, { healthChecks: { required: null, inline: { x: null } } }))
  t.equal(states(), 'up down')
  await ok(a.send('PATCH', service, { healthChecks: null }))
  t.equal(states(), 'none none')
  const c = { address: '10.0.0.3', healthChecks: { inline: inline('down') } }
  a.host.before = call => {
    if (call === 'beforeApply') throw new Error('no')
  }
  t.equal((await a.send('PUT', `${service}/real-servers/c`, c)).statusCode, 503)
  t.equal(state('c'), 'none', 'it did not come to be')
})

t.test('what was known last is known after a restart', async t => {
  const file = `${t.testdir()}/sluice.db`
  const first = new FakeEngine()
  const one = await startAppliance({ engine: first, file })
  const inline = { known: tcp, stubborn: { ...tcp, initialState: 'up' }, app: { kind: 'external' } }
  await ok(one.send('PUT', service, { ...web, healthChecks: { inline } }))
  t.strictSame(first.reports, [], 'nothing is known to report')
  first.find('web/a', { known: 'up', stubborn: 'down', app: 'up' })
  first.find('web/b', { known: 'down', stubborn: 'up', app: 'unknown' })
  await one.close()
  t.equal(first.log.at(-1), 'close')
  const { a, engine, states } = await stage(t, { file })
  t.equal(states(), 'up down')
  t.match(engine.servers.get('web/a')!.checks, [
    { name: 'app', lastKnown: 'up' },
    { name: 'known', lastKnown: 'up' },
    { name: 'stubborn', lastKnown: 'down' },
  ])
  t.match(engine.reports, [{ check: 'app', state: 'up' }], 'as long as nobody says otherwise')
  await ok(a.send('PATCH', service, { healthChecks: null }))
  await ok(a.send('PATCH', service, { healthChecks: { inline } }))
  t.equal(states(), 'unknown unknown', 'what was not checked meanwhile is not known')
})

t.test('states are written late, in one go, and only those that changed', async t => {
  const due: (() => void)[] = []
  const after = (_delayMs: number, work: () => void) => {
    due.push(work)
    return () => void due.splice(due.indexOf(work), 1)
  }
  const { a, engine } = await stage(t, { after })
  const rows = () => a.database.prepare('SELECT * FROM check_state').all().length
  await ok(a.send('PUT', service, { ...web, healthChecks: { inline: { x: tcp } } }))
  const before = due.length
  engine.find('web/a', { x: 'up' })
  engine.find('web/b', { x: 'down' })
  engine.find('web/a', { x: 'up' })
  t.equal(due.length, before + 1)
  t.equal(rows(), 0)
  due.pop()!()
  t.equal(rows(), 2)
  engine.find('web/a', { x: 'up' })
  t.equal(due.length, before, 'nothing new')
})

t.test('results, runs and reports over the API', async t => {
  const { a, engine } = await stage(t)
  await ok(a.send('PUT', service, web))
  t.strictSame((await a.send('GET', checks)).json(), { health: null, required: 0, items: [] })
  t.match((await a.send('POST', `${checks}/runs`, {})).json(), { code: 'NOT_CHECKED' })
  t.match((await a.send('PUT', `${checks}/x/state`, { state: 'up' })).json(), {
    code: 'NOT_CHECKED',
  })
  const inline = { port: tcp, app: { kind: 'external', initialState: 'down' } }
  await ok(a.send('PATCH', service, { healthChecks: { inline } }))
  engine.find('web/a', { app: 'down', port: 'up' }, 'app: Reported down: maintenance')
  const run = {
    ...{ outcome: 'failure', reason: 'refused', detail: 'Nobody listens.', warnings: [] },
    ...{ startedAt: '2030-01-01T00:00:00.000Z', durationMilliseconds: 1.5 },
    transcript: [{ atMilliseconds: 0.5, step: 'connect', detail: 'Refused.', octets: 0 }],
  }
  const each = {
    ...{ state: 'down', since: run.startedAt, contraryResults: 0, runs: 3, failures: 3 },
    ...{ last: run, lastFailures: [run] },
  }
  const read = (await a.send('GET', checks)).json<{ health: object }>()
  t.match(read.health, { state: 'down', detail: 'app: Reported down: maintenance' })
  t.strictSame(read, {
    ...{ health: read.health, required: 2 },
    items: [
      { name: 'app', kind: 'external', ...each },
      { name: 'port', kind: 'tcp', ...each },
    ],
  })
  const ran = await a.send('POST', `${checks}/runs`, { check: 'port' })
  t.strictSame(ran.json(), { items: [{ name: 'port', ...run }] })
  t.equal((await a.send('POST', `${checks}/runs`)).json<{ items: [] }>().items.length, 2)
  t.match((await a.send('POST', `${checks}/runs`, { chek: 'x' })).json(), {
    errors: [{ pointer: '/chek', hint: /check/ }],
  })
  t.match((await a.send('POST', `${checks}/runs`, { check: 'x' })).json(), {
    ...{ code: 'HEALTH_CHECK_NOT_FOUND', detail: /it has app, port/ },
  })
  const report = { state: 'up', detail: 'back', expiresInSeconds: 30 }
  engine.reports.length = 0
  t.equal((await a.send('PUT', `${checks}/app/state`, report)).statusCode, 204)
  t.strictSame(engine.reports, [{ check: 'app', state: 'up', detail: 'back', expiryMs: 30_000 }])
  t.match((await a.send('PUT', `${checks}/port/state`, report)).json(), {
    code: 'CHECK_NOT_EXTERNAL',
  })
  t.equal((await a.send('PUT', `${checks}/app/state`, { state: 'maybe' })).statusCode, 422)
  t.equal((await a.send('PUT', `${checks}/app/state`)).statusCode, 400)
  t.equal((await a.send('GET', checks.replace('/a/', '/z/'))).statusCode, 404)
  engine.gone = true
  for (const method of ['GET', 'POST']) {
    const url = method === 'GET' ? checks : `${checks}/runs`
    const refused = await a.send(method, url)
    t.equal(refused.statusCode, 503)
    t.match(refused.json(), { code: 'HEALTH_CHECKS_UNAVAILABLE' })
    t.equal(refused.headers['retry-after'], '1')
  }
})

t.test('on demand a check runs once a second, three times at once; each by itself', async t => {
  let nowMs = 0
  const { a } = await stage(t, { nowMs: () => nowMs })
  await ok(a.send('PUT', service, { ...web, healthChecks: { inline: { one: tcp, two: tcp } } }))
  const run = async (check?: string, server = 'a') => {
    const url = `${service}/real-servers/${server}/checks/runs`
    return a.send('POST', url, check === undefined ? {} : { check })
  }
  for (let i = 0; i < 3; i++) t.equal((await run('one')).statusCode, 200)
  const refused = await run('one')
  t.match(refused.json(), { status: 429, code: 'CHECK_RUN_TOO_OFTEN', detail: /'one'/ })
  t.equal(refused.headers['retry-after'], '1')
  t.equal((await run()).statusCode, 429, 'all of them are not run without it')
  for (let i = 0; i < 3; i++) t.equal((await run('two')).statusCode, 200, 'which cost two nothing')
  t.equal((await run('one', 'b')).statusCode, 200)
  nowMs += 1000
  t.equal((await run()).statusCode, 200)
  t.equal((await run('one')).statusCode, 429)
})

t.test('a new server that begins down never takes traffic, and its status says so', async t => {
  const { a, engine } = await stage(t)
  const tables: string[][] = []
  a.dataplane.before = () => void tables.push(a.dataplane.table())
  const inline = { port: { ...tcp, initialState: 'down' } }
  await ok(a.send('PUT', service, { ...web, healthChecks: { inline } }))
  tables.push(a.dataplane.table())
  const c = { address: '10.0.0.3', port: 8080, weight: 5 }
  await ok(a.send('PUT', `${service}/real-servers/c`, c))
  tables.push(a.dataplane.table())
  t.notMatch(tables.flat().join('\n'), /10\.0\.0\./, 'at no moment')
  const url = `${service}/real-servers/c`
  const status = async () =>
    (await a.send('GET', url)).json<{ status: { health: { since: string } } }>().status
  t.match(await status(), {
    ...{ operatingStatus: 'ERROR', effectiveWeight: 0 },
    health: { state: 'down', since: /^\d{4}-/, detail: null },
  })
  engine.find('web/c', { port: 'up' })
  await a.control.settled()
  const health = { state: 'up', since: '2030-06-01T00:00:00.000Z', detail: null }
  t.match(await status(), { operatingStatus: 'ONLINE', effectiveWeight: 5, health })
  t.match(a.dataplane.table().join('\n'), /10\.0\.0\.3/)
  await ok(a.send('PATCH', service, { healthChecks: null }))
  t.equal((await status()).health, null, 'nothing checks it')
})
