/** Maintenances over the real engine, with a clock and timers that are moved by hand. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SharedConnections } from '../../../server/live/connections.js'
import type { Maintenance } from '../../../server/schemas/maintenance.js'
import { startAppliance } from '../fixtures/appliance.js'
import { EngineDataplane } from '../fixtures/engine-dataplane.js'
import { ManualTime } from '../fixtures/manual-time.js'

const START = Date.UTC(2030, 0, 1)
const URL = '/v1/maintenances/host-1'
const moment = (seconds: number) => new Date(START + seconds * 1000).toISOString()
const HOST = { selector: { address: '10.0.0.1' }, deadlineSeconds: 300 }

interface Options {
  file?: string
  time?: ManualTime
}

/** Two services and a third in IPv6; 10.0.0.1 serves the first two. */
async function start({ file = ':memory:', time = new ManualTime(START) }: Options = {}) {
  const dataplane = new EngineDataplane()
  dataplane.topology.addAddress('198.51.100.10/32', 'eth0')
  const connections = new SharedConnections(dataplane.memory)
  const a = await startAppliance({
    ...{ dataplane, connections, file, now: time.now, after: time.after },
  })
  const make = async (name: string, body: object) => {
    const made = await a.send('PUT', `/v1/virtual-services/${name}`, body)
    t.equal(made.statusCode, 201, name)
  }
  if (a.control.revision() === 0) {
    const vip = { protocol: 'tcp', address: '198.51.100.10', scheduler: 'rr' }
    const old = { rack: '3' }
    const two = {
      one: { address: '10.0.0.1', labels: old },
      two: { address: '10.0.0.2' },
    }
    await make('web', { ...vip, port: 80, realServers: two })
    await make('mail', {
      ...{ ...vip, port: 25 },
      realServers: { ...two, three: { address: '10.0.0.3', labels: old } },
    })
    await make('six', {
      ...{ ...vip, address: '2001:db8:f::10', port: 80 },
      realServers: {
        x: { address: '2001:db8:2::1', labels: old },
        y: { address: '2001:db8:2::2' },
      },
    })
  }
  let clients = 0
  const say = (client: number, dstPort: number, flags: string) =>
    dataplane.receive({
      ...{ src: `192.0.2.${client}`, dst: '198.51.100.10' },
      tcp: { srcPort: 4000, dstPort, flags },
    })
  /** Connections of clients that have not been there yet. */
  const connect = (count: number, dstPort: number) => {
    for (let i = 0; i < count; i++)
      for (const flags of ['S', '.']) say(clients + i + 1, dstPort, flags)
    clients += count
  }
  const reset = (dstPort: number) => {
    for (let client = 1; client <= clients; client++) say(client, dstPort, 'R')
  }
  const status = async (name = 'host-1') =>
    (await a.send('GET', `/v1/maintenances/${name}`)).json<Maintenance>().status
  const weights = async () => {
    const { items } = (await a.send('GET', '/v1/virtual-services')).json<{
      items: {
        name: string
        realServers: Record<string, { status: { effectiveWeight: number; reasons: unknown[] } }>
      }[]
    }>()
    return items.flatMap(({ name, realServers }) =>
      Object.entries(realServers)
        .filter(([, each]) => each.status.effectiveWeight === 0)
        .map(([server]) => `${name}/${server}`),
    )
  }
  const events = async () =>
    (await a.send('GET', '/v1/events?after=0&type=maintenance&limit=1000'))
      .json<{ items: { type: string }[] }>()
      .items.map(({ type }) => type.replace('maintenance.', ''))
  /** Lets time pass, and waits for what follows by itself. */
  const pass = async (seconds: number) => {
    time.pass(seconds)
    for (let i = 0; i < 5; i++) {
      await new Promise(resolve => setImmediate(resolve))
      await a.control.idle()
    }
  }
  return { ...a, dataplane, time, connect, reset, status, weights, events, pass }
}

