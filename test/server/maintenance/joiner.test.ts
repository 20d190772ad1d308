/** What comes to a maintenance that goes on is drained by the write that brings it, not after it. */
import { copyFileSync, existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Op } from '../../../dataplane/protocol.js'
import { OpRefused } from '../../../server/dataplane/dataplane-client.js'
import { startAppliance, type Appliance } from '../fixtures/appliance.js'
import { FakeDataplane } from '../fixtures/fake-dataplane.js'
import { ManualTime } from '../fixtures/manual-time.js'

const START = Date.UTC(2030, 0, 1)
const HOST = '10.0.0.9'
const WEB = '/v1/virtual-services/web'
const ONE = `${WEB}/real-servers/one`
const RACK = { labels: { rack: '3' } }
const vip = { protocol: 'tcp', address: '198.51.100.10', port: 80, scheduler: 'rr' }

/** `web` with a server that nothing selects, and two maintenances: of a host, and of a rack. */
async function start(t: Test, file = ':memory:') {
  const time = new ManualTime(START)
  const a = await startAppliance({ file, now: time.now, after: time.after })
  t.teardown(() => a.close())
  const realServers = {
    ...{ one: { address: '10.0.0.1' }, two: { address: '10.0.0.2' } },
    // Without anybody a maintenance is refused.
    ...{ h: { address: HOST, port: 81 }, r: { address: '10.0.0.3', ...RACK } },
  }
  await a.send('PUT', WEB, { ...vip, realServers })
  const rest = { deadlineSeconds: 300, onDeadline: 'keep' }
  for (const [name, selector] of Object.entries({ host: { address: HOST }, rack: RACK })) {
    const made = await a.send('PUT', `/v1/maintenances/${name}`, { selector, ...rest })
    t.equal(made.statusCode, 201, name)
  }
  const pass = async (seconds: number) => {
    time.pass(seconds)
    for (let i = 0; i < 5; i++) {
      await new Promise(resolve => setImmediate(resolve))
      await a.control.idle()
    }
  }
  await pass(2)
  return { ...a, time, pass }
}

const read = async <T>(a: Pick<Appliance, 'send'>, url: string) =>
  (await a.send('GET', url)).json<T>()
const drains = async (a: Pick<Appliance, 'send'>) =>
  (await read<{ items: { realServer: string; state: string }[] }>(a, '/v1/operations?kind=drain'))
    .items
const events = async (a: Pick<Appliance, 'send'>, type: string) =>
  (
    await read<{ items: { type: string; name: string; detail: { servers: string[] } }[] }>(
      a,
      `/v1/events?after=0&limit=1000&type=${type}`,
    )
  ).items

function withResolvers() {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>(settle => (resolve = settle))
  return { promise, resolve: () => resolve() }
}

/** Weights that the dataplane was given for an address since entry `from`, in order. */
const weightsOf = (log: readonly Op[], from: number, address: string): number[] =>
  log.slice(from).flatMap(op => {
    if (op.op === 'addDest' || op.op === 'editDest')
      return op.dest.address === address ? [op.dest.weight] : []
    if (op.op !== 'restore') return []
    const dests = op.services.flatMap(service => service.dests.map(({ dest }) => dest))
    return dests.filter(dest => dest.address === address).map(({ weight }) => weight)
  })

const added = { address: HOST, port: 82, weight: 7 }
const servers = `${WEB}/real-servers`
type Write = readonly [method: string, url: string, body: unknown]
const ARRIVALS: Record<string, readonly [string, Write]> = {
  'a new real server': [HOST, ['PUT', `${servers}/new`, added]],
  'one of a set': [HOST, ['PUT', servers, { items: [{ name: 'new', ...added }] }]],
  'labels that come to match': ['10.0.0.1', ['PATCH', ONE, RACK]],
  'another address': [HOST, ['PATCH', ONE, { address: HOST, port: 82 }]],
  'a new service': [
    HOST,
    ['PUT', '/v1/virtual-services/mail', { ...vip, port: 25, realServers: { new: added } }],
  ],
  'a list of changes': [
    HOST,
    [
      ...(['POST', '/v1/changesets'] as const),
      [
        { op: 'put', path: `${servers}/new`, value: { address: '10.0.0.4' } },
        { op: 'patch', path: `${servers}/new`, value: added },
      ],
    ],
  ],
}

