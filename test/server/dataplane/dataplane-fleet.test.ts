// Workers in this thread, whose answers the test gives: who is asked what, in which order, and how
// their answers become one.
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import type { Op, Request } from '../../../dataplane/protocol.js'
import { OpRefused } from '../../../server/dataplane/dataplane-client.js'
import { DataplaneFleet } from '../../../server/dataplane/dataplane-fleet.js'
import { silent } from '../fixtures/appliance.js'
import { FakeWorker } from '../fixtures/fake-worker.js'

const KEY = { family: 'ipv4', protocol: 'tcp', address: '198.51.100.1', port: 80 } as const
const SERVICE = { key: KEY } as unknown as Extract<Op, { op: 'addService' }>['service']
const DEST = { address: '10.0.0.1', port: 8080 } as Extract<Op, { op: 'addDest' }>['dest']
const READY_MS = 5000

type Answer = (request: Request) => unknown

interface Fleet {
  fleet: DataplaneFleet
  /** The latest worker of each number; `answers` says what it says, by operation. */
  workers: FakeWorker[]
  answers: Partial<Record<Op['op'], Answer>>[]
}

async function start(t: Test, count = 2): Promise<Fleet> {
  const folder = mkdtempSync(`${tmpdir()}/sluice-test-`)
  const descriptor = openSync(`${folder}/wake`, 'w')
  const workers: FakeWorker[] = []
  const all: FakeWorker[] = []
  const answers: Fleet['answers'] = Array.from({ length: count }, () => ({
    rows: () => ({ services: [] }),
  }))
  const fleet = new DataplaneFleet({
    ...{ count, connsMax: 64, logger: silent },
    worker: { driver: 'loopback', interfaces: [] },
    spawn: config => {
      const worker = new FakeWorker(config, descriptor)
      const { index } = config.crew!
      workers[index] = worker
      all.push(worker)
      worker.answer = request => {
        const { id, op } = request
        if (op === 'stop') return void worker.terminate()
        const result = answers[index]![op]?.(request) ?? null
        if (result instanceof OpRefused)
          worker.reply({ id, ok: false, code: result.code, detail: result.message })
        else worker.reply({ id, ok: true, result })
      }
      return worker
    },
  })
  fleet.start(async call => {
    const services = [{ service: SERVICE, row: 0, dests: [{ dest: DEST, row: 0 }] }]
    await call({ op: 'restore', services })
  })
  t.teardown(async () => {
    await fleet.stop()
    for (const worker of all) worker.port.close()
    closeSync(descriptor)
    rmSync(folder, { recursive: true })
  })
  t.equal(await fleet.whenReady(READY_MS), true)
  for (const worker of workers) worker.requests.length = 0
  return { fleet, workers, answers }
}

const asked = ({ workers }: Fleet) => workers.map(({ requests }) => requests.map(({ op }) => op))

t.test('one worker decides, the others are given its rows', async t => {
  const all = await start(t, 3)
  const { fleet, workers, answers } = all
  answers[0]!.addService = () => ({ row: 7 })
  t.strictSame(await fleet.call({ op: 'addService', service: SERVICE }), { row: 7 })
  t.strictSame(asked(all), [['addService'], ['addService'], ['addService']])
  const [first, ...others] = workers.map(({ requests }) => requests[0])
  t.notHas(first, { row: 7 })
  for (const other of others) t.match(other, { op: 'addService', service: SERVICE, row: 7 })
  answers[0]!.batch = () => ({ rows: Int32Array.of(0, 9) })
  const ops: Extract<Op, { op: 'batch' }>['ops'] = [
    { op: 'flush' },
    { op: 'addDest', key: KEY, dest: DEST },
  ]
  await fleet.call({ op: 'batch', ops })
  t.match(workers[2]!.requests.at(-1), { ops: [{ op: 'flush' }, { op: 'addDest', row: 9 }] })
})

t.test('what the first refuses, no other hears of', async t => {
  const all = await start(t)
  all.answers[0]!.addService = () => new OpRefused('EEXIST', 'twice')
  await t.rejects(all.fleet.call({ op: 'addService', service: SERVICE }), { code: 'EEXIST' })
  t.strictSame(asked(all), [['addService'], []])
})