t.test('the life of a maintenance', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(4, 80)
  s.connect(3, 25)
  const revision = s.control.revision()
  const made = await s.send('PUT', URL, { ...HOST, comment: 'New fans.' })
  t.equal(made.statusCode, 201)
  t.equal(made.headers['location'], URL)
  t.match(made.json(), {
    ...{ name: 'host-1', onDeadline: 'keep', ignoreMinimum: false, comment: 'New fans.' },
    status: {
      ...{ phase: 'draining', detail: null, startedAt: moment(0), endedAt: null },
      totals: { services: 2, servers: 2, drained: 0, connections: 3, deadlineAt: moment(300) },
      members: [
        { service: 'mail', server: 'one', phase: 'draining', maintenance: 'host-1' },
        { service: 'web', server: 'one', phase: 'draining', connectionsAtStart: 2 },
      ],
    },
  })
  t.equal(s.control.revision(), revision, 'no revision')
  t.strictSame(await s.weights(), ['mail/one', 'web/one'])
  t.match((await s.send('GET', '/v1/virtual-services/web/real-servers/one')).json(), {
    status: {
      operatingStatus: 'DRAINING',
      reasons: [{ code: 'MAINTENANCE', since: moment(0), detail: "Maintenance 'host-1'." }],
    },
  })
  s.connect(6, 80)
  t.match(await s.status(), { totals: { connections: 3 } }, 'nobody new')

  s.reset(80)
  s.reset(25)
  await s.pass(2)
  t.match(await s.status(), { phase: 'drained', totals: { drained: 2 } })
  t.equal((await s.send('DELETE', URL)).statusCode, 204)
  t.strictSame(await s.weights(), [])
  t.equal((await s.send('GET', URL)).statusCode, 404)
  t.equal((await s.send('DELETE', URL)).statusCode, 404)
  t.equal((await s.send('DELETE', `${URL}?missingOk=true`)).statusCode, 204)
  t.strictSame(await s.events(), ['started', 'drained', 'ended'])
  await s.pass(100)
  t.equal(s.time.waiting, 0, 'nothing waits')
})

t.test(
  'it is refused as a whole, with every service that would fall below its minimum',
  async t => {
    const s = await start()
    t.teardown(() => s.close())
    await s.send('PATCH', '/v1/virtual-services/web', { policy: { minimumUsable: 2 } })
    await s.send('PATCH', '/v1/virtual-services/six', { policy: { minimumUsable: 3 } })
    const rack = { selector: { labels: { rack: '3' } }, deadlineSeconds: 1 }
    await s.send('PATCH', '/v1/virtual-services/mail', { policy: { minimumUsable: 3 } })
    for (const url of [URL, `${URL}?dryRun=true`]) {
      const refused = await s.send('PUT', url, rack)
      t.equal(refused.statusCode, 409)
      t.match(refused.json(), { code: 'BELOW_MINIMUM' })
      t.strictSame(
        refused.json<{ errors: { detail: string }[] }>().errors.map(({ detail }) => detail),
        [
          "'mail' would have 1 usable real server, its minimum is 3: 2 too few.",
          "'six' would have 1 usable real server, its minimum is 3: 2 too few.",
          "'web' would have 1 usable real server, its minimum is 2: 1 too few.",
        ],
      )
    }
    t.equal((await s.send('GET', URL)).statusCode, 404, 'nothing is stored')
    t.strictSame(await s.weights(), [])
    const forced = await s.send('PUT', URL, { ...rack, ignoreMinimum: true })
    t.equal(forced.statusCode, 201, 'unless it is told to')
    t.strictSame(await s.weights(), ['mail/one', 'mail/three', 'six/x', 'web/one'])
    const { token } = (await s.send('POST', '/v1/tokens', { scope: 'operate' })).json<{
      token: string
    }>()
    const operator = { authorization: `Bearer ${token}` }
    const wider = { ...rack, selector: { address: '10.0.0.2' }, ignoreMinimum: true }
    t.match((await s.send('PUT', URL, wider, operator)).json(), { code: 'INSUFFICIENT_SCOPE' })
    t.equal((await s.send('DELETE', URL, undefined, operator)).statusCode, 204)

    // Another maintenance counts, too; and who is not usable anyway takes nothing away.
    await s.send('PATCH', '/v1/virtual-services/web', { policy: { minimumUsable: 1 } })
    for (const name of ['mail', 'six'])
      await s.send('PATCH', `/v1/virtual-services/${name}`, { policy: null })
    t.equal((await s.send('PUT', URL, HOST)).statusCode, 201)
    const other = { ...HOST, selector: { address: '10.0.0.2' } }
    t.match((await s.send('PUT', '/v1/maintenances/host-2', other)).json(), {
      errors: [{ detail: "'web' would have 0 usable real servers, its minimum is 1: 1 too few." }],
    })
    await s.send('DELETE', URL)
    await s.send('PATCH', '/v1/virtual-services/web/real-servers/two', { adminState: 'draining' })
    t.equal((await s.send('PUT', '/v1/maintenances/host-2', other)).statusCode, 201)
  },
)

