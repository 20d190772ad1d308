/** Drains as operations, and what the journal, the audit log and webhooks tell of them. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { START, start, URL } from '../fixtures/drain-stage.js'
import { ManualTime } from '../fixtures/manual-time.js'

type Stage = Awaited<ReturnType<typeof start>>
interface Told {
  type: string
  name: string
  actor?: { name: string }
  detail: Record<string, unknown> | null
  after: Record<string, unknown> | null
}

const read = async <T>(s: Stage, url: string): Promise<T> => (await s.send('GET', url)).json<T>()
const operations = async (s: Stage, query = '') =>
  (await read<{ items: Record<string, unknown>[] }>(s, `/v1/operations${query}`)).items
/** What was told of drains, and of who takes connections, oldest first. */
const told = async (s: Stage) => {
  const { items } = await read<{ items: Told[] }>(s, '/v1/events?after=0&limit=1000')
  return items.filter(({ type }) => /^drain\.|statusChanged/.test(type))
}
const types = async (s: Stage) => (await told(s)).map(({ type }) => type)
const turn = () => new Promise(resolve => setImmediate(resolve))

t.test('a drain is an operation: listed with progress, fetched, cancelled there', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(10)
  const begun = await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 300 })
  const { location } = begun.headers
  t.match(location, /^\/v1\/operations\/[0-9a-f-]{36}$/)
  const drain = {
    ...{ kind: 'drain', state: 'draining', endedAt: null, endedBy: null },
    ...{ virtualService: 'web', realServer: 'a', deadlineSeconds: 300, onDeadline: 'keep' },
    deadline: new Date(START + 300_000).toISOString(),
    ...{ startedBy: { kind: 'anyone', name: 'anyone' }, connectionsAtStart: 5 },
    progress: { connections: 5, activeConns: 5, inactConns: 0, persistConns: 0 },
  }
  t.match(await operations(s, '?kind=drain&state=draining'), [drain])
  t.match(await read(s, String(location)), drain)
  t.strictSame(await operations(s, '?kind=confirmation'), [])
  await s.send('DELETE', '/v1/connections?client=192.0.2.2&reset=false')
  t.match(await read(s, String(location)), { progress: { connections: 4 } })

  const moved = await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 60 })
  t.equal(moved.headers.location, location, 'another deadline, the same operation')
  const deadline = new Date(START + 60_000).toISOString()
  t.match(await read(s, String(location)), { deadlineSeconds: 60, deadline })

  t.equal(
    (await s.send('POST', `${location}/confirm`)).json<{ code: string }>().code,
    'NOT_CONFIRMABLE',
  )
  const cancelled = await s.send('POST', `${location}/cancel`)
  t.match(cancelled.json(), { state: 'cancelled', endedBy: { name: 'anyone' } })
  t.equal((await s.send('GET', `${URL}/drain`)).statusCode, 404)
  t.equal(s.inDataplane(), 3)
  t.equal(s.time.waiting, 0)
  t.match((await s.send('POST', `${location}/cancel`)).json(), { state: 'cancelled' }, 'again')
  t.strictSame(await types(s), [
    ...['drain.started', 'realServer.statusChanged', 'drain.changed', 'drain.cancelled'],
    'realServer.statusChanged',
  ])
})

t.test('who did it, and what became of it, for followers and for the audit log', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(4)
  await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 60, onDeadline: 'reset' })
  const [{ id }] = (await operations(s)) as [{ id: string }]
  s.time.pass(60)
  while ((await types(s)).at(-1) !== 'drain.drained') await turn()
  const about = { kind: 'realServer', name: 'web/a' }
  t.match(await told(s), [
    {
      ...{ ...about, type: 'drain.started', actor: { name: 'anyone' } },
      detail: { operation: id, connections: 2, onDeadline: 'reset', deadlineSeconds: 60 },
    },
    { ...about, type: 'realServer.statusChanged', after: { operatingStatus: 'DRAINING' } },
    {
      ...{ ...about, type: 'drain.deadlineReached', actor: { name: 'system' } },
      detail: { operation: id, connections: 2, connectionsReset: 2 },
    },
    { ...about, type: 'drain.drained', actor: { name: 'system' } },
  ])
  t.match(await operations(s), [
    {
      ...{ id, state: 'drained', endedAt: new Date(START + 60_000).toISOString() },
      ...{ connectionsLeft: 2, connectionsReset: 2, endedBy: { name: 'system' } },
    },
  ])
  const log = await read<{ items: Told[] }>(s, '/v1/audit-log')
  const audited = log.items.map(({ type }) => type)
  t.strictSame(audited.slice(0, 3), ['drain.drained', 'drain.deadlineReached', 'drain.started'])
  t.notOk(audited.includes('request.done'), 'each request once')
  t.match((await s.send('DELETE', `/v1/operations/${id}`)).json(), {
    ...{ status: 409, code: 'OPERATION_ENDED' },
    detail: /drained.*real-servers\/a\/drain/,
  })
  await s.send('DELETE', `${URL}/drain`)
  t.strictSame((await types(s)).slice(-2), ['drain.removed', 'realServer.statusChanged'])
})

