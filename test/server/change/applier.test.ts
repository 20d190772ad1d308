import t from 'tap'
import type { Op } from '../../../dataplane/protocol.js'
import { DataplaneGone, OpRefused } from '../../../server/dataplane/dataplane-client.js'
import { Problem } from '../../../server/errors.js'
import { startAppliance, web } from '../fixtures/appliance.js'
import { FakeDataplane } from '../fixtures/fake-dataplane.js'
import { FakeHost } from '../fixtures/fake-host.js'

const url = '/v1/virtual-services/web'
const isWrite = (op: Op) => op.op === 'batch'

t.test('the host is prepared before the dataplane and tidied after it', async t => {
  const dataplane = new FakeDataplane()
  const host = new FakeHost()
  const order: string[] = []
  host.before = call => void order.push(call)
  dataplane.before = op => void order.push(op.op)
  const a = await startAppliance({ dataplane, host })
  t.teardown(() => a.close())
  order.length = 0
  await a.send('PUT', url, web)
  t.strictSame(order, ['beforeApply', 'batch', 'announce', 'afterApply'])
})

t.test('no dataplane: nothing is stored, the client is told so', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  a.dataplane.goDown('The dataplane failed: boom.')
  const answer = await a.send('PUT', url, web)
  t.equal(answer.statusCode, 503)
  t.match(answer.json(), { code: 'DATAPLANE_UNAVAILABLE', detail: /boom.*Nothing was stored/ })
  t.ok(answer.headers['retry-after'])
  t.equal(a.control.revision(), 0)
  t.equal((await a.send('GET', url)).statusCode, 404)
  t.strictSame(a.host.addresses(), [])
  await a.dataplane.comeUp()
  t.equal((await a.send('PUT', url, web)).statusCode, 201)
})

t.test('a write that comes while a worker is being replaced waits for it', async t => {
  const a = await startAppliance({ patienceMs: 5000 })
  t.teardown(() => a.close())
  a.dataplane.goDown('restarting')
  const writing = a.send('PUT', url, web)
  await a.dataplane.comeUp()
  t.equal((await writing).statusCode, 201)
  t.equal(a.dataplane.table().length, 3)
})

t.test('a worker that dies during a write: its successor has the change', async t => {
  const a = await startAppliance({ patienceMs: 5000 })
  t.teardown(() => a.close())
  a.dataplane.before = op => {
    if (!isWrite(op)) return
    a.dataplane.before = () => undefined
    a.dataplane.goDown('died')
    setImmediate(() => void a.dataplane.comeUp())
    throw new DataplaneGone('died')
  }
  const answer = await a.send('PUT', url, web)
  t.equal(answer.statusCode, 201)
  t.equal(a.dataplane.table().length, 3)
  t.match(answer.json(), { status: { operatingStatus: 'ONLINE', reasons: [] } })
})

t.test('no successor in time: stored, told so, in force later', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  a.dataplane.before = op => {
    if (!isWrite(op)) return
    a.dataplane.goDown('died')
    throw new DataplaneGone('died')
  }
  const answer = await a.send('PUT', url, web)
  t.equal(answer.statusCode, 503)
  t.match(answer.json(), { code: 'APPLY_PENDING' })
  t.equal(answer.headers['config-revision'], '1')
  const read = await a.send('GET', url)
  t.match(read.json(), {
    meta: { revision: 1 },
    status: { operatingStatus: 'ERROR', reasons: [{ code: 'NOT_APPLIED' }] },
  })
  a.dataplane.before = () => undefined
  await a.dataplane.comeUp()
  t.equal(a.dataplane.table().length, 3)
  const again = await a.send('PUT', url, web)
  t.equal(again.statusCode, 200, 'repeating it is safe')
  t.equal(again.headers['config-revision'], '1')
})

t.test('a dataplane that refuses what was checked: the change is taken back', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', url, web)
  const before = (await a.send('GET', url)).body
  const host = a.host.guarded()
  for (const [code, expected] of [
    ['EINVAL', 'DATAPLANE_REFUSED'],
    ['ENOSPC', 'LIMIT_REACHED'],
  ] as const) {
    a.dataplane.before = op => {
      if (isWrite(op)) throw new OpRefused(code, 'no')
    }
    const answer = await a.send('PATCH', url, { realServers: { c: { address: '10.0.0.3' } } })
    t.match(answer.json(), { code: expected, detail: /no/ })
    a.dataplane.before = () => undefined
    t.equal((await a.send('GET', url)).body, before)
    t.strictSame(a.host.guarded(), host)
  }
  t.equal((await a.send('PATCH', url, { scheduler: 'rr' })).statusCode, 200)
})

t.test('a host that cannot be prepared: nothing is stored', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  a.host.before = call => {
    if (call === 'beforeApply') throw new Error('ip: Operation not permitted')
  }
  const answer = await a.send('PUT', url, web)
  t.equal(answer.statusCode, 503)
  t.match(answer.json(), { code: 'HOST_FAILED', detail: /not permitted/ })
  t.equal(a.control.revision(), 0)
  t.strictSame(a.dataplane.table(), [])
  a.host.before = call => {
    if (call === 'beforeApply') throw new Problem('INTERFACE_NOT_FOUND', 'There is no eth9.')
  }
  const other = await a.send('PUT', url, { ...web, interface: 'eth9' })
  t.match(other.json(), { status: 422, code: 'INTERFACE_NOT_FOUND', detail: 'There is no eth9.' })
})

