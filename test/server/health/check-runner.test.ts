import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import { CheckRunner, type CheckChange } from '../../../server/health/check-runner.js'
import type { CheckSpec } from '../../../server/health/check-spec.js'
import { Latencies } from '../../../server/health/latencies.js'
import { ReportBook } from '../../../server/health/probes/external.js'
import { Slots } from '../../../server/health/slots.js'
import { CertificateFolder } from '../../fixtures/certificates.js'
import { check, checkedServer } from '../../fixtures/health/checks.js'
import { NO_PINGER, NO_SCTP } from '../../fixtures/health/probe.js'
import { ManualTimers } from '../../fixtures/manual-timers.js'
import { until } from '../../lab/until.js'

/** A runner whose time stands still until it is moved. External input needs no network. */
function stage(slotsMax = 100) {
  const timers = new ManualTimers()
  let wallMs = Date.UTC(2026, 10, 22)
  const changes: CheckChange[] = []
  const latencies = new Latencies()
  const slots = new Slots(slotsMax)
  const runner = new CheckRunner({
    ...{ timers, latencies, slots, random: () => 0.5, wallClock: () => new Date(wallMs) },
    ...{
      pinger: NO_PINGER,
      sctpAsker: NO_SCTP,
      reports: new ReportBook(timers),
      servicePath: null,
    },
    ...{ commandFolder: null, fileFolder: null },
    changed: change => changes.push(change),
  })
  const jumpWall = (ms: number) => (wallMs += ms)
  const states = () =>
    changes.splice(0).map(({ server, check, state }) => `${server} ${check} ${state}`)
  return { timers, runner, changes, latencies, slots, jumpWall, states }
}

const external = (changes: Parameters<typeof check<'external'>>[1] = {}) =>
  check('external', { rise: 1, fall: 1, expiryMs: 3000, ...changes })
const named = (name: string, spec: CheckSpec) => ({ name, spec, lastKnown: null })

t.test('what is reported decides, until it is too old', async t => {
  const { runner, timers, changes, states } = stage()
  runner.set(checkedServer({ checks: [named('app', external())] }))
  t.strictSame(states(), ['a app down'])
  t.equal(runner.report('web', 'a', 'app', { state: 'up', detail: 'ready' }), true)
  timers.advance(0)
  t.match(changes, [{ state: 'up', detail: 'Reported up: ready' }])
  changes.length = 0
  timers.advance(2900)
  t.strictSame(states(), [])
  timers.advance(1100)
  t.match(changes, [
    { state: 'down', detail: /^The last report is \d\.\d s old, more than 3 s\.$/ },
  ])
  t.equal(runner.report('web', 'a', 'other', { state: 'up', detail: '' }), false)
  t.equal(runner.report('web', 'b', 'app', { state: 'up', detail: '' }), false)
  runner.close()
})

t.test('who is down for another reason says so once', async t => {
  const { runner, timers, changes } = stage()
  runner.set(checkedServer({ checks: [named('app', external())] }))
  runner.report('web', 'a', 'app', { state: 'down', detail: 'full' })
  timers.advance(0)
  changes.length = 0
  timers.advance(2900)
  t.strictSame(changes, [])
  timers.advance(2200)
  t.match(changes, [{ state: 'down', detail: /^The last report is/ }])
  t.equal(changes.length, 1)
  runner.close()
})