t.test('a worker that refuses what another did is replaced, and given everything', async t => {
  const { fleet, workers, answers } = await start(t)
  const before = workers[1]
  answers[0]!.addService = () => ({ row: 7 })
  answers[1]!.addService = () => new OpRefused('EEXIST', 'twice')
  answers[0]!.rows = () => ({
    services: [{ key: KEY, rows: { row: 3, dests: [{ ...DEST, row: 4 }] } }],
  })
  t.strictSame(await fleet.call({ op: 'addService', service: SERVICE }), { row: 7 })
  t.equal(fleet.phase === 'ready', false)
  await fleet.whenReady(READY_MS)
  t.not(workers[1], before)
  t.equal(fleet.restarts, 1)
  t.match(
    workers[1]!.requests[0],
    { op: 'restore', services: [{ row: 3, dests: [{ row: 4 }] }] },
    'with the rows that the others have',
  )
})

t.test('a worker that is away: nothing is carried out, and it says which', async t => {
  const { fleet, workers } = await start(t)
  const gone = workers[1]!
  gone.answer = () => void gone.terminate()
  const waiting = fleet.call({ op: 'zero', key: null })
  t.equal(await waiting, null, 'done where there is somebody; its restore has the rest')
  t.not(fleet.phase, 'ready')
  t.match(fleet.reason, /^Worker 1: /)
  if (fleet.phase === 'down')
    await t.rejects(fleet.call({ op: 'flush' }), { message: /^Worker 1: / })
  t.equal(await fleet.whenReady(READY_MS), true)
  t.equal(fleet.reason, null)
})

t.test('the leader dies over an operation: the next one leads', async t => {
  const { fleet, workers, answers } = await start(t)
  const [first] = workers
  answers[1]!.addService = () => ({ row: 5 })
  first!.answer = () => void first!.terminate()
  t.strictSame(await fleet.call({ op: 'addService', service: SERVICE }), { row: 5 })
})

t.test('operations take turns', async t => {
  const all = await start(t)
  const { fleet, workers } = all
  const held: Request[] = []
  const answer = workers[0]!.answer
  workers[0]!.answer = request => void held.push(request)
  const calls = [fleet.call({ op: 'flush' }), fleet.call({ op: 'zero', key: null })]
  while (held.length === 0) await new Promise(resolve => setImmediate(resolve))
  t.strictSame(asked(all), [['flush'], []], 'the second has to wait')
  workers[0]!.answer = answer
  answer(held[0]!)
  await Promise.all(calls)
  t.strictSame(asked(all), [
    ['flush', 'zero'],
    ['flush', 'zero'],
  ])
})

t.test('answers become one', async t => {
  const { fleet, workers, answers } = await start(t, 3)
  const holds = [
    [true, false, false],
    [false, false, false],
    [false, true, false],
  ]
  const parts = [
    { known: true, done: true, connections: 3, templates: 1 },
    { known: true, done: false, connections: 4, templates: 0 },
    { known: true, done: true, connections: 0, templates: 2 },
  ]
  for (const [i, answer] of answers.entries()) {
    answer.guarded = () => ({ held: holds[i] })
    answer.killProgress = () => parts[i]
    answer.simulate = () => ({ told: i, ...(i === 0 ? { worker: 2 } : {}) })
  }
  const endpoints = [0, 1, 2].map(() => ({}) as never)
  t.strictSame(await fleet.call({ op: 'guarded', endpoints }), { held: [true, true, false] })
  t.strictSame(await fleet.call({ op: 'killProgress', job: 1 }), {
    ...{ known: true, done: false, connections: 7, templates: 3 },
  })
  t.match(await fleet.call({ op: 'simulate' } as never), { told: 2 }, 'whose connection it is')
  for (const worker of workers) worker.requests.length = 0
  await fleet.call({ op: 'announce' } as never)
  t.strictSame(
    workers.map(({ requests }) => requests.length),
    [1, 0, 0],
    'neighbours hear of an address once',
  )
})
