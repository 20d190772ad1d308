// Checks that cannot be had here are refused when they are written down, wherever that is.
import t from 'tap'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startAppliance, web, type Appliance } from '../fixtures/appliance.js'

const NOTHING = { platform: { serviceProbes: false, commands: false, files: false } }
const url = '/v1/health-checks/vip'
const service = '/v1/virtual-services/web'
const COMMAND = { kind: 'command', program: 'check' }
const FILE = { kind: 'file', file: 'state' }
const through = { kind: 'tcp', via: 'service' }

interface Refusal {
  code: string
  detail: string
  errors: { pointer: string; code: string; hint: string }[]
}
type Answer = Awaited<ReturnType<Appliance['send']>>
const faultsIn = (answer: Answer): unknown[] => [
  answer.statusCode,
  ...answer.json<Refusal>().errors.map(({ pointer, code }) => `${pointer} ${code}`),
]

t.test('refused wherever they come in', async t => {
  const a = await startAppliance(NOTHING)
  t.teardown(() => a.close())
  const refused = await a.send('PUT', url, through)
  t.strictSame(faultsIn(refused), [422, '/via NOT_AVAILABLE_HERE'])
  t.match(refused.json(), { code: 'VALIDATION_FAILED', detail: /probes through services/ })
  t.match(refused.json<Refusal>().errors[0]!.hint, /--service-probes/)
  for (const [check, option] of [
    [COMMAND, /--check-commands/],
    [FILE, /--check-files/],
  ] as const) {
    const answer = await a.send('PUT', url, check)
    t.strictSame(faultsIn(answer), [422, '/kind NOT_AVAILABLE_HERE'])
    t.match(answer.json<Refusal>().errors[0]!.hint, option)
  }
  await a.send('PUT', url, { kind: 'tcp' })
  const patched = await a.send('PATCH', url, { via: 'service' })
  t.strictSame(faultsIn(patched), [422, '/via NOT_AVAILABLE_HERE'])

  const inline = { healthChecks: { inline: { vip: through } } }
  const at = '/healthChecks/inline/vip NOT_AVAILABLE_HERE'
  t.strictSame(faultsIn(await a.send('PUT', service, { ...web, ...inline })), [422, at])
  const empty = { ...web, ...inline, realServers: {} }
  t.strictSame(faultsIn(await a.send('PUT', service, empty)), [422, at], 'without real servers')
  t.equal((await a.send('PUT', service, web)).statusCode, 201)
  const server = await a.send('PATCH', `${service}/real-servers/a`, inline)
  t.strictSame(faultsIn(server), [422, at])
  const list = [{ op: 'patch', path: service, value: inline }]
  t.strictSame(faultsIn(await a.send('POST', '/v1/changesets', list)), [422, `/0/value${at}`])
  const config = { healthChecks: { vip: through, s: FILE }, virtualServices: {} }
  const whole = await a.send('PUT', '/v1/config', config)
  t.strictSame(faultsIn(whole), [
    422,
    ...['/healthChecks/vip/via NOT_AVAILABLE_HERE', '/healthChecks/s/kind NOT_AVAILABLE_HERE'],
  ])
})

t.test('what was stored when they could be had stays, and can be worked with', async t => {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-platform-')), 'db')
  const inline = {
    healthChecks: { named: ['vip'], inline: { own: through, program: COMMAND, state: FILE } },
  }
  const before = await startAppliance({ file })
  t.equal((await before.send('PUT', url, through)).statusCode, 201)
  t.equal((await before.send('PUT', service, { ...web, ...inline })).statusCode, 201)
  await before.close()

  const a = await startAppliance({ file, ...NOTHING })
  t.teardown(() => a.close())
  const read = await a.send('GET', service)
  t.equal((await a.send('PUT', service, read.body)).statusCode, 200)
  t.equal((await a.send('PATCH', service, { scheduler: 'wlc' })).statusCode, 200)
  const b = { address: '10.0.0.77', port: 80 }
  t.equal((await a.send('PUT', `${service}/real-servers/new`, b)).statusCode, 201)
  const config = await a.send('GET', '/v1/config')
  t.equal((await a.send('PUT', '/v1/config', config.body)).statusCode, 200)
  const changed = await a.send('PATCH', url, { fall: 7 })
  t.strictSame(faultsIn(changed), [422, '/via NOT_AVAILABLE_HERE'], 'not as another check')
  const other = await a.send('PUT', '/v1/virtual-services/other', {
    ...{ ...web, port: 8081 },
    healthChecks: { named: ['vip'] },
  })
  t.strictSame(faultsIn(other), [422, '/healthChecks/named/0 NOT_AVAILABLE_HERE'])
  t.equal((await a.send('PATCH', url, { via: 'direct' })).statusCode, 200)
})