t.test('a trial run says what would happen, and nothing does', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(4, 80)
  const trial = await s.send('PUT', `${URL}?dryRun=true`, HOST)
  t.equal(trial.statusCode, 200)
  t.match(trial.headers['content-type'], /^application\/vnd\.sluice\.plan\+json/)
  t.match(trial.json(), {
    ...{ status: 201, changes: [] },
    body: { status: { phase: 'draining', totals: { servers: 2, connections: 2 } } },
    impact: {
      servicesBelowMinimum: [],
      services: [
        { name: 'mail', usableServersBefore: 3, usableServersAfter: 2 },
        { name: 'web', usableServersBefore: 2, usableServersAfter: 1 },
      ],
    },
  })
  t.strictSame(await s.weights(), [])
  t.equal((await s.send('GET', URL)).statusCode, 404)
  await s.send('PUT', URL, HOST)
  const ending = await s.send('DELETE', `${URL}?dryRun=true`)
  t.match(ending.json(), {
    ...{ status: 204, body: null },
    impact: { services: [{ name: 'mail', usableServersAfter: 3 }, { name: 'web' }] },
  })
  t.equal((await s.weights()).length, 2)
})

t.test('asked for again as it is it stays; otherwise it follows', async t => {
  const s = await start()
  t.teardown(() => s.close())
  await s.send('PUT', URL, HOST)
  const first = await s.send('GET', URL)
  await s.pass(10)
  const again = await s.send('PUT', URL, first.json())
  t.equal(again.statusCode, 200)
  t.equal(again.headers['etag'], first.headers['etag'], 'what was read changes nothing')
  t.match(again.json(), { status: { totals: { deadlineAt: moment(300) } } })
  const stale = { 'if-match': '"0-0-0"' }
  t.equal((await s.send('PUT', URL, HOST, stale)).statusCode, 412)
  t.equal((await s.send('DELETE', URL, undefined, stale)).statusCode, 412)
  t.equal((await s.send('PUT', URL, HOST, { 'if-none-match': '*' })).statusCode, 412)

  const held = { 'if-match': String(first.headers['etag']) }
  const longer = await s.send('PUT', URL, { ...HOST, deadlineSeconds: 500 }, held)
  t.equal(longer.statusCode, 200)
  t.not(longer.headers['etag'], first.headers['etag'])
  t.match(longer.json(), {
    status: { startedAt: moment(0), totals: { deadlineAt: moment(510) } },
  })
  await s.send('PUT', URL, { ...HOST, selector: { address: '2001:DB8:2:0:0:0:0:1' } })
  t.strictSame(await s.weights(), ['six/x'], 'others are selected, in any written form')
  t.match((await s.send('GET', URL)).json(), { selector: { address: '2001:db8:2::1' } })
})

t.test('drains of operators are theirs, drains of a maintenance its own', async t => {
  const s = await start()
  t.teardown(() => s.close())
  const drain = (service: string) => `/v1/virtual-services/${service}/real-servers/one/drain`
  await s.send('PUT', drain('web'), { deadlineSeconds: 60 })
  await s.send('PUT', URL, HOST)
  t.match(await s.status(), {
    members: [
      { service: 'mail', maintenance: 'host-1' },
      { service: 'web', maintenance: null, deadlineAt: moment(60) },
    ],
  })
  for (const method of ['PUT', 'DELETE'])
    t.match(
      (
        await s.send(method, drain('mail'), method === 'PUT' ? { deadlineSeconds: 1 } : undefined)
      ).json(),
      {
        ...{ status: 409, code: 'DRAIN_OF_MAINTENANCE' },
        detail: "It is part of the maintenance 'host-1'.",
      },
    )
  await s.send('DELETE', URL)
  t.strictSame(await s.weights(), ['web/one'], 'the other drain goes on')

  await s.send('PUT', URL, HOST)
  await s.send('DELETE', drain('web'))
  t.match(await s.status(), { members: [{}, { service: 'web', maintenance: 'host-1' }] })
  t.equal((await s.weights()).length, 2, 'what an operator lets go is under maintenance still')
  await s.send('DELETE', URL)
  t.strictSame(await s.weights(), [])
})

