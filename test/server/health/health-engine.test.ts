// The engine with its real thread, against listeners on loopback.
import { createServer, type AddressInfo, type Server } from 'node:net'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import type { CheckedServer } from '../../../server/health/check-spec.js'
import { HealthEngine, type ServerVerdict } from '../../../server/health/health-engine.js'
import { SILENCE_MS } from '../../../server/health/heartbeat.js'
import type { Pinger } from '../../../server/health/pinger.js'
import type { FromWorker } from '../../../server/health/worker-messages.js'
import { check, checkedServer } from '../../fixtures/health/checks.js'
import { NO_PINGER } from '../../fixtures/health/probe.js'
import { ManualTimers } from '../../fixtures/manual-timers.js'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
// Nothing here is to time out, however little of the machine the thread gets.
const FAST = { intervalMs: 50, timeoutMs: 120_000, rise: 1, fall: 1 }
const RESTART_MS = 1000
const HANGING_WORKER = '../../fixtures/health/hanging-worker.js'
const WORKER = '../../../server/health/health-worker.js'

/**
 * An engine whose own time stands still until it is moved, so that no load on the machine looks like
 * a thread that hangs; and a way to wait for what it says.
 */
function stage(t: Test, program: string, pinger: Pinger = NO_PINGER) {
  const workers: Worker[] = []
  const timers = new ManualTimers()
  const lost: string[] = []
  const engine = new HealthEngine({
    ...{ logger, commandFolder: null, fileFolder: null, pinger, timers },
    lost: (via, reason) => lost.push(`${via} ${reason}`),
    startWorker(data) {
      workers.push(new Worker(new URL(program, import.meta.url), { workerData: data }))
      return workers.at(-1)!
    },
  })
  t.teardown(() => engine.close())
  const seen: string[] = []
  engine.listen(({ server, health }) => seen.push(`${server} ${health.state}`))
  /** The next verdict, from now on, that is as wanted. */
  const next = (isWanted: (verdict: ServerVerdict) => boolean) =>
    new Promise<ServerVerdict>(resolve => {
      const end = engine.listen(verdict => {
        if (!isWanted(verdict)) return
        end()
        resolve(verdict)
      })
    })
  const nextState = (server: string, state: string) =>
    next(verdict => verdict.server === server && verdict.health.state === state)
  return { engine, timers, workers, lost, seen, next, nextState }
}

t.test('verdicts, histories, runs and a lost thread', async t => {
  const { engine, timers, workers, lost, seen, next, nextState } = stage(t, WORKER, {
    ping(order, done) {
      done(order.address === '10.0.0.1' ? null : { reason: 'unreachable', detail: 'Far.' })
      return () => undefined
    },
  })
  const listener = await listen()
  const { port } = listener.address() as AddressInfo
  const checks = [
    { name: 'connect', spec: check('tcp', FAST), lastKnown: null },
    { name: 'ping', spec: check('icmp', { ...FAST, targetAddress: '10.0.0.1' }), lastKnown: null },
    { name: 'far', spec: check('icmp', { ...FAST, targetAddress: '10.0.0.2' }), lastKnown: null },
    { name: 'app', spec: check('external', FAST), lastKnown: null },
  ]
  const subject: CheckedServer = checkedServer({ port, required: 2, checks })
  const far = next(({ health }) => health.detail === 'far: Far.')
  const first = [nextState('a', 'down'), nextState('a', 'up')]
  engine.set(subject)
  await Promise.all([far, first[0]])
  const up = (await first[1])!
  t.match(Object.fromEntries(up.states), { connect: 'up', ping: 'up' })
  engine.set({ ...subject, required: 3 })
  const third = next(({ states }) => states.get('app') === 'up')
  t.equal(engine.report('web', 'a', 'app', { state: 'up', detail: 'ready' }), true)
  t.equal(engine.report('web', 'a', 'ping', { state: 'up', detail: 'ready' }), false)
  t.equal((await third).health.state, 'up')

  const results = (await engine.runNow('web', 'a'))!
  t.match(results, [
    { check: 'connect', result: { outcome: 'success' } },
    { check: 'ping', result: { outcome: 'success' } },
    { check: 'far', result: { outcome: 'failure', reason: 'unreachable', detail: 'Far.' } },
    { check: 'app', result: { outcome: 'success', detail: 'Reported up: ready' } },
  ])
  t.strictSame(
    results[0]!.result.transcript.map(({ step }) => step),
    ['target', 'connect', 'judge'],
  )
  t.equal(await engine.runNow('web', 'b'), null)
  const history = (await engine.history('web', 'a'))!
  t.match(history[2], { name: 'far', lastFailures: [{ reason: 'unreachable' }] })
  t.match(engine.histograms(), [
    { kind: 'tcp', outcome: 'success' },
    { kind: 'icmp', outcome: 'success' },
    { kind: 'icmp', outcome: 'failure' },
    { kind: 'external', outcome: 'success' },
  ])

  // Without the report, two of four are left, which is fewer than three.
  const before = seen.length
  const hung = { name: 'hung', spec: check('http', FAST), lastKnown: null }
  engine.set(checkedServer({ server: 'b', port, checks: [hung] }))
  const asked = engine.runNow('web', 'b')
  // As a crash would.
  await Promise.all([t.rejects(asked, /has ended/), workers[0]!.terminate()])
  engine.delete('web', 'b')
  listener.close()
  const down = nextState('a', 'down')
  t.equal(workers.length, 1)
  timers.advance(RESTART_MS)
  await down
  t.equal(workers.length, 2)
  t.strictSame(lost, ['direct ended'])
  t.strictSame([...new Set(seen.slice(before))].at(-1), 'a down')
  t.match(
    engine.verdict('web', 'a')!.health.detail,
    /^(connect: The connection was refused\.|app: )/,
  )
  engine.delete('web', 'a')
  t.equal(engine.verdict('web', 'a'), undefined)
})

t.test('a thread that hangs is ended, and another goes on from what was known', async t => {
  const listener = await listen()
  t.teardown(() => listener.close())
  const { engine, timers, workers, lost, seen, nextState } = stage(t, HANGING_WORKER)
  const up = nextState('a', 'up')
  const { port } = listener.address() as AddressInfo
  const checks = [{ name: 'connect', spec: check('tcp', FAST), lastKnown: null }]
  engine.set(checkedServer({ port, checks }))
  await up
  const before = seen.length
  const hanging = new Promise<void>(resolve =>
    workers[0]!.on('message', (message: FromWorker) => {
      if (message.event !== 'changed' || message.change.service !== 'hang') return
      if (message.change.state === null) resolve()
    }),
  )
  engine.set(checkedServer({ service: 'hang', port, checks }))
  engine.delete('hang', 'a')
  const asked = engine.runNow('web', 'a')
  await hanging
  timers.advance(SILENCE_MS)
  t.strictSame(lost, [], 'it may take its time')
  timers.advance(2 * RESTART_MS)
  await t.rejects(asked, /has ended/)
  t.strictSame(lost, ['direct hung'])
  t.strictSame(engine.losses(), [{ via: 'direct', reason: 'hung', count: 1 }])
  t.strictSame(seen.slice(before), [], 'up all the while')
  const down = nextState('a', 'down')
  listener.close()
  timers.advance(RESTART_MS)
  await down
  t.equal(workers.length, 2)
  t.strictSame(seen.slice(before), ['a down'])
  // However long another takes to start, it is not ended for that.
  timers.advance(SILENCE_MS)
  t.equal(workers.length, 2)
})

function listen(): Promise<Server> {
  const server = createServer(socket => socket.on('error', () => undefined))
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}
