// The engine with its real thread, against listeners on loopback.
import { createServer, type AddressInfo, type Server } from 'node:net'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import type { CheckedServer } from '../../../server/health/check-spec.js'
import { HealthEngine, type ServerVerdict } from '../../../server/health/health-engine.js'
import { systemTimers } from '../../../server/health/timers.js'
import { check, checkedServer } from '../../fixtures/health/checks.js'
import { NO_PINGER } from '../../fixtures/health/probe.js'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
const FAST = { intervalMs: 50, timeoutMs: 5000, rise: 1, fall: 1 }

/** An engine and a way to wait for a state. `lose` ends its thread as a crash would. */
function stage(t: Test) {
  const workers: Worker[] = []
  const engine = new HealthEngine({
    ...{ logger, commandFolder: null, fileFolder: null },
    pinger: {
      ...NO_PINGER,
      ping(order, done) {
        done(order.address === '10.0.0.1' ? null : { reason: 'unreachable', detail: 'Far.' })
        return () => undefined
      },
    },
    startWorker(data) {
      const url = new URL('../../../server/health/health-worker.js', import.meta.url)
      workers.push(new Worker(url, { workerData: data }))
      return workers.at(-1)!
    },
  })
  t.teardown(() => engine.close())
  const waiting = new Set<(verdict: ServerVerdict) => void>()
  const seen: string[] = []
  engine.listen(verdict => {
    seen.push(`${verdict.server} ${verdict.health.state}`)
    for (const each of [...waiting]) each(verdict)
  })
  const until = (server: string, state: string) =>
    new Promise<ServerVerdict>(resolve => {
      const look = (verdict: ServerVerdict) => {
        if (verdict.server !== server || verdict.health.state !== state) return
        waiting.delete(look)
        resolve(verdict)
      }
      waiting.add(look)
      const now = engine.verdict('web', server)
      if (now !== undefined) look(now)
    })
  return { engine, until, seen, workers, lose: () => workers.at(-1)!.terminate() }
}

t.test('verdicts, histories, runs and a lost thread', async t => {
  const { engine, until, seen, workers, lose } = stage(t)
  const listener = await listen()
  const { port } = listener.address() as AddressInfo
  const checks = [
    { name: 'connect', spec: check('tcp', FAST), lastKnown: null },
    { name: 'ping', spec: check('icmp', { ...FAST, targetAddress: '10.0.0.1' }), lastKnown: null },
    { name: 'far', spec: check('icmp', { ...FAST, targetAddress: '10.0.0.2' }), lastKnown: null },
    { name: 'app', spec: check('external', FAST), lastKnown: null },
  ]
  const subject: CheckedServer = checkedServer({ port, required: 2, checks })
  engine.set(subject)
  await until('a', 'down')
  const up = await until('a', 'up')
  t.match(Object.fromEntries(up.states), { connect: 'up', ping: 'up' })
  engine.set({ ...subject, required: 3 })
  t.equal(engine.report('web', 'a', 'app', { state: 'up', detail: 'ready' }), true)
  t.equal(engine.report('web', 'a', 'ping', { state: 'up', detail: 'ready' }), false)
  await until('a', 'up')

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
  await Promise.all([t.rejects(asked, /has ended/), lose()])
  engine.delete('web', 'b')
  listener.close()
  await until('a', 'down')
  t.equal(workers.length, 2)
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
  const workers: Worker[] = []
  // Ten seconds of silence in two.
  const timers = {
    now: () => performance.now() * 5,
    after: (ms: number, action: () => void) => systemTimers.after(ms / 5, action),
  }
  const lost: string[] = []
  const engine = new HealthEngine({
    ...{ logger, commandFolder: null, fileFolder: null, pinger: NO_PINGER, timers },
    lost: (via, reason) => lost.push(`${via} ${reason}`),
    startWorker(data) {
      const url = new URL('../../fixtures/health/hanging-worker.js', import.meta.url)
      workers.push(new Worker(url, { workerData: data }))
      return workers.at(-1)!
    },
  })
  t.teardown(() => engine.close())
  const seen: string[] = []
  const next = (state: string) =>
    new Promise<void>(resolve => {
      const end = engine.listen(({ service, health }) => {
        if (service !== 'web') return
        seen.push(health.state)
        if (health.state !== state) return
        end()
        resolve()
      })
    })
  const up = next('up')
  const { port } = listener.address() as AddressInfo
  const checks = [{ name: 'connect', spec: check('tcp', FAST), lastKnown: null }]
  engine.set(checkedServer({ port, checks }))
  await up
  const before = seen.length
  engine.set(checkedServer({ service: 'hang', port, checks }))
  engine.delete('hang', 'a')
  const asked = engine.runNow('web', 'a')
  await t.rejects(asked, /has ended/)
  const down = next('down')
  listener.close()
  await down
  t.ok(lost.includes('direct hung'))
  t.ok(engine.losses().some(({ reason, count }) => reason === 'hung' && count >= 1))
  t.ok(workers.length >= 2)
  t.strictSame(seen.slice(before), ['down'], 'up all the while')
})

function listen(): Promise<Server> {
  const server = createServer(socket => socket.on('error', () => undefined))
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}
