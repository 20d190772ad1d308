import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { Request } from '../../../dataplane/protocol.js'
import { allocate, HEARTBEAT, MESSAGES } from '../../../dataplane/shared/memory.js'
import { DataplaneClient, OpRefused } from '../../../server/dataplane/dataplane-client.js'
import type { DataplaneOptions } from '../../../server/dataplane/dataplane-client.js'
import { silent } from '../fixtures/appliance.js'
import { FakeWorker } from '../fixtures/fake-worker.js'

function start(
  teardown: (work: () => Promise<void>) => unknown,
  options: Partial<DataplaneOptions> = {},
  restore: Parameters<DataplaneClient['start']>[0] = async call => {
    await call({ op: 'restore', services: [] })
  },
) {
  const memory = allocate(64)
  const workers: FakeWorker[] = []
  const folder = mkdtempSync(`${tmpdir()}/sluice-test-`)
  const descriptor = openSync(`${folder}/wake`, 'w')
  const client = new DataplaneClient({
    memory,
    worker: { driver: 'loopback', interfaces: [] },
    logger: silent,
    spawn: config => {
      const worker = new FakeWorker(config, descriptor)
      workers.push(worker)
      return worker
    },
    ...options,
  })
  client.start(restore)
  teardown(async () => {
    await client.stop()
    // A port that is left open would keep the process.
    for (const worker of workers) worker.port.close()
    closeSync(descriptor)
    rmSync(folder, { recursive: true })
  })
  return { client, workers, memory, woken: () => readFileSync(`${folder}/wake`) }
}

t.test('restores first, then answers calls, each to its caller', async t => {
  const { client, workers, memory, woken } = start(work => t.teardown(work))
  t.equal(client.phase, 'starting')
  await t.rejects(client.call({ op: 'ping' }), { message: /not been started/ })
  t.equal(await client.whenReady(1000), true)
  t.equal(client.reason, null)
  const [worker] = workers
  const held: Request[] = []
  worker!.answer = request => {
    held.push(request)
    if (held.length < 2) return
    for (const { id, op } of held.reverse()) worker!.reply({ id, ok: true, result: op })
  }
  const both = await Promise.all([client.call({ op: 'ping' }), client.call({ op: 'flush' })])
  t.strictSame(both, ['ping', 'flush'] as unknown[], 'answers may come in any order')
  t.strictSame(
    worker!.requests.map(({ op }) => op),
    ['restore', 'ping', 'flush'],
  )
  t.equal(new Int32Array(memory.control)[MESSAGES], 3, 'each message is announced')
  // An eventfd takes eight octets, little-endian.
  t.strictSame(
    [...woken()],
    Array.from({ length: 24 }, (_, i) => (i % 8 === 0 ? 1 : 0)),
  )
})

t.test('a refusal carries its code', async t => {
  const { client, workers } = start(work => t.teardown(work))
  await client.whenReady(1000)
  const [worker] = workers
  worker!.answer = ({ id }) => worker!.reply({ id, ok: false, code: 'EEXIST', detail: 'twice' })
  const error = await client.call({ op: 'flush' }).catch((error: unknown) => error)
  t.type(error, OpRefused)
  t.match(error, { code: 'EEXIST', message: 'twice' })
})

t.test(
  'a worker that dies: calls in flight are rejected, another one is given everything',
  async t => {
    const { client, workers } = start(work => t.teardown(work))
    await client.whenReady(1000)
    workers[0]!.answer = () => undefined
    const pending = client.call({ op: 'ping' })
    workers[0]!.crash(new Error('boom'))
    await t.rejects(pending, { message: /boom/ })
    t.equal(client.phase, 'down')
    t.equal(await client.whenReady(1000), true)
    t.equal(workers.length, 2)
    t.equal(client.restarts, 1)
    t.equal(workers[1]!.requests[0]!.op, 'restore')
    t.equal(await client.call({ op: 'ping' }), 'ping')
  },
)

t.test('a call while the configuration is handed over comes after it', async t => {
  let release: () => void = () => undefined
  const held = new Promise<void>(resolve => (release = resolve))
  const { client, workers } = start(
    work => t.teardown(work),
    {},
    async call => {
      await call({ op: 'flush' })
      await held
      await call({ op: 'restore', services: [] })
    },
  )
  while (client.phase !== 'restoring') await new Promise(resolve => setImmediate(resolve))
  const calling = client.call({ op: 'ping' })
  release()
  await calling
  t.strictSame(
    workers[0]!.requests.map(({ op }) => op),
    ['flush', 'restore', 'ping'],
  )
})

t.test('a worker that does not answer is replaced', async t => {
  const { client, workers } = start(work => t.teardown(work), { deadlines: { callMs: 20 } })
  await client.whenReady(1000)
  workers[0]!.answer = () => undefined
  await t.rejects(client.call({ op: 'ping' }), { message: /did not answer 'ping' in time/ })
  t.equal(await client.whenReady(1000), true)
  t.equal(workers.length, 2)
})

t.test('a worker whose heartbeat stands still is replaced', async t => {
  let look = () => undefined as void
  const { client, workers, memory } = start(work => t.teardown(work), {
    every: (_, work) => {
      look = work
      return () => undefined
    },
  })
  await client.whenReady(1000)
  const control = new Int32Array(memory.control)
  for (let i = 0; i < 30; i++) {
    control[HEARTBEAT] = i
    look()
  }
  t.equal(client.restarts, 0, 'a living one is left alone')
  for (let i = 0; i < 9; i++) look()
  t.equal(client.phase, 'ready', 'it is given all of its time')
  look()
  t.not(client.phase, 'ready')
  t.equal(await client.whenReady(1000), true)
  t.equal(workers.length, 2)
  t.equal(client.restarts, 1)
})

t.test(
  'a worker that never comes up is tried again, ever more slowly, with its reason',
  async t => {
    let spawned = 0
    const { client } = start(work => t.teardown(work), {
      deadlines: { backoffMaxMs: 10 },
      spawn: config => {
        spawned++
        const worker = new FakeWorker({ ...config, control: config.control }, -1)
        worker.port.close()
        setImmediate(() => worker.crash(new Error('no such interface')))
        return worker
      },
    })
    t.equal(await client.whenReady(150), false)
    t.ok(spawned > 3)
    t.match(client.reason, /no such interface/)
  },
)

t.test('stopped while it comes up: it is not given anything, and no other is started', async t => {
  const { client, workers } = start(work => t.teardown(work))
  const [worker] = workers
  // What it says of itself is read only after that.
  t.equal(client.phase, 'starting')
  await client.stop()
  t.equal(client.phase, 'stopped')
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
  t.equal(client.phase, 'stopped')
  t.strictSame([workers.length, worker!.requests, client.restarts], [1, [], 0])
})

t.test('stop says so to the worker and starts no other', async t => {
  const { client, workers } = start(() => undefined)
  await client.whenReady(1000)
  const [worker] = workers
  worker!.answer = ({ id, op }) => {
    worker!.reply({ id, ok: true, result: null })
    if (op === 'stop') setImmediate(() => void worker!.terminate())
  }
  await client.stop()
  t.equal(worker!.requests.at(-1)!.op, 'stop')
  t.equal(client.phase, 'stopped')
  await t.rejects(client.call({ op: 'ping' }), { message: /stopped/ })
  t.equal(workers.length, 1)
})
