// What health checks take and find is told, and stops being told when they are gone.
import t from 'tap'
import { checkMetrics } from '../../fixtures/promtool.js'
import { startAppliance, web } from '../fixtures/appliance.js'
import { FakeEngine } from '../fixtures/fake-engine.js'

const service = '/v1/virtual-services/web'

t.test('states and durations', async t => {
  const engine = new FakeEngine()
  const a = await startAppliance({ engine })
  t.teardown(() => a.close())
  const inline = { port: { kind: 'tcp' }, page: { kind: 'http' }, late: { kind: 'udp' } }
  await a.send('PUT', service, { ...web, healthChecks: { inline } })
  engine.find('web/a', { port: 'up', page: 'down', late: 'unknown' }, null, ['port'])
  engine.latencies.add('http', 'failure', 2)
  engine.latencies.add('http', 'failure', 40)
  engine.latencies.add('http', 'failure', 60_000)
  const read = async () => (await a.send('GET', '/metrics')).body
  const text = await read()
  const lines = (name: string, all = text) =>
    all.split('\n').filter(line => line.startsWith(`sluice_health_${name}`))
  const up = (check: string, kind: string) =>
    `check_up{service="web",real_server="a",check="${check}",kind="${kind}",via="direct"}`
  t.strictSame(lines('check_up').sort(), [
    `sluice_health_${up('page', 'http')} 0`,
    `sluice_health_${up('port', 'tcp')} 1`,
  ])
  t.strictSame(lines('check_warned'), [
    `sluice_health_${up('port', 'tcp').replace('check_up', 'check_warned')} 1`,
  ])
  t.strictSame(lines('checks{'), [
    'sluice_health_checks{state="up"} 1',
    'sluice_health_checks{state="down"} 1',
    'sluice_health_checks{state="unknown"} 4',
  ])
  const labels = 'kind="http",via="direct",outcome="failure"'
  const series = (suffix: string) => lines(`check_duration_seconds_${suffix}`)[0]!.split(' ')[1]
  t.equal(series(`bucket{${labels},le="0.001"}`), '0')
  t.equal(series(`bucket{${labels},le="0.0025"}`), '1')
  t.equal(series(`bucket{${labels},le="0.05"}`), '2')
  t.equal(series(`bucket{${labels},le="10.0"}`), '2')
  t.equal(series(`bucket{${labels},le="+Inf"}`), '3')
  t.equal(series(`count{${labels}}`), '3')
  t.equal(series(`sum{${labels}}`), '60.042')
  t.equal(checkMetrics(text), '')
  await a.send('DELETE', service)
  t.strictSame(lines('check_up', await read()), [])
})