t.test(
  'over before its deadline when the last connection goes; then asking again is nothing',
  async t => {
    const s = await start()
    t.teardown(() => s.close())
    s.connect(4)
    await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 3600, onDeadline: 'reset' })
    s.time.pass(5)
    t.match(await operations(s), [{ state: 'draining' }])
    await s.send('DELETE', '/v1/connections?service=web')
    s.dataplane.advance(20)
    s.time.pass(1)
    const over = await s.until('drained')
    t.match(over, { status: { endedAt: new Date(START + 6000).toISOString() } })
    t.match(await operations(s), [{ state: 'drained', connectionsLeft: 0, connectionsReset: null }])
    t.equal(s.time.waiting, 0, 'its deadline is forgotten')
    t.equal(s.inDataplane(), 0, 'it stays drained')
    const again = await s.send('PUT', `${URL}/drain`, {
      deadlineSeconds: 3600,
      onDeadline: 'reset',
    })
    t.match([again.statusCode, (await operations(s)).length], [200, 1])
  },
)

t.test('connections that go on: expired, and told so', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(4)
  await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 10 })
  s.time.pass(10)
  await s.until('expired')
  t.match(await operations(s), [{ state: 'expired', connectionsLeft: 2, connectionsReset: null }])
  t.strictSame(await types(s), [
    ...['drain.started', 'realServer.statusChanged', 'drain.deadlineReached'],
  ])
})

t.test('whatever ends a drain ends its operation, in the same transaction', async t => {
  const ways: Record<string, [string, (s: Stage) => Promise<unknown>]> = {
    'the real server was removed': ['its deletion', s => s.send('DELETE', URL)],
    'adminState was set to disabled': [
      'its operator',
      s => s.send('PATCH', URL, { adminState: 'disabled' }),
    ],
    'by request': ['its cancellation', s => s.send('DELETE', `${URL}/drain`)],
  }
  for (const [reason, [what, end]] of Object.entries(ways)) {
    const s = await start()
    s.connect(2)
    await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 60 })
    await end(s)
    t.match(
      await operations(s),
      [{ state: 'cancelled', detail: `It was cancelled: ${reason}.` }],
      what,
    )
    t.match(
      (await told(s)).find(({ type }) => type === 'drain.cancelled'),
      { detail: { reason } },
    )
    await s.close()
  }
  const s = await start()
  t.teardown(() => s.close())
  await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 60 })
  await s.send('DELETE', '/v1/virtual-services/web')
  t.match(await operations(s), [{ state: 'cancelled' }], 'with the whole service')
})

t.test('a restart keeps the operation, and adopts a drain that was none', async t => {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-drain-')), 'sluice.db')
  const time = new ManualTime(START)
  const first = await start({ file, time })
  first.connect(6)
  await first.send('PUT', `${URL}/drain`, { deadlineSeconds: 100 })
  const [before] = await operations(first)
  first.database.exec(
    `UPDATE real_server SET drain = json_remove(drain, '$.operationId') WHERE name = 'a'`,
  )
  await first.close()
  const second = await start({ file, time })
  const { uid } = (await read<{ meta: { uid: string } }>(second, URL)).meta
  const ids = (await operations(second)).map(({ id }) => id)
  t.strictSame(ids.sort(), [before!.id, `drain-${uid}`].sort(), 'adopted')
  second.database.exec(
    `UPDATE real_server SET drain = json_set(drain, '$.operationId', '${String(before!.id)}')`,
  )
  second.database.exec(`DELETE FROM operation WHERE id LIKE 'drain-%'`)
  await second.close()
  const third = await start({ file, time })
  t.teardown(() => third.close())
  t.match(await operations(third), [{ ...before, progress: {} }])
  // A new process has no connections: the next look finds it over.
  time.pass(1)
  await third.until('drained')
  t.match(await operations(third), [{ id: before!.id, state: 'drained' }])
})

t.test('pages of operations', async t => {
  const s = await start()
  t.teardown(() => s.close())
  const seen: string[] = []
  for (let i = 0; i < 5; i++) {
    await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 60 })
    // Two of them at the same moment.
    if (i % 2 === 0) s.time.pass(0.5)
    seen.unshift(((await operations(s, '?state=draining'))[0] as { id: string }).id)
    await s.send('DELETE', `${URL}/drain`)
  }
  const paged: string[] = []
  for (let url = '/v1/operations?limit=2'; url !== '';) {
    const answer = await s.send('GET', url)
    paged.push(...answer.json<{ items: { id: string }[] }>().items.map(({ id }) => id))
    url = /<([^>]+)>/.exec(String(answer.headers.link ?? ''))?.[1] ?? ''
  }
  t.strictSame(paged.length, 5)
  t.strictSame([...paged].sort(), [...seen].sort(), 'each once')
  t.equal((await s.send('GET', '/v1/operations?cursor=nonsense')).statusCode, 400)
})
