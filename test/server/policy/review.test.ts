import t from 'tap'
import type { Op } from '../../../dataplane/protocol.js'
import { HealthBook, type HealthState } from '../../../server/health/health-book.js'
import { FakeDataplane } from '../fixtures/fake-dataplane.js'
import { startAppliance, web, type Appliance } from '../fixtures/appliance.js'

const URL = '/v1/virtual-services/web'
type Teardown = { teardown(work: () => unknown): void }

async function started(t: Teardown, policy: object = {}, body: object = web) {
  const dataplane = new FakeDataplane()
  const appliance = await startAppliance({ dataplane })
  t.teardown(() => appliance.close())
  const created = await appliance.send('PUT', URL, { ...body, policy })
  if (created.statusCode !== 201) throw new Error(created.body)
  /** What the dataplane was asked to do since the last look. */
  const batches: Op[][] = []
  dataplane.before = op => {
    if (op.op === 'batch') batches.push(op.ops)
  }
  return { ...appliance, batches }
}

function say({ control }: Pick<Appliance, 'control'>, states: Record<string, HealthState>) {
  for (const [where, state] of Object.entries(states)) {
    const [service, server] = where.split('/') as [string, string]
    const detail = state === 'down' ? 'connection refused' : null
    control.health.set(service, server, { state, since: '2030-01-01T00:00:00.000Z', detail })
  }
  return control.settled()
}

const statusOf = async (a: Pick<Appliance, 'send'>, path = '') =>
  (await a.send('GET', `${URL}${path}`)).json<{ status: Record<string, unknown> }>().status

const typesOf = async (a: Pick<Appliance, 'send'>) =>
  (await a.send('GET', '/v1/events?after=0'))
    .json<{ items: { type: string; name: string }[] }>()
    .items.map(({ type, name }) => `${type} ${name}`)
    .filter(text => !/created|updated/.test(text))

t.test('a server that goes down leaves the dataplane, and comes back', async t => {
  const a = await started(t)
  await say(a, { 'web/a': 'down', 'web/b': 'up' })
  t.strictSame(a.dataplane.table(), ['tcp 198.51.100.10 80 wrr', '  10.0.0.2:8080 masq 1'])
  t.equal(a.control.revision(), 1, 'which is no change of configuration')
  t.match(await statusOf(a, '/real-servers/a'), {
    operatingStatus: 'ERROR',
    effectiveWeight: 0,
    reasons: [{ code: 'HEALTH_DOWN', detail: 'connection refused' }],
  })
  t.match(await statusOf(a, '/real-servers/b'), { operatingStatus: 'ONLINE', reasons: [] })
  t.match(await statusOf(a), {
    operatingStatus: 'DEGRADED',
    reasons: [{ code: 'REAL_SERVER_DEGRADED' }],
  })
  await say(a, { 'web/a': 'up' })
  // In its old place.
  t.match(a.dataplane.table(), [/wrr/, '  10.0.0.1:8080 masq 2', /10.0.0.2/])
})

t.test('inhibited, it stays with weight 0', async t => {
  const a = await started(t, { inhibitOnFailure: true })
  await say(a, { 'web/a': 'down' })
  t.match(a.dataplane.table(), [/wrr/, '  10.0.0.1:8080 masq 0', '  10.0.0.2:8080 masq 1'])
})

t.test('an edit of a server that is down keeps it out, whatever else it changes', async t => {
  const a = await started(t)
  await say(a, { 'web/a': 'down' })
  const edited = await a.send('PATCH', `${URL}/real-servers/a`, { weight: 7, labels: { x: 'y' } })
  t.equal(edited.statusCode, 200, edited.body)
  t.match(edited.json(), { weight: 7, status: { effectiveWeight: 0 } })
  t.notMatch(a.dataplane.table().join(), '10.0.0.1')
  await say(a, { 'web/a': 'up' })
  t.match(a.dataplane.table().join(), '10.0.0.1:8080 masq 7')
})

t.test('a thousand changes at once are one batch', async t => {
  const many = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [`s${i}`, { address: `10.1.${i >> 8}.${i & 255}` }]),
  )
  const a = await started(t, { inhibitOnFailure: true }, { ...web, realServers: many })
  await say(a, Object.fromEntries(Object.keys(many).map(name => [`web/${name}`, 'down' as const])))
  t.strictSame(
    a.batches.map(ops => ops.length),
    [1000],
  )
})

