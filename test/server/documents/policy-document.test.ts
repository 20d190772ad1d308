import t from 'tap'
import { startAppliance, web, type Appliance } from '../fixtures/appliance.js'

const URL = '/v1/virtual-services/web'

const policy = {
  quorum: { up: 3 },
  sorryServer: { address: '10.0.0.9' },
  onDown: 'reselect',
  minimumActive: 1,
  slowStart: { seconds: 30 },
}
/** The same, as it is read in full and without defaults. */
const FULL = {
  quorum: { up: 3, down: 3 },
  sorryServer: { address: '10.0.0.9', port: 80, forwarding: 'masq', inhibit: false },
  onDown: 'reselect',
  inhibitOnFailure: false,
  minimumActive: 1,
  minimumUsable: 1,
  slowStart: { seconds: 30, startPercent: 10 },
}
const DECLARED = {
  quorum: { up: 3 },
  sorryServer: { address: '10.0.0.9' },
  onDown: 'reselect',
  slowStart: { seconds: 30 },
}

async function started(t: { teardown(work: () => unknown): void }, body: object) {
  const appliance = await startAppliance()
  t.teardown(() => appliance.close())
  const created = await appliance.send('PUT', URL, body)
  if (created.statusCode !== 201) throw new Error(created.body)
  return appliance
}

const policyOf = async (appliance: Appliance, query = '') =>
  (await appliance.send('GET', `${URL}${query}`)).json<{ policy?: object }>().policy

t.test('a policy is read in full, and without what it has by default', async t => {
  const appliance = await started(t, { ...web, policy })
  t.strictSame(await policyOf(appliance), FULL)
  t.strictSame(await policyOf(appliance, '?view=declared'), DECLARED)
})

t.test('both views sent back change nothing', async t => {
  const appliance = await started(t, { ...web, policy })
  for (const query of ['', '?view=declared']) {
    const read = await appliance.send('GET', `${URL}${query}`)
    const again = await appliance.send('PUT', URL, read.json())
    t.equal(again.headers['config-revision'], '1', again.body)
  }
})

t.test('a policy of defaults alone is none', async t => {
  const appliance = await started(t, { ...web, policy: { onDown: 'keep', minimumUsable: 1 } })
  t.equal(await policyOf(appliance), undefined)
})

t.test('a merge patch reaches into it, and takes it away', async t => {
  const appliance = await started(t, { ...web, policy })
  const patch = { policy: { sorryServer: null, allDown: 'failOpen', quorum: { down: 1 } } }
  t.equal((await appliance.send('PATCH', URL, patch)).statusCode, 200)
  t.strictSame(await policyOf(appliance), {
    quorum: { up: 3, down: 1 },
    allDown: 'failOpen',
    onDown: 'reselect',
    inhibitOnFailure: false,
    minimumActive: 1,
    minimumUsable: 1,
    slowStart: { seconds: 30, startPercent: 10 },
  })
  await appliance.send('PATCH', URL, { policy: null })
  t.equal(await policyOf(appliance), undefined)
})

t.test("a sorry server's port follows that of the service where it must", async t => {
  const sorryServer = { address: '10.0.0.9', forwarding: 'dr' }
  const appliance = await started(t, { ...web, policy: { sorryServer } })
  const moved = await appliance.send('PATCH', URL, { port: 81 })
  t.equal(moved.statusCode, 200, moved.body)
  t.match(await policyOf(appliance), { sorryServer: { port: 81 } })
})

t.test('priorities of real servers come and go; 0 is none', async t => {
  const realServers = { a: { address: '10.0.0.1', priority: 10 }, b: { address: '10.0.0.2' } }
  const appliance = await started(t, { ...web, realServers })
  const read = async (name: string) =>
    (await appliance.send('GET', `${URL}/real-servers/${name}`)).json<{ priority?: number }>()
  t.equal((await read('a')).priority, 10)
  t.equal((await read('b')).priority, undefined)
  await appliance.send('PATCH', `${URL}/real-servers/a`, { priority: 0 })
  t.equal((await read('a')).priority, undefined)
})

t.test('a real server cannot be put where the sorry server is', async t => {
  const appliance = await started(t, { ...web, policy })
  const put = await appliance.send('PUT', `${URL}/real-servers/c`, { address: '10.0.0.9' })
  t.match(put.json(), {
    code: 'REAL_SERVER_EXISTS',
    errors: [
      { pointer: '/address', detail: 'The sorry server of this service already has 10.0.0.9:80.' },
    ],
  })
})

t.test('differences name the field; a rollback brings it back', async t => {
  const appliance = await started(t, { ...web, policy })
  await appliance.send('PATCH', URL, { policy: { quorum: { up: 5 } } })
  const diff = await appliance.send('GET', '/v1/config/revisions/2/diff?against=1')
  t.match(diff.json(), {
    changes: [{ name: 'web', fields: [{ pointer: '/policy/quorum/up', before: 3, after: 5 }] }],
  })
  const back = await appliance.send('POST', '/v1/config/rollbacks', { revision: 1 })
  t.equal(back.statusCode, 200, back.body)
  t.strictSame(await policyOf(appliance), FULL)
})

t.test('it is still there after a restart', async t => {
  const file = `${t.testdir()}/sluice.db`
  const first = await startAppliance({ file })
  await first.send('PUT', URL, { ...web, policy })
  await first.send('PATCH', `${URL}/real-servers/a`, { priority: 7 })
  await first.close()
  const second = await startAppliance({ file })
  t.teardown(() => second.close())
  t.strictSame(await policyOf(second), FULL)
  t.match((await second.send('GET', `${URL}/real-servers/a`)).json(), { priority: 7 })
})
