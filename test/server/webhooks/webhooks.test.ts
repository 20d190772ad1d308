// Webhooks against a real HTTP server: order, signature, retries, restarts, and who is told what.
import { createHmac } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { SYSTEM } from '../../../server/auth/actor.js'
import { openDatabase, type Database } from '../../../server/db.js'
import { Journal, type Occurrence } from '../../../server/journal/journal.js'
import { Webhooks } from '../../../server/control/webhook-control.js'
import { backoffMs } from '../../../server/webhooks/webhook-feed.js'
import { ManualTimers } from '../../fixtures/manual-timers.js'
import { Receiver, until } from './receiver.js'

const BY = { actor: SYSTEM, requestId: null }
const SECRET = 'a secret of the tests'
const silent = pino({ level: 'silent' })
const status =
  (code: number, headers = {}) =>
  (to: ServerResponse) =>
    to.writeHead(code, headers).end('whatever')
const happened = (name: string): Occurrence => ({ type: 'x.happened', class: 'state', name })

interface Setup {
  database: Database
  journal: Journal
  webhooks: Webhooks
  timers: ManualTimers
}

function setUp(t: Test, file = ':memory:') {
  const database = openDatabase(file)
  const journal = new Journal({ database, logger: silent })
  const timers = new ManualTimers()
  const options = { database, journal, logger: silent, timers, random: () => 0 }
  const setup: Setup = { database, journal, timers, webhooks: new Webhooks(options) }
  setup.webhooks.start()
  t.teardown(() => tearDown(setup))
  return setup
}

function tearDown({ database, journal, webhooks }: Setup): void {
  if (!database.open) return
  webhooks.stop()
  journal.close()
  database.close()
}

async function receiver(t: Test): Promise<Receiver> {
  const opened = await Receiver.open()
  t.teardown(() => opened.close())
  return opened
}

t.test('what happens is told in order, once, signed; the signature is HMAC-SHA256', async t => {
  const to = await receiver(t)
  const { journal, webhooks } = setUp(t)
  journal.record(happened('before'))
  webhooks.put('pager', { url: to.url, secret: SECRET }, BY)
  const names = Array.from({ length: 250 }, (_none, i) => `n${i}`)
  journal.record(...names.map(happened), { type: 'y.changed', class: 'change' })
  await to.has(names.length)
  const events = to.got.map(({ text }) => JSON.parse(text) as { id: number; name: string })
  t.strictSame(
    events.map(({ name }) => name),
    names,
  )
  for (const [i, { headers, text }] of to.got.entries()) {
    const stamp = String(headers['sluice-timestamp'])
    const hmac = createHmac('sha256', SECRET).update(`${stamp}.`).update(text).digest('hex')
    if (headers['sluice-signature'] !== `v1=${hmac}`) t.fail(`signature of ${i}`)
    if (headers['sluice-delivery'] !== String(events[i]!.id)) t.fail(`delivery of ${i}`)
    if (Math.abs(Number(stamp) - Date.now() / 1000) > 600) t.fail(`time of ${i}`)
  }
  t.match(to.got[0]!.headers, {
    ...{ 'content-type': 'application/json', 'sluice-event': 'x.happened' },
  })
  await until(() => webhooks.queued(webhooks.get('pager')) === 0)
  t.match(webhooks.get('pager'), { failures: 0, dropped: 0, lastError: null })
  t.equal(to.got.length, names.length, 'no change, and nothing from before')
})

t.test('events are chosen by class, by type and by its first part', async t => {
  const to = await receiver(t)
  const { journal, webhooks } = setUp(t)
  webhooks.put('a', { url: to.url, events: ['denial', 'realServer', 'x.one'] }, BY)
  const types = ['x.one', 'x.two', 'realServer.updated', 'realServers.updated']
  for (const type of types) journal.record({ type, class: 'change' })
  journal.record({ type: 'request.denied', class: 'denial' })
  await to.has(3)
  t.strictSame(to.types, ['x.one', 'realServer.updated', 'request.denied'])
  t.equal(to.got[0]!.headers['sluice-signature'], undefined, 'no secret, no signature')
})