t.test('what a dataplane that is away misses, it gets when it is back', async t => {
  const a = await started(t)
  a.dataplane.goDown('crashed')
  const told = say(a, { 'web/a': 'down' })
  await a.dataplane.comeUp()
  await told
  t.notMatch(a.dataplane.table().join(), '10.0.0.1')
  await a.dataplane.comeUp()
  t.notMatch(a.dataplane.table().join(), '10.0.0.1', 'and a later one, too')
})

t.test('what the dataplane refuses is tried again', async t => {
  const a = await started(t)
  let refusals = 2
  const { OpRefused } = await import('../../../server/dataplane/dataplane-client.js')
  a.dataplane.before = op => {
    if (op.op === 'batch' && refusals-- > 0) throw new OpRefused('ENOSPC', 'no room')
  }
  await say(a, { 'web/a': 'down' })
  t.ok(refusals < 0)
  t.notMatch(a.dataplane.table().join(), '10.0.0.1')
})

const sorryServer = { address: '10.0.0.9', port: 8080 }

t.test('the sorry server is there while it is needed', async t => {
  const a = await started(t, { sorryServer })
  t.notMatch(a.dataplane.table().join(), '10.0.0.9')
  t.match(a.host.guarded().join(), 'tcp 10.0.0.9 8080', 'its answers are never the host’s')
  await say(a, { 'web/a': 'down', 'web/b': 'down' })
  t.match(a.dataplane.table(), [/wrr/, '  10.0.0.9:8080 masq 1'])
  t.match(await statusOf(a), {
    operatingStatus: 'DEGRADED',
    reasons: [{ code: 'NO_USABLE_REAL_SERVER' }, { code: 'QUORUM_LOST' }, { code: 'SORRY_SERVER' }],
  })
  await say(a, { 'web/b': 'up' })
  t.match(a.dataplane.table(), [/wrr/, '  10.0.0.2:8080 masq 1'])
  t.strictSame(await typesOf(a), [
    'virtualService.quorumLost web',
    'virtualService.fallbackChanged web',
    'realServer.healthChanged web/a',
    'realServer.healthChanged web/b',
    'virtualService.quorumGained web',
    'virtualService.fallbackChanged web',
    'realServer.healthChanged web/b',
  ])
})

t.test('an inhibited sorry server is always there, with weight 0', async t => {
  const a = await started(t, { sorryServer: { ...sorryServer, inhibit: true } })
  t.match(a.dataplane.table().join(), '10.0.0.9:8080 masq 0')
  await say(a, { 'web/a': 'down', 'web/b': 'down' })
  t.match(a.dataplane.table().join(), '10.0.0.9:8080 masq 1')
})

t.test('below the quorum, those that are left make way for the sorry server', async t => {
  const a = await started(t, { sorryServer, quorum: { up: 2 } })
  await say(a, { 'web/a': 'down' })
  t.match(a.dataplane.table(), [/wrr/, '  10.0.0.2:8080 masq 0', '  10.0.0.9:8080 masq 1'])
})

t.test('fail open: all of them, as they were configured', async t => {
  const a = await started(t, { allDown: 'failOpen' })
  const before = a.dataplane.table().sort()
  await say(a, { 'web/a': 'down', 'web/b': 'down' })
  t.strictSame(a.dataplane.table().sort(), before)
  t.match(await statusOf(a, '/real-servers/a'), {
    effectiveWeight: 2,
    reasons: [{ code: 'HEALTH_DOWN' }, { code: 'FAIL_OPEN' }],
  })
})

t.test('reject: the dataplane is told to refuse', async t => {
  const a = await started(t, { allDown: 'reject' })
  const refuses = () => [...a.dataplane.services.values()].map(({ service }) => service.refuses)
  await say(a, { 'web/a': 'down', 'web/b': 'down' })
  t.strictSame(refuses(), [true])
  t.strictSame(a.host.addresses(), ['198.51.100.10'], 'the address stays')
  await say(a, { 'web/a': 'up' })
  t.strictSame(refuses(), [undefined])
})