for (const [what, [address, [method, url, body]]] of Object.entries(ARRIVALS))
  t.test(`${what}: the dataplane hears of weight 0 alone`, async t => {
    const a = await start(t)
    const from = a.dataplane.log.length
    const before = await drains(a)
    const answer = await a.send(method, url, body)
    t.ok([200, 201].includes(answer.statusCode), 'it is done')
    const first = weightsOf(a.dataplane.log, from, address)
    t.ok(first.length > 0, 'it hears of it')
    await a.pass(0)
    const all = weightsOf(a.dataplane.log, from, address)
    t.strictSame(new Set(all), new Set([0]), 'at no time another weight')
    t.equal(all.length, first.length, 'and nothing more later')
    t.equal((await drains(a)).length, before.length + 1, 'it is an operation')
    t.equal((await events(a, 'maintenance.extended')).length, 1)
  })

t.test('it is whole at once: answer, operation, journal, deadline, phase', async t => {
  const a = await start(t)
  const told = async () =>
    (await events(a, 'maintenance')).filter(({ name }) => name === 'rack').map(({ type }) => type)
  t.strictSame(await told(), ['maintenance.started', 'maintenance.drained'])
  const revision = a.control.revision()
  const labelled = await a.send('PATCH', ONE, RACK)
  t.match(
    labelled.json(),
    {
      status: {
        operatingStatus: 'DRAINING',
        effectiveWeight: 0,
        reasons: [{ code: 'MAINTENANCE' }],
      },
    },
    'the answer says so',
  )
  t.match(await drains(a), [{ realServer: 'one', state: 'draining' }, {}, {}])
  const [started] = (await events(a, 'drain.started')).slice(-1)
  t.match(started, { name: 'web/one' })
  t.match(await events(a, 'maintenance.extended'), [
    { name: 'rack', detail: { servers: ['web/one'] } },
  ])
  t.match(await read(a, '/v1/maintenances/rack'), {
    status: { members: [{ server: 'one', maintenance: 'rack' }, { server: 'r' }] },
  })
  t.equal(a.control.revision(), revision + 1, 'one revision')
  const { changes } = await read<{ changes: { name: string; fields: { pointer: string }[] }[] }>(
    a,
    `/v1/config/revisions/${revision + 1}/diff`,
  )
  t.match(changes, [{ name: 'web/one', fields: [{ pointer: /^\/labels/ }] }], 'of labels alone')
  t.equal(changes.length, 1)

  const again = await a.send('PUT', ONE, await read(a, ONE))
  t.equal(again.statusCode, 200)
  t.equal(a.control.revision(), revision + 1, 'what was read changes nothing')
  await a.pass(2)
  t.match(await drains(a), [{ realServer: 'one', state: 'drained' }, {}, {}], 'it is looked after')
  const whole = ['started', 'drained', 'extended', 'drained'].map(verb => `maintenance.${verb}`)
  t.strictSame(await told(), whole)
  t.equal(a.control.revision(), revision + 1)
})

t.test('who goes is given back by the write that takes it away, or by a rollback', async t => {
  const a = await start(t)
  const revision = a.control.revision()
  await a.send('PATCH', ONE, RACK)
  let from = a.dataplane.log.length
  const gone = await a.send('PATCH', ONE, { labels: null })
  t.match(gone.json(), { status: { effectiveWeight: 1 } })
  t.strictSame(weightsOf(a.dataplane.log, from, '10.0.0.1'), [1])
  t.match(await drains(a), [{ realServer: 'one', state: 'cancelled' }, {}, {}])
  await a.send('PATCH', ONE, RACK)
  from = a.dataplane.log.length
  const back = await a.send('POST', '/v1/config/rollbacks', { revision })
  t.equal(back.statusCode, 200)
  t.strictSame(weightsOf(a.dataplane.log, from, '10.0.0.1'), [1])
  await a.pass(0)
  t.equal((await a.send('GET', `${ONE}/drain`)).statusCode, 404)
  t.ok((await drains(a)).every(({ state }) => state !== 'draining'))
})