t.test('failures are tried again later and later, then given up for the next event', async t => {
  const to = await receiver(t)
  const { journal, webhooks, timers } = setUp(t)
  webhooks.put('pager', { url: to.url, maxAttempts: 3 }, BY)
  to.answers.push(status(500), status(302, { location: to.url }), status(404), status(503))
  journal.record(happened('lost'), happened('late'))
  const hook = webhooks.get('pager')
  const pauses = [1000, 2000, 1000]
  for (const [i, pauseMs] of pauses.entries()) {
    await until(() => timers.count === 1)
    t.equal(to.got.length, [1, 2, 4][i])
    timers.advance(pauseMs - 1)
    t.equal(timers.count, 1, `${pauseMs} ms are waited`)
    timers.advance(1)
  }
  await until(() => hook.lastSuccessAt !== null)
  const told = to.got.map(({ text }) => (JSON.parse(text) as { name: string }).name)
  t.strictSame(told, ['lost', 'lost', 'lost', 'late', 'late'])
  t.equal(new Set(to.got.slice(0, 3).map(({ headers }) => headers['sluice-delivery'])).size, 1)
  t.match(hook, { failures: 4, dropped: 1, lastError: { detail: 'Answered 503.' } })
})

t.test('a receiver that says when is left alone until then, an hour at most', async t => {
  const to = await receiver(t)
  const { journal, webhooks, timers } = setUp(t)
  webhooks.put('pager', { url: to.url, maxAttempts: 2 }, BY)
  const hook = webhooks.get('pager')
  const inTwoMinutes = new Date(Date.now() + 120_000).toUTCString()
  to.answers.push(
    status(429, { 'retry-after': '0' }),
    status(503, { 'retry-after': '30' }),
    status(503, { 'retry-after': inTwoMinutes }),
    status(503, { 'retry-after': '1000000' }),
    status(503, { 'retry-after': 'later' }),
  )
  journal.record(happened('a'), happened('b'), happened('c'))
  // Never sooner than without: a second. Then b, although it is a that was given up.
  const pauses: [least: number, most: number][] = [
    [1000, 1000],
    [30_000, 30_000],
    [118_000, 120_000],
    [3_600_000, 3_600_000],
    [1000, 1000],
  ]
  for (const [i, [least, most]] of pauses.entries()) {
    await until(() => timers.count === 1)
    t.equal(to.got.length, i + 1)
    timers.advance(least - 1)
    t.equal(timers.count, 1, `${least} ms are waited`)
    timers.advance(1 + most - least)
  }
  await until(() => hook.lastSuccessAt !== null)
  const told = to.got.map(({ text }) => (JSON.parse(text) as { name: string }).name)
  t.strictSame(told, ['a', 'a', 'b', 'b', 'c', 'c'])
  t.match(hook, { failures: 5, dropped: 2 })
  t.match(webhooks.counts.of('pager'), { delivered: 1, failed: 5, dropped: 2 })
  to.answers.push(status(503, { 'retry-after': '90' }))
  const asked = 'Answered 503; asked to be left alone for 90 s.'
  t.match(await webhooks.try('pager', BY), { delivered: false, detail: asked })
  t.match(webhooks.counts.of('pager'), { delivered: 1, failed: 5 }, 'a test is no delivery')
})

t.test('a redirect is not followed, and said to be one', async t => {
  const to = await receiver(t)
  const { webhooks } = setUp(t)
  webhooks.put('pager', { url: to.url }, BY)
  to.answers.push(status(307, { location: to.url }))
  t.match(await webhooks.try('pager', BY), {
    ...{ delivered: false, detail: 'Answered 307; redirects are not followed.' },
  })
  t.equal(to.got.length, 1)
})

t.test('pauses double up to five minutes, less a random half', async t => {
  t.equal(backoffMs(1, 0), 1000)
  t.equal(backoffMs(1, 0.5), 750)
  t.equal(backoffMs(4, 0), 8000)
  t.equal(backoffMs(50, 0), 300_000)
  t.equal(backoffMs(50, 1), 150_000)
})