t.test('a host that cannot be tidied: in force, told so, tried again until it is', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', url, web)
  a.host.before = call => {
    if (call === 'afterApply') throw new Error('nft: timed out')
  }
  const answer = await a.send('DELETE', url)
  t.match(answer.json(), { status: 503, code: 'APPLY_PENDING' })
  t.strictSame(a.dataplane.table(), [])
  t.strictSame(a.host.addresses(), ['198.51.100.10'], 'still there')
  a.host.before = () => undefined
  const again = await a.send('DELETE', `${url}?missingOk=true`)
  t.equal(again.statusCode, 204)
  t.strictSame(a.host.addresses(), [])
})

t.test('left-overs are removed without being asked again', async t => {
  const host = new FakeHost()
  const a = await startAppliance({ host })
  t.teardown(() => a.close())
  await a.send('PUT', url, web)
  let failures = 0
  const tidied = new Promise<void>(resolve => {
    host.before = call => {
      if (call !== 'afterApply') return
      if (++failures <= 3) throw new Error('busy')
      setImmediate(resolve)
    }
  })
  t.equal((await a.send('DELETE', url)).statusCode, 503)
  await tidied
  t.strictSame(host.addresses(), [])
})

t.test('a database that cannot store: nothing changes anywhere', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  a.database.exec(
    "CREATE TRIGGER full BEFORE INSERT ON real_server BEGIN SELECT RAISE(ABORT, 'disk full'); END",
  )
  const answer = await a.send('PUT', url, web)
  t.match(answer.json(), { status: 503, code: 'STORAGE_FAILED', detail: /disk full/ })
  t.equal(a.control.revision(), 0)
  t.equal((await a.send('GET', url)).statusCode, 404)
  t.strictSame(a.host.addresses(), [], 'what was prepared was taken back')
  t.strictSame(a.dataplane.table(), [])
})

t.test('one service that the host cannot serve keeps nobody else from starting', async t => {
  const first = await startAppliance({ file: `${t.testdir()}/a.db` })
  for (const i of [1, 2, 3, 4, 5]) {
    const body = { ...web, address: `198.51.100.${i}`, interface: `eth${i}` }
    await first.send('PUT', `${url}${i}`, body)
  }
  const file = first.database.name
  await first.close()
  const host = new FakeHost()
  let gone = 'eth3'
  host.before = (call, desired) => {
    if (call === 'beforeApply' && desired.some(service => service.interface === gone))
      throw new Error(`there is no ${gone}`)
  }
  const a = await startAppliance({ file, host })
  t.teardown(() => a.close())
  t.strictSame(
    host.addresses(),
    ['1', '2', '4', '5'].map(i => `198.51.100.${i}`),
  )
  t.match((await a.send('GET', `${url}3`)).json(), {
    status: { operatingStatus: 'ERROR', reasons: [{ code: 'HOST_NOT_PREPARED' }] },
  })
  const other = await a.send('PATCH', `${url}1`, { scheduler: 'rr' })
  t.equal(other.statusCode, 200, 'others can be changed')
  const same = await a.send('PATCH', `${url}3`, {})
  t.match(same.json(), { code: 'APPLY_PENDING', detail: /there is no eth3/ })
  t.equal((await a.send('PATCH', `${url}3`, { interface: 'eth1' })).statusCode, 200, 'mended')
  t.match((await a.send('GET', `${url}3`)).json(), { status: { operatingStatus: 'ONLINE' } })
  gone = 'eth5'
  t.equal((await a.send('DELETE', `${url}5`)).statusCode, 204)
  t.strictSame(
    host.addresses(),
    ['1', '2', '3', '4'].map(i => `198.51.100.${i}`),
  )
})

t.test('one service that the dataplane refuses keeps nobody else out', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  for (const i of [1, 2, 3])
    await a.send('PUT', `${url}${i}`, { ...web, address: `198.51.100.${i}` })
  a.dataplane.before = op => {
    const text = JSON.stringify(op)
    if (op.op !== 'delService' && text.includes('198.51.100.2"'))
      throw new OpRefused('EINVAL', 'not this one')
  }
  await a.dataplane.comeUp()
  t.strictSame(
    a.dataplane.table().filter(line => !line.startsWith(' ')),
    ['tcp 198.51.100.1 80 wrr', 'tcp 198.51.100.3 80 wrr'],
  )
  t.match((await a.send('GET', `${url}2`)).json(), {
    status: { operatingStatus: 'ERROR', reasons: [{ code: 'NOT_APPLIED' }, {}] },
  })
  a.dataplane.before = () => undefined
  t.equal((await a.send('PATCH', `${url}2`, { scheduler: 'rr' })).statusCode, 200, 'added again')
  t.match((await a.send('GET', `${url}2`)).json(), { status: { operatingStatus: 'ONLINE' } })
  t.equal(a.dataplane.table().length, 9)
})

t.test('writes at the same time: one after the other, none refused', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', url, { ...web, realServers: {} })
  let inside = 0
  a.dataplane.before = async () => {
    t.equal(++inside, 1)
    await new Promise(resolve => setImmediate(resolve))
    inside--
  }
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      a.send('PUT', `${url}/real-servers/r${i}`, { address: `10.0.0.${i + 1}` }),
    ),
  )
  t.ok(answers.every(({ statusCode }) => statusCode === 201))
  const revisions = answers.map(({ headers }) => Number(headers['config-revision']))
  t.strictSame(
    revisions,
    Array.from({ length: 20 }, (_, i) => i + 2),
  )
  t.equal(a.dataplane.table().length, 21)
})

t.test('after stop nothing is written any more', async t => {
  const a = await startAppliance()
  await a.control.stop()
  t.match((await a.send('PUT', url, web)).json(), { status: 503, code: 'SHUTTING_DOWN' })
  await a.close()
})
