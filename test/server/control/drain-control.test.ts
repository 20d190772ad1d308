/** Drains over the real engine, with a clock and timers that are moved by hand. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { START, start, URL } from '../fixtures/drain-stage.js'
import { ManualTime } from '../fixtures/manual-time.js'

t.test('the life of a drain that keeps', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(10)
  const revision = s.control.revision()
  const before = await s.send('GET', URL)
  const answer = await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 300 })
  t.equal(answer.statusCode, 202)
  t.match(answer.headers['location'], /^\/v1\/operations\/[0-9a-f-]{36}$/)
  const at = new Date(START).toISOString()
  const deadlineAt = new Date(START + 300_000).toISOString()
  t.match(answer.json(), {
    ...{ deadlineSeconds: 300, onDeadline: 'keep' },
    status: { state: 'draining', startedAt: at, deadlineAt, connectionsAtStart: 5, connections: 5 },
  })
  t.strictSame(await s.weights(), {
    ...{ weight: 3, effective: 0 },
    reasons: [{ code: 'DRAIN', since: at }],
  })
  t.equal(s.inDataplane(), 0)
  t.match((await s.send('GET', URL)).json(), { status: { operatingStatus: 'DRAINING' } })
  s.connect(4)
  t.match(await s.count(), { connections: 5 }, 'nobody new')

  t.equal(s.control.revision(), revision, 'it makes no revision')
  t.equal((await s.send('GET', URL)).headers['etag'], before.headers['etag'])
  t.match(await s.count(), { estimatedEndAt: null }, 'as long as none has gone')

  s.time.pass(301)
  t.match(await s.until('expired'), { status: { connectionsReset: null, connections: 5 } })
  t.equal(s.inDataplane(), 0, 'it stays drained')
  t.equal(s.time.waiting, 0)

  t.equal((await s.send('DELETE', `${URL}/drain`)).statusCode, 204)
  t.strictSame(await s.weights(), { weight: 3, effective: 3, reasons: [] })
  t.equal(s.inDataplane(), 3)
  t.equal((await s.send('GET', `${URL}/drain`)).statusCode, 404)
  t.equal((await s.send('DELETE', `${URL}/drain`)).statusCode, 404)
  t.equal((await s.send('DELETE', `${URL}/drain?missingOk=true`)).statusCode, 204)
})

t.test('what is over does not hold a drain up, what is half closed does', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(4)
  await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 300 })
  const say = (client: string, flags: string) => {
    const tcp = { srcPort: 4000, dstPort: 80, flags }
    s.dataplane.receive({ src: client, dst: '198.51.100.10', tcp })
  }
  for (const client of ['192.0.2.2', '192.0.2.4']) say(client, '.')
  t.match(await s.count(), { state: 'draining', activeConns: 2 })
  say('192.0.2.2', 'R')
  say('192.0.2.4', 'F.')
  t.match(await s.count(), { state: 'draining', connections: 2, overConns: 1 })
  say('192.0.2.4', 'R')
  t.match(await s.count(), { state: 'drained', connections: 2, overConns: 2 })
})

t.test('reset ends what is left at the deadline, and only there', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(10)
  await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 60, onDeadline: 'reset' })
  t.match(await s.count(), { estimatedEndAt: new Date(START + 60_000).toISOString() })
  s.time.pass(59)
  t.equal(s.time.waiting, 1, 'not before')
  s.time.pass(1)
  const listed = async (server: string) => {
    const url = `/v1/connections?service=web&realServer=${server}`
    const { items } = (await s.send('GET', url)).json<{ items: { state: string }[] }>()
    return items.map(each => each.state)
  }
  while ((await listed('a')).some(state => state !== 'CLOSE'))
    await new Promise(resolve => setImmediate(resolve))
  t.equal((await listed('b')).filter(state => state === 'SYN_RECV').length, 5)
  // What was ended is listed as closed for a while, then it is gone.
  s.dataplane.advance(10)
  t.match(await s.until('drained'), { status: { connectionsReset: 5, connections: 0 } })
  t.equal(s.inDataplane(), 0)
})

t.test('UDP flows of a drained server go elsewhere with their next datagram', async t => {
  const s = await start({ protocol: 'udp' })
  t.teardown(() => s.close())
  s.connect(4)
  await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 0, onDeadline: 'reset' })
  t.equal((await s.count()).connections, 2)
  s.time.pass(0)
  t.match(await s.until('drained'), { status: { connectionsReset: 2 } })
})

t.test('asked for again', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(4)
  const put = (deadlineSeconds: number, headers = {}) =>
    s.send('PUT', `${URL}/drain`, { deadlineSeconds }, headers)
  const first = await put(60)
  s.time.pass(10)
  t.strictSame((await put(60)).json(), first.json(), 'as it is: nothing changes')
  t.equal((await put(60)).headers['etag'], first.headers['etag'])
  // What was read can be sent back.
  const read = (await s.send('GET', `${URL}/drain`)).json<object>()
  t.strictSame((await s.send('PUT', `${URL}/drain`, read)).json(), read)
  const moved = await put(90)
  const deadlineAt = new Date(START + 100_000).toISOString()
  t.match(moved.json(), { status: { deadlineAt, startedAt: new Date(START).toISOString() } })
  t.equal(s.time.waiting, 1)
  s.time.pass(60)
  t.match(await s.count(), { state: 'draining' }, 'the first deadline is no more')
  t.equal((await put(5, { 'if-match': first.headers['etag'] })).statusCode, 412)
  t.equal((await put(5, { 'if-none-match': '*' })).statusCode, 412)
  t.equal((await put(5, { 'if-match': moved.headers['etag'] })).statusCode, 202)
  const trial = await s.send('PUT', `${URL}/drain?dryRun=true`, { deadlineSeconds: 7 })
  t.match([trial.statusCode, trial.json()], [200, { deadlineSeconds: 7 }])
  t.match((await s.send('GET', `${URL}/drain`)).json(), { deadlineSeconds: 5 })
})

t.test('the estimate follows the rate', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(16)
  await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 3600 })
  // Two of eight go in 30 s, so the other six need 90 s more.
  for (const last of [2, 4])
    await s.send('DELETE', `/v1/connections?client=192.0.2.${last}&reset=false`)
  t.match(await s.count(), { connections: 6 })
  s.time.pass(30)
  const estimatedEndAt = new Date(START + 120_000).toISOString()
  t.match(await s.count(), { estimatedEndAt })
})

t.test('it survives a restart with its deadline', async t => {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-drain-')), 'sluice.db')
  const time = new ManualTime(START)
  const first = await start({ file, time })
  first.connect(6)
  await first.send('PUT', `${URL}/drain`, { deadlineSeconds: 100, onDeadline: 'reset' })
  time.pass(40)
  await first.close()
  t.equal(time.waiting, 0, 'nothing is left behind')
  time.nowMs += 20_000
  const second = await start({ file, time })
  t.equal(second.inDataplane(), 0)
  const deadlineAt = new Date(START + 100_000).toISOString()
  t.match(await second.count(), { deadlineAt, connectionsAtStart: 3, connections: 0 })
  await second.close()
  time.nowMs += 60_000
  const third = await start({ file, time })
  t.teardown(() => third.close())
  t.equal(time.waiting, 1, 'a deadline that passed meanwhile is seen to at once')
  time.pass(0)
  t.match(await third.until('drained'), { status: { connectionsReset: 0 } })
})

t.test('what ends a drain, and what does not', async t => {
  const drained = async () => {
    const s = await start()
    t.teardown(() => s.close())
    await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 60 })
    return s
  }
  const kept = await drained()
  await kept.send('PATCH', URL, { weight: 7, labels: { rack: 'a2' } })
  t.match(await kept.weights(), { weight: 7, effective: 0 }, 'another weight does not')
  await kept.send('PATCH', '/v1/virtual-services/web', { scheduler: 'wlc' })
  t.match(await kept.weights(), { effective: 0 }, 'nor another scheduler')

  for (const adminState of ['draining', 'disabled']) {
    const s = await drained()
    await s.send('PATCH', URL, { adminState })
    t.equal((await s.send('GET', `${URL}/drain`)).statusCode, 404, `adminState ${adminState} does`)
    await s.send('PATCH', URL, { adminState: 'enabled' })
    t.match(await s.weights(), { effective: 3 })
    s.time.pass(61)
    t.match(await s.weights(), { effective: 3 }, 'and its deadline is forgotten')
  }
  const gone = await drained()
  const document = (await gone.send('GET', URL)).json<object>()
  await gone.send('DELETE', URL)
  gone.time.pass(61)
  await gone.send('PUT', URL, document)
  t.match(await gone.weights(), { effective: 3 }, 'and so does the end of its server')
})

t.test('faults', async t => {
  const s = await start()
  t.teardown(() => s.close())
  const put = async (body: unknown) => {
    const answer = await s.send('PUT', `${URL}/drain`, body)
    return answer.json<{ errors: { pointer: string; code: string }[] }>().errors.map(e => e.pointer)
  }
  t.strictSame(await put({}), ['/deadlineSeconds'])
  t.strictSame((await put({ deadlineSeconds: -1, onDeadline: 'kill', x: 1 })).sort(), [
    ...['/deadlineSeconds', '/onDeadline', '/x'],
  ])
  t.strictSame(await put({ deadlineSeconds: 1e9 }), ['/deadlineSeconds'])
  const other = await s.send('PUT', `${URL}x/drain`, { deadlineSeconds: 1 })
  t.match(other.json(), { code: 'REAL_SERVER_NOT_FOUND' })
  t.equal(s.inDataplane(), 3)
})

t.test('what fails at the deadline is tried again', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.connect(4)
  await s.send('PUT', `${URL}/drain`, { deadlineSeconds: 1, onDeadline: 'reset' })
  s.database.pragma('query_only = ON')
  s.time.pass(1)
  while (s.time.waiting === 0) await new Promise(resolve => setImmediate(resolve))
  s.database.pragma('query_only = OFF')
  s.dataplane.advance(10)
  s.time.pass(1)
  await s.until('drained')
})