t.test('a certificate that is about to end is news, and that it is not any more', async t => {
  const certificates = new CertificateFolder()
  t.teardown(() => certificates.remove())
  const { certificate, key } = certificates.issue('a.example', -1, 5)
  const server = tls.createServer({ cert: readFileSync(certificate), key: readFileSync(key) })
  t.teardown(() => void server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { runner, timers, changes, jumpWall } = stage()
  const lasting = { initialState: 'up', timeoutMs: 60_000 } as const
  const spec = check('tls', { verify: false, warnDays: 14, ...lasting })
  const { port } = server.address() as AddressInfo
  runner.set(checkedServer({ address: '127.0.0.1', port, checks: [named('tls', spec)] }))
  jumpWall(Date.now() - Date.UTC(2026, 10, 22))
  const warnedAfterRun = async () => {
    changes.length = 0
    timers.advance(spec.intervalMs)
    await until('a run', async () => changes.length > 0)
    return changes.map(({ state, warned }) => ({ state, warned }))
  }
  t.strictSame(await warnedAfterRun(), [{ state: 'up', warned: true }])
  jumpWall(-30 * 86_400_000)
  t.strictSame(await warnedAfterRun(), [{ state: 'up', warned: false }])
  runner.close()
})

t.test('a jump of the wall clock changes nothing but labels', async t => {
  const { runner, timers, states, jumpWall } = stage()
  runner.set(checkedServer({ checks: [named('app', external())] }))
  runner.report('web', 'a', 'app', { state: 'up', detail: '' })
  timers.advance(10)
  states()
  for (const hours of [24, -48]) {
    jumpWall(hours * 3_600_000)
    const before = runner.statuses('web', 'a')![0]!.runs
    timers.advance(1000)
    t.equal(
      runner.statuses('web', 'a')![0]!.runs,
      before + 1,
      `still one run a second (${hours} h)`,
    )
    t.strictSame(states(), [])
  }
  t.match(runner.statuses('web', 'a')![0]!.last!.startedAt, '2026-11-21')
  runner.close()
})

t.test('checks are added, changed and removed while others go on', async t => {
  const { runner, timers, states } = stage()
  const app = named('app', external({ rise: 1 }))
  runner.set(checkedServer({ checks: [app] }))
  runner.report('web', 'a', 'app', { state: 'up', detail: '' })
  timers.advance(0)
  t.strictSame(states(), ['a app down', 'a app up'])
  const runs = () => runner.statuses('web', 'a')!.map(({ name, runs }) => `${name} ${runs}`)
  runner.set(checkedServer({ checks: [app, named('two', external())] }))
  t.strictSame(states(), ['a two down'])
  t.strictSame(runs(), ['app 1', 'two 0'])
  const slower = named('app', external({ intervalMs: 60_000 }))
  runner.set(checkedServer({ checks: [slower] }))
  t.strictSame(states(), ['a two null'], 'a changed check keeps its state')
  timers.advance(1000)
  t.equal(runner.statuses('web', 'a')![0]!.state, 'up')
  runner.delete('web', 'a')
  t.strictSame(states(), ['a app null'])
  t.equal(timers.count, 0)
  t.equal(runner.statuses('web', 'a'), null)
  t.equal(await runner.runNow('web', 'a'), null)
})

t.test('the last failures keep their transcripts', async t => {
  const { runner, timers, latencies } = stage()
  runner.set(checkedServer({ checks: [named('app', external({ fall: 2 }))] }))
  for (let i = 0; i < 8; i++) {
    runner.report('web', 'a', 'app', { state: 'down', detail: `reason ${i}` })
    timers.advance(0)
  }
  runner.report('web', 'a', 'app', { state: 'up', detail: 'again' })
  timers.advance(0)
  const [history] = runner.history('web', 'a')!
  t.match(history, { runs: 9, failures: 8, state: 'up', last: { outcome: 'success' } })
  t.strictSame(
    history!.lastFailures.map(({ detail }) => detail),
    [3, 4, 5, 6, 7].map(i => `Reported down: reason ${i}`),
  )
  t.ok(history!.lastFailures.every(({ transcript }) => transcript.length === 2))
  t.match(latencies.histograms(), [
    { kind: 'external', outcome: 'success', count: 1 },
    { kind: 'external', outcome: 'failure', count: 8 },
  ])
  runner.close()
})

t.test('a run now neither counts nor waits for the schedule', async t => {
  const { runner, timers } = stage()
  const checks = [named('app', external()), named('two', external())]
  runner.set(checkedServer({ checks }))
  runner.report('web', 'a', 'app', { state: 'up', detail: 'well' })
  const results = (await runner.runNow('web', 'a'))!
  t.match(results, [
    { check: 'app', result: { outcome: 'success' } },
    { check: 'two', result: { outcome: 'failure', reason: 'expired' } },
  ])
  t.equal((await runner.runNow('web', 'a', 'two'))!.length, 1)
  t.equal(await runner.runNow('web', 'a', 'three'), null)
  t.equal(runner.statuses('web', 'a')![0]!.runs, 0)
  timers.advance(0)
  runner.close()
})

t.test('hung targets do not hold the others', async t => {
  const { runner, timers, slots, changes } = stage(4)
  const hung = await listen(t, () => undefined)
  const checks = Array.from({ length: 8 }, (_, i) =>
    named(`hung-${i}`, check('http', { timeoutMs: 2000, fall: 1, initialState: 'up' })),
  )
  runner.set(checkedServer({ server: 'hung', port: portOf(hung), checks }))
  const good = Array.from({ length: 4 }, (_, i) => named(`good-${i}`, external({ expiryMs: null })))
  // One round later it is known who hangs.
  timers.advance(12_000)
  runner.set(checkedServer({ server: 'good', checks: good }))
  for (const { name } of good) runner.report('web', 'good', name, { state: 'up', detail: '' })
  timers.advance(0)
  t.strictSame(
    runner.statuses('web', 'good')!.map(({ state }) => state),
    ['up', 'up', 'up', 'up'],
  )
  t.equal(slots.taken, 2, 'suspects have half of the slots')
  t.ok(slots.delayed > 0)
  timers.advance(20_000)
  const late = changes.filter(({ server, state }) => server === 'hung' && state === 'down')
  t.equal(new Set(late.map(({ check }) => check)).size, 8, 'each had its turn')
  t.match(late[0]!.detail, /^No end within 2000 ms, while waiting for /)
  runner.close()
  t.equal(timers.count, 0)
  t.equal(slots.taken, 0)
})

function listen(t: Test, serve: () => void): Promise<Server> {
  const server = createServer(serve)
  t.teardown(() => server.close())
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}

const portOf = (server: Server) => (server.address() as AddressInfo).port