t.test('two that select the same: it is given back when both have ended', async t => {
  const s = await start()
  t.teardown(() => s.close())
  await s.send('PUT', URL, HOST)
  await s.pass(1)
  const rack = { selector: { labels: { rack: '3' }, address: '10.0.0.1' }, deadlineSeconds: 300 }
  t.equal((await s.send('PUT', '/v1/maintenances/rack', rack)).statusCode, 201)
  t.match(await s.status('rack'), { members: [{ maintenance: 'host-1' }, {}] })
  await s.send('DELETE', URL)
  t.strictSame(await s.weights(), ['mail/one', 'web/one'])
  t.match(await s.status('rack'), {
    members: [{ maintenance: 'rack', deadlineAt: moment(300) }, { maintenance: 'rack' }],
  })
  await s.send('DELETE', '/v1/maintenances/rack')
  t.strictSame(await s.weights(), [])
})

t.test('who comes to match is drained, too; who goes leaves', async t => {
  const s = await start()
  t.teardown(() => s.close())
  const servers = '/v1/virtual-services/six/real-servers'
  const rack = { selector: { labels: { rack: '3' } }, deadlineSeconds: 60 }
  await s.send('PUT', URL, rack)
  await s.pass(20)
  t.strictSame(await s.events(), ['started', 'drained'])
  await s.send('PUT', `${servers}/z`, { address: '2001:db8:2::9', labels: { rack: '3' } })
  await s.pass(0)
  t.strictSame(await s.weights(), ['mail/one', 'mail/three', 'six/x', 'six/z', 'web/one'])
  t.match(await s.status(), {
    totals: { servers: 5, deadlineAt: moment(80) },
    members: [{}, {}, {}, { server: 'z', maintenance: 'host-1', deadlineAt: moment(80) }, {}],
  })
  await s.send('DELETE', `${servers}/z`)
  await s.send('PATCH', `${servers}/x`, { labels: { rack: null } })
  await s.pass(0)
  t.strictSame(await s.weights(), ['mail/one', 'mail/three', 'web/one'])
  t.match(await s.status(), { totals: { servers: 3 } })
  await s.send('PATCH', '/v1/virtual-services/web/real-servers/one', { adminState: 'disabled' })
  await s.pass(0)
  t.match(await s.status(), { members: [{}, {}, { phase: 'disabled', maintenance: null }] })
  await s.send('PATCH', '/v1/virtual-services/web/real-servers/one', { adminState: 'enabled' })
  await s.pass(0)
  t.match(await s.status(), { members: [{}, {}, { maintenance: 'host-1' }] }, 'back, and drained')
  const told = ['started', 'drained', 'extended', 'drained', 'extended', 'drained']
  t.strictSame(await s.events(), told)
})