t.test('withdraw: the address goes, and is announced when it is back', async t => {
  const a = await started(t, { allDown: 'withdraw' })
  await say(a, { 'web/a': 'down', 'web/b': 'down' })
  t.strictSame(a.host.addresses(), [])
  t.match(await statusOf(a), { operatingStatus: 'OFFLINE' })
  const edited = await a.send('PATCH', URL, { labels: { x: 'y' } })
  t.equal(edited.statusCode, 200, edited.body)
  t.strictSame(a.host.addresses(), [], 'an edit does not bring it back')
  await say(a, { 'web/b': 'up' })
  t.strictSame(a.host.addresses(), ['198.51.100.10'])
  t.ok(a.dataplane.log.some(({ op }) => op === 'announce'))
  t.match((await typesOf(a)).join(), /withdrawn web.*announced web/)
})

t.test('an address that another service has stays', async t => {
  const a = await started(t, { allDown: 'withdraw' })
  await a.send('PUT', '/v1/virtual-services/tls', { ...web, port: 443 })
  await say(a, { 'web/a': 'down', 'web/b': 'down' })
  t.strictSame(a.host.addresses(), ['198.51.100.10'])
})

const kills = ({ dataplane }: Pick<Appliance, 'dataplane'>) =>
  dataplane.log.flatMap(op => (op.op === 'startKill' ? [op.kill] : []))

t.test('connections of a server that goes down are ended, as its service wants', async t => {
  const realServer = { address: '10.0.0.1', port: 8080 }
  const service = { family: 'ipv4', protocol: 'tcp', address: '198.51.100.10', port: 80 }
  const filter = { service, realServer }
  for (const [onDown, filters] of [
    ['keep', []],
    [
      'reset',
      [
        { ...filter, template: true },
        { ...filter, protocol: 'tcp' },
        { ...filter, protocol: 'sctp' },
      ],
    ],
    ['reselect', [{ ...filter, template: true }, filter]],
  ] as const) {
    const a = await started(t, { onDown })
    await say(a, { 'web/b': 'up', 'web/a': 'up' })
    await say(a, { 'web/a': 'down' })
    // Ended while others write: what comes after a write has seen it.
    for (let i = 0; i < 20; i++) await new Promise(setImmediate)
    t.strictSame(
      kills(a).map(kill => kill.filter),
      filters,
      onDown,
    )
  }
})

t.test('a restart takes up a lost quorum where it was', async t => {
  const file = `${t.testdir()}/sluice.db`
  const first = await startAppliance({ file })
  await first.send('PUT', URL, { ...web, policy: { quorum: { up: 3, down: 2 }, sorryServer } })
  await say(first, { 'web/a': 'down' })
  await say(first, { 'web/a': 'up', 'web/b': 'down' })
  t.match(first.dataplane.table().join(), '10.0.0.9:8080 masq 1', '2 is not yet 3')
  await first.close()
  const health = new HealthBook()
  health.set('web', 'b', { state: 'down', since: '2030-01-01T00:00:00.000Z', detail: null })
  const second = await startAppliance({ file, health })
  t.teardown(() => second.close())
  t.match(second.dataplane.table().join(), '10.0.0.9:8080 masq 1')
  await say(second, { 'web/b': 'up' })
  t.notMatch(second.dataplane.table().join(), '10.0.0.9')
})

t.test('a restart goes on with a ramp; its beginning is what the wall clock says', async t => {
  const file = `${t.testdir()}/sluice.db`
  const day = (seconds: number) => () => new Date(Date.UTC(2030, 0, 1) + seconds * 1000)
  const first = await startAppliance({ file, now: day(0), nowMs: () => 5000 })
  const policy = { slowStart: { seconds: 100 } }
  const realServers = { a: { ...web.realServers.a, weight: 100 } }
  await first.send('PUT', URL, { ...web, policy, realServers })
  await say(first, { 'web/a': 'down' })
  await say(first, { 'web/a': 'up' })
  t.match(await statusOf(first, '/real-servers/a'), { effectiveWeight: 10 })
  await first.close()
  const second = await startAppliance({ file, now: day(50), nowMs: () => 77 })
  t.teardown(() => second.close())
  t.match(await statusOf(second, '/real-servers/a'), {
    effectiveWeight: 55,
    reasons: [{ code: 'SLOW_START', since: '2030-01-01T00:00:00.000Z' }],
  })
  const [restored] = second.dataplane.log.flatMap(op => (op.op === 'restore' ? [op.services] : []))
  t.match(restored?.[0]?.dests[0]?.dest, { weight: 100, ramp: { ageMs: 50_000 } })
})