t.test('a trial run counts it out and changes nothing', async t => {
  const a = await start(t)
  const before = (await a.send('GET', WEB)).body
  const trial = await a.send('PATCH', `${ONE}?dryRun=true`, RACK)
  t.match(trial.json(), {
    changes: [{ name: 'web/one', fields: [{ pointer: /^\/labels/ }] }],
    impact: { services: [{ name: 'web', usableServersBefore: 2, usableServersAfter: 1 }] },
  })
  await a.pass(0)
  t.equal((await a.send('GET', WEB)).body, before)
  t.equal((await drains(a)).length, 2)
})

t.test('writes that are carried out together: memory and database stay one', async t => {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-joiner-')), 'sluice.db')
  const a = await start(t, file)
  /** The first is held up, so that the others wait for their turn together. */
  const together = async (weight: number, ...all: readonly Write[]) => {
    const { promise: gate, resolve: open } = withResolvers()
    a.dataplane.before = op => (op.op === 'batch' ? gate : undefined)
    const first = a.send('PATCH', `${servers}/two`, { weight })
    const rest: ReturnType<typeof a.send>[] = []
    for (const [method, url, body] of all) {
      rest.push(a.send(method, url, body))
      for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve))
    }
    open()
    for (const { statusCode } of await Promise.all([first, ...rest])) t.equal(statusCode, 200)
    a.dataplane.before = () => undefined
  }
  await together(3, ['PATCH', ONE, RACK], ['PATCH', ONE, { labels: null }])
  const r = `${servers}/r`
  await together(
    4,
    ['PATCH', r, { adminState: 'disabled' }],
    ['PATCH', r, { adminState: 'enabled' }],
  )
  await a.pass(0)
  const stored = a.database
    .prepare<[], { name: string; drain: string | null }>('SELECT name, drain FROM real_server')
    .all()
  const inMemory = new Map(a.control.state.service('web')!.servers.map(each => [each.name, each]))
  for (const { name, drain } of stored)
    t.strictSame(inMemory.get(name)?.drain ?? null, JSON.parse(drain ?? 'null'), name)
  await a.pass(2)
  const open = (await drains(a)).filter(({ state }) => state === 'draining')
  t.strictSame(open, [], 'no operation is left behind')
})

t.test('what the dataplane refuses takes its drain along', async t => {
  const a = await start(t)
  a.dataplane.before = op => {
    if (op.op === 'batch') throw new OpRefused('EINVAL', 'no')
  }
  const refused = await a.send('PATCH', ONE, { ...RACK, weight: 5 })
  t.match(refused.json(), { code: 'DATAPLANE_REFUSED' })
  a.dataplane.before = () => undefined
  await a.pass(2)
  t.equal((await a.send('GET', `${ONE}/drain`)).statusCode, 404)
  t.match(await read(a, ONE), { labels: {}, status: { effectiveWeight: 1 } })
  t.ok((await drains(a)).every(({ state }) => state !== 'draining'))
  t.equal((await a.send('PATCH', ONE, RACK)).statusCode, 200)
  t.match(await read(a, `${ONE}/drain`), { status: { maintenance: 'rack' } })
})

t.test('killed right after the commit: whoever comes up has the drain from the start', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-joiner-'))
  const [file, copy] = [join(directory, 'one.db'), join(directory, 'two.db')]
  const a = await start(t, file)
  a.dataplane.before = op => {
    if (op.op !== 'batch' || existsSync(copy)) return
    // As the disk is when the process dies here.
    for (const end of ['', '-wal']) if (existsSync(file + end)) copyFileSync(file + end, copy + end)
  }
  await a.send('PATCH', ONE, RACK)
  const time = new ManualTime(START + 60_000)
  const dataplane = new FakeDataplane()
  const b = await startAppliance({ file: copy, dataplane, now: time.now, after: time.after })
  t.teardown(() => b.close())
  const { log } = dataplane
  t.strictSame(weightsOf(log, 0, '10.0.0.1'), [0], 'the restore has it')
  t.match(await read(b, `${ONE}/drain`), {
    status: { maintenance: 'rack', deadlineAt: new Date(START + 302_000).toISOString() },
  })
  t.equal((await events(b, 'maintenance.extended')).length, 1, 'told once')
  t.match(await drains(b), [{ realServer: 'one' }, {}, {}])
})