t.test('a schedule begins and ends by itself, and says beforehand what is in its way', async t => {
  const s = await start()
  t.teardown(() => s.close())
  const body = { ...HOST, startAt: '2030-01-01T02:01:00+02:00', endAt: moment(120) }
  const made = await s.send('PUT', URL, body)
  t.equal(made.statusCode, 201)
  t.match(made.json(), {
    startAt: moment(60),
    status: {
      ...{ phase: 'scheduled', startedAt: null, detail: null, belowMinimum: [] },
      members: [{ phase: 'scheduled', maintenance: null }, {}],
    },
  })
  t.strictSame(await s.weights(), [])
  await s.send('PATCH', '/v1/virtual-services/web', { policy: { minimumUsable: 2 } })
  t.match(await s.status(), {
    detail:
      "As things are it would be refused: 'web' would have 1 usable real server, its minimum is 2: 1 too few.",
    belowMinimum: [{ service: 'web', usableServers: 2, usableServersAfter: 1, minimumUsable: 2 }],
  })
  await s.send('PATCH', '/v1/virtual-services/web', { policy: null })
  await s.pass(59)
  t.match(await s.status(), { phase: 'scheduled' })
  await s.pass(1)
  t.match(await s.status(), { phase: 'drained', startedAt: moment(60) })
  t.strictSame(await s.weights(), ['mail/one', 'web/one'])
  await s.pass(60)
  t.match(await s.status(), { phase: 'ended', endedAt: moment(120), members: [] })
  t.strictSame(await s.weights(), [])
  t.strictSame(await s.events(), ['scheduled', 'started', 'drained', 'ended'])
  t.equal(s.time.waiting, 0)
  const again = await s.send('GET', URL)
  t.equal((await s.send('PUT', URL, again.json())).statusCode, 200, 'what was read can be written')
  t.equal((await s.send('PUT', URL, { ...body, comment: 'Again.' })).statusCode, 422, 'but is past')
  t.match((await s.send('GET', '/v1/maintenances?phase=ended')).json(), {
    items: [{ name: 'host-1' }],
  })
  t.strictSame((await s.send('GET', '/v1/maintenances?phase=drained')).json(), {
    ...{ items: [], nextCursor: null },
  })
})

t.test(
  'one that cannot begin when its time has come is refused, and can be sent again',
  async t => {
    const s = await start()
    t.teardown(() => s.close())
    await s.send('PUT', URL, { ...HOST, startAt: moment(60) })
    await s.send('PATCH', '/v1/virtual-services/web', { policy: { minimumUsable: 2 } })
    await s.pass(60)
    t.match(await s.status(), {
      ...{ phase: 'refused', endedAt: moment(60), detail: /^It was refused: 'web' would have 1/ },
      belowMinimum: [{ service: 'web', usableServersAfter: 1 }],
    })
    t.strictSame(await s.weights(), [])
    const { items } = (await s.send('GET', '/v1/events?after=0&type=maintenance.refused')).json<{
      items: object[]
    }>()
    t.match(items, [
      {
        ...{ outcome: 'refused', kind: 'maintenance', name: 'host-1', actor: { name: 'system' } },
        detail: { message: /1 too few/, shortfalls: [{ service: 'web' }] },
      },
    ])
    const read = (await s.send('GET', URL)).json<object>()
    t.equal((await s.send('PUT', URL, read)).statusCode, 409, 'still')
    t.match(await s.status(), { phase: 'refused' })
    await s.send('PATCH', '/v1/virtual-services/web', { policy: null })
    t.equal((await s.send('PUT', URL, read)).statusCode, 200)
    t.match(await s.status(), { startedAt: moment(60) })
    t.equal((await s.weights()).length, 2)
  },
)

t.test('deadlines pass: connections go on, or end', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(4, 80)
  await s.send('PUT', URL, { ...HOST, deadlineSeconds: 10 })
  await s.pass(11)
  await s.pass(11)
  t.match(await s.status(), { phase: 'expired', totals: { connections: 2 } })
  t.strictSame(await s.events(), ['started', 'expired'])
  t.equal((await s.weights()).length, 2, 'it stays drained')
  await s.send('PUT', URL, { ...HOST, deadlineSeconds: 10, onDeadline: 'reset' })
  await s.pass(11)
  const isOpen = async () =>
    (await s.status()).members!.some(({ connectionsReset }) => connectionsReset === null)
  while (await isOpen()) await s.pass(0)
  await s.pass(2)
  t.match(await s.status(), {
    phase: 'drained',
    members: [{ connectionsReset: 0 }, { connectionsReset: 2 }],
  })
  t.strictSame(await s.events(), ['started', 'expired', 'changed', 'drained'])
})

