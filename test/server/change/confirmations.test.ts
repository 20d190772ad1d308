import t from 'tap'
import { startAppliance, web } from '../fixtures/appliance.js'

const url = '/v1/virtual-services/web'
interface Operation {
  id: string
  state: string
  revision: number
  rolledBackBy: number | null
  deadline: string
}

/** A clock moved by hand, and the work that waits for it. */
class Clock {
  nowMs = Date.UTC(2030, 0, 1)
  #waiting: { atMs: number; work: () => void }[] = []
  readonly now = () => new Date(this.nowMs)
  readonly after = (delayMs: number, work: () => void) => {
    const entry = { atMs: this.nowMs + delayMs, work }
    this.#waiting.push(entry)
    return () => void (this.#waiting = this.#waiting.filter(each => each !== entry))
  }

  advance(seconds: number): void {
    this.nowMs += seconds * 1000
    const due = this.#waiting.filter(({ atMs }) => atMs <= this.nowMs)
    this.#waiting = this.#waiting.filter(each => !due.includes(each))
    for (const { work } of due) work()
  }
}

const fewer = { virtualServices: { web: { realServers: { b: null } } } }

async function begin(file = ':memory:') {
  const clock = new Clock()
  const { now, after } = clock
  const a = await startAppliance({ file, now, after })
  await a.send('PUT', url, web)
  const before = (await a.send('GET', '/v1/config')).body
  const begun = await a.send('PATCH', '/v1/config?confirmWithinSeconds=60', fewer)
  return { a, clock, before, begun, id: begun.json<Operation>().id }
}

t.test('in force at once, taken back when nobody confirms', async t => {
  const { a, clock, before, begun, id } = await begin()
  t.teardown(() => a.close())
  t.equal(begun.statusCode, 202)
  t.equal(begun.headers.location, `/v1/operations/${id}`)
  t.match(begun.json(), { state: 'waiting', revision: 2, deadline: '2030-01-01T00:01:00.000Z' })
  t.equal(a.dataplane.table().length, 2, 'in force')
  clock.advance(59)
  t.match((await a.send('GET', `/v1/operations/${id}`)).json(), { state: 'waiting' })
  await a.send('PUT', '/v1/virtual-services/other', { ...web, address: '198.51.100.11' })
  clock.advance(1)
  // Behind the rollback, as every write is.
  await a.send('PATCH', '/v1/settings', {})
  t.match((await a.send('GET', `/v1/operations/${id}`)).json(), {
    ...{ state: 'rolledBack', rolledBackBy: 4, endedAt: '2030-01-01T00:01:00.000Z' },
  })
  const { virtualServices } = (await a.send('GET', '/v1/config')).json<{
    virtualServices: Record<string, unknown>
  }>()
  t.strictSame(Object.keys(virtualServices), ['other', 'web'], 'what others did since stays')
  const old = JSON.parse(before) as { virtualServices: Record<string, unknown> }
  t.strictSame(virtualServices.web, old.virtualServices.web)
  t.equal(a.dataplane.table().length, 6)
  t.match((await a.send('GET', '/v1/config/revisions')).json<{ items: object[] }>().items[0], {
    ...{ revision: 4, actor: { kind: 'system' }, message: /2 was not confirmed/ },
  })
})

t.test('confirmed it stays; cancelled it goes at once; neither can be changed', async t => {
  const { a, clock, before, id } = await begin()
  t.teardown(() => a.close())
  const confirm = () => a.send('POST', `/v1/operations/${id}/confirm`)
  t.match((await confirm()).json(), { state: 'confirmed' })
  t.match((await confirm()).json(), { state: 'confirmed' }, 'again')
  clock.advance(3600)
  t.equal(a.control.revision(), 2)
  t.equal((await a.send('DELETE', `/v1/operations/${id}`)).statusCode, 409)
  const back = await a.send('POST', '/v1/config/rollbacks?confirmWithinSeconds=5', { revision: 1 })
  const other = back.json<Operation>().id
  t.equal((await a.send('GET', '/v1/config')).body, before)
  t.match((await a.send('POST', `/v1/operations/${other}/cancel`)).json(), { state: 'cancelled' })
  t.equal(a.dataplane.table().length, 2)
  t.equal(a.control.revision(), 4)
  clock.advance(3600)
  t.equal(a.control.revision(), 4)
  const same = await a.send('PATCH', '/v1/config?confirmWithinSeconds=5', {})
  t.equal(same.statusCode, 200, 'what changes nothing has nothing to be confirmed')
})

t.test('a restart forgets nothing: expired, it is gone before anything is in force', async t => {
  const { a, clock, before, id } = await begin(`${t.testdir()}/a.db`)
  const file = a.database.name
  await a.close()
  clock.advance(30)
  const { now, after } = clock
  const b = await startAppliance({ file, now, after })
  t.match((await b.send('GET', `/v1/operations/${id}`)).json(), { state: 'waiting' })
  t.equal(b.dataplane.table().length, 2)
  await b.close()
  clock.advance(31)
  const c = await startAppliance({ file, now, after })
  t.teardown(() => c.close())
  t.equal((await c.send('GET', '/v1/config')).body, before)
  t.strictSame(
    c.dataplane.log.map(({ op }) => op),
    ['restore', 'announce'],
    'the dataplane never saw it again',
  )
  t.match((await c.send('GET', `/v1/operations/${id}`)).json(), {
    ...{ state: 'rolledBack', rolledBackBy: 3 },
  })
})

t.test('a rollback that cannot be carried out is tried again', async t => {
  const { a, clock, before, id } = await begin()
  t.teardown(() => a.close())
  a.host.before = call => {
    if (call === 'beforeApply') throw new Error('busy')
  }
  clock.advance(60)
  await a.send('PATCH', '/v1/settings', {})
  t.match((await a.send('GET', `/v1/operations/${id}`)).json(), { state: 'waiting' })
  a.host.before = () => undefined
  clock.advance(1)
  await a.send('PATCH', '/v1/settings', {})
  t.equal((await a.send('GET', '/v1/config')).body, before)
})

t.test('what others changed since stays, also in what the change itself had changed', async t => {
  const { a, clock } = await begin()
  t.teardown(() => a.close())
  // Somebody who has seen that b is gone makes another of that name, and names the service's owner.
  const b = { address: '10.0.0.9', port: 8099 }
  await a.send('PUT', `${url}/real-servers/b`, b)
  await a.send('PATCH', url, { labels: { owner: 'them' } })
  clock.advance(60)
  await a.send('PATCH', '/v1/settings', {})
  t.match((await a.send('GET', `${url}/real-servers/b`)).json(), b)
  t.match((await a.send('GET', url)).json(), { labels: { owner: 'them' } })
})

t.test('two that wait for the same field: what there was before both of them is back', async t => {
  const clock = new Clock()
  const a = await startAppliance({ now: clock.now, after: clock.after })
  t.teardown(() => a.close())
  await a.send('PUT', url, { ...web, labels: { colour: 'red', env: 'prod' } })
  const before = (await a.send('GET', '/v1/config')).body
  const change = async (withinS: number, labels: object) =>
    a.send('PATCH', `/v1/config?confirmWithinSeconds=${withinS}`, {
      virtualServices: { web: { labels } },
    })
  const settled = () => a.send('PATCH', '/v1/settings', {})
  const labels = async () => (await a.send('GET', url)).json<{ labels: object }>().labels
  await change(10, { colour: 'green', env: 'test' })
  await change(20, { colour: 'blue' })
  clock.advance(10)
  await settled()
  t.strictSame(await labels(), { colour: 'blue', env: 'prod' }, 'the second goes on waiting')
  clock.advance(10)
  await settled()
  t.equal((await a.send('GET', '/v1/config')).body, before)
  // In the other order, the second is back at the first.
  await change(20, { colour: 'green' })
  await change(10, { colour: 'blue' })
  clock.advance(10)
  await settled()
  t.match(await labels(), { colour: 'green' })
  clock.advance(10)
  await settled()
  t.equal((await a.send('GET', '/v1/config')).body, before)
})