t.test('a webhook whose receiver is gone holds back nobody else', async t => {
  const to = await receiver(t)
  const gone = await Receiver.open()
  await gone.close()
  const { journal, webhooks } = setUp(t)
  webhooks.put('a-gone', { url: gone.url }, BY)
  webhooks.put('b-good', { url: to.url }, BY)
  journal.record(happened('one'), happened('two'))
  await to.has(2)
  await until(() => webhooks.get('a-gone').failures === 1)
  t.match(webhooks.get('a-gone'), { lastError: { detail: /ECONNREFUSED/ } })
  t.equal(webhooks.queued(webhooks.get('a-gone')), 2)
  webhooks.delete('a-gone', BY)
  t.throws(() => webhooks.get('a-gone'), { code: 'WEBHOOK_NOT_FOUND' })
})

t.test('a receiver that takes and says nothing ends at the time limit', async t => {
  const mute = createServer(socket => void socket.on('error', () => {}))
  await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve))
  t.teardown(() => mute.close())
  const { port } = mute.address() as { port: number }
  const { webhooks } = setUp(t)
  webhooks.put('pager', { url: `http://127.0.0.1:${port}/`, timeoutSeconds: 1 }, BY)
  t.match(await webhooks.try('pager', BY), {
    ...{ delivered: false, detail: 'No answer within 1 s.' },
  })
})

t.test('an answer without end is cut off and counts by its status', async t => {
  const to = await receiver(t)
  const { webhooks } = setUp(t)
  webhooks.put('pager', { url: to.url, timeoutSeconds: 60 }, BY)
  to.answers.push(response => {
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    }
    response.on('drain', more).on('error', () => {})
    response.writeHead(200)
    more()
  })
  t.match(await webhooks.try('pager', BY), { delivered: true, detail: 'Answered 200.' })
})

t.test('after a restart it goes on with what was not delivered', async t => {
  const file = join(t.testdir(), 'sluice.db')
  const to = await receiver(t)
  const first = setUp(t, file)
  first.webhooks.put('pager', { url: to.url, secret: SECRET }, BY)
  to.answers.push(status(204), status(500))
  first.journal.record(happened('one'), happened('two'), happened('three'))
  await until(() => first.timers.count === 1)
  tearDown(first)

  const down = openDatabase(file)
  const journal = new Journal({ database: down, logger: silent })
  journal.record(happened('meanwhile'))
  journal.close()
  down.close()

  const second = setUp(t, file)
  await to.has(5)
  const told = to.got.map(({ text }) => (JSON.parse(text) as { name: string }).name)
  t.strictSame(told, ['one', 'two', 'two', 'three', 'meanwhile'])
  t.ok(to.got[4]!.headers['sluice-signature'], 'the secret is still there')
  t.match(second.webhooks.get('pager'), { failures: 1, dropped: 0 })
})

t.test('what the journal lost is counted, and the rest is told', async t => {
  const to = await receiver(t)
  const { database, journal, webhooks, timers } = setUp(t)
  webhooks.put('pager', { url: to.url }, BY)
  to.answers.push(status(500))
  journal.record(happened('one'), happened('two'), happened('three'))
  await until(() => timers.count === 1)
  webhooks.stop()
  database.exec("DELETE FROM journal WHERE name IN ('one', 'two')")
  database.exec(`UPDATE journal_removed SET through = ${journal.last() - 1}`)
  // Forgets what it has read before.
  journal.trim()
  const again = new Webhooks({ database, journal, logger: silent, timers })
  t.teardown(() => again.stop())
  again.start()
  await to.has(2)
  t.match(JSON.parse(to.got[1]!.text), { name: 'three' })
  t.match(again.get('pager'), { dropped: 1, lastError: { detail: /no longer kept/ } })
})

t.test('switched off it is told nothing, not even later', async t => {
  const to = await receiver(t)
  const { journal, webhooks } = setUp(t)
  webhooks.put('pager', { url: to.url, enabled: false }, BY)
  journal.record(happened('missed'))
  t.equal(webhooks.queued(webhooks.get('pager')), 0)
  t.match(await webhooks.try('pager', BY), { delivered: true }, 'but can be tried')
  webhooks.put('pager', { url: to.url }, BY)
  journal.record(happened('told'))
  await to.has(2)
  t.strictSame(to.types, ['webhook.test', 'x.happened'])
})