t.test('a restart in any phase', async t => {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-maintenance-')), 'sluice.db')
  const time = new ManualTime(START)
  const first = await start({ file, time })
  await first.send('PUT', URL, { ...HOST, endAt: moment(1000) })
  const rack = { selector: { labels: { rack: '3' } }, deadlineSeconds: 9, ignoreMinimum: true }
  const [startAt, endAt] = [moment(500), moment(2000)]
  await first.send('PUT', '/v1/maintenances/rack', { ...rack, startAt, endAt })
  await first.send('PUT', '/v1/maintenances/brief', { ...HOST, startAt, endAt: moment(600) })
  await first.close()
  t.equal(time.waiting, 0, 'nothing is left behind')

  time.nowMs += 100_000
  const second = await start({ file, time })
  t.match(await second.status(), { phase: 'drained', startedAt: moment(0) })
  t.match(await second.status('rack'), { phase: 'scheduled' })
  t.strictSame(await second.weights(), ['mail/one', 'web/one'])
  await second.close()

  time.nowMs += 1_000_000
  const third = await start({ file, time })
  t.match(await third.status(), { phase: 'ended' }, 'its end has passed meanwhile')
  t.match(await third.status('brief'), { phase: 'ended', startedAt: null }, 'never took place')
  t.match(await third.status('rack'), { phase: 'drained', startedAt: moment(1100) })
  t.match(await third.status('rack'), { members: [{ maintenance: 'rack' }, {}, {}, {}] })
  t.strictSame(await third.weights(), ['mail/one', 'mail/three', 'six/x', 'web/one'])
  await third.close()

  time.nowMs += 1_000_000
  const fourth = await start({ file, time })
  t.teardown(() => fourth.close())
  t.match(await fourth.status('rack'), { phase: 'ended' })
  t.strictSame(await fourth.weights(), [])
})

t.test('a wall clock that is set forward is noticed within half a minute', async t => {
  const s = await start()
  t.teardown(() => s.close())
  await s.send('PUT', URL, { ...HOST, startAt: moment(86_400) })
  // Timers run by another clock.
  s.time.setForwardMs = 2 * 86_400_000
  t.match(await s.status(), { phase: 'scheduled' })
  await s.pass(30)
  t.match(await s.status(), { phase: 'drained' })
})

t.test('what is not valid is said, all at once', async t => {
  const s = await start()
  t.teardown(() => s.close())
  const faults = async (body: object) =>
    (await s.send('PUT', URL, body))
      .json<{ errors: { pointer: string; code: string }[] }>()
      .errors.map(({ pointer, code }) => `${pointer} ${code}`)
  t.strictSame(
    await faults({
      selector: { address: '10.0.0.300', colour: 1 },
      ...{ startAt: 'tomorrow', onDeadline: 'drop', name: 'host-2' },
    }),
    [
      '/selector/colour UNKNOWN_FIELD',
      '/onDeadline INVALID_VALUE',
      '/deadlineSeconds MISSING_FIELD',
      '/name CONFLICTING_FIELDS',
      '/selector/address INVALID_ADDRESS',
      '/startAt INVALID_TIME',
    ],
  )
  t.strictSame(await faults({ ...HOST, selector: {} }), ['/selector MISSING_FIELD'])
  t.strictSame(await faults({ ...HOST, selector: { labels: {} } }), ['/selector MISSING_FIELD'])
  const past = { ...HOST, startAt: moment(-60), endAt: moment(-1) }
  t.strictSame(await faults(past), ['/endAt INVALID_TIME'])
  t.strictSame(await faults({ ...HOST, startAt: moment(60), endAt: moment(60) }), [
    '/endAt INVALID_TIME',
  ])
  const nothing = async (selector: object) => {
    const answer = await s.send('PUT', URL, { ...HOST, selector })
    return answer.json<{ errors: { detail: string; hint?: string }[] }>().errors[0]
  }
  t.match(await nothing({ address: '10.0.0.11' }), {
    detail: 'No real server of any virtual service has the address 10.0.0.11.',
    hint: "Did you mean '10.0.0.1'?",
  })
  t.match(await nothing({ labels: { rak: '3' } }), { hint: "Did you mean 'rack'?" })
  t.match(await nothing({ labels: { rack: '4' } }), {
    detail: "No real server has the label 'rack=4'.",
  })
  t.match(await nothing({ address: '10.0.0.2', labels: { rack: '3' } }), {
    detail: 'No real server has all of that at once.',
  })
})
