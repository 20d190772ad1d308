import t from 'tap'
import { startAppliance, type Appliance } from '../fixtures/appliance.js'
import { EngineDataplane } from '../fixtures/engine-dataplane.js'
import { FakeDataplane } from '../fixtures/fake-dataplane.js'
import { checkMetrics } from '../../fixtures/promtool.js'
import type { Dataplane } from '../../../server/dataplane/dataplane-client.js'
import { ProcessMetrics } from '../../../server/metrics/process-metrics.js'
import { DatabaseMetrics } from '../../../server/metrics/database-metrics.js'
import { COUNTER_NAMES } from '../../../dataplane/counters.js'
import { Col, STRIDE } from '../../../dataplane/shared/statistics.js'

const VIP = '198.51.100.10'
const OPEN = 'application/openmetrics-text; version=1.0.0'
/** As Prometheus 2.42 and 3 ask. */
const PROMETHEUS_2 =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,' +
  'text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,' +
  'application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,' +
  'text/plain;version=0.0.4;q=0.3,*/*;q=0.2'

const web = {
  ...{ protocol: 'tcp', address: VIP, port: 80, scheduler: 'rr' },
  realServers: {
    a: { address: '10.0.0.11', port: 8080, weight: 3 },
    b: { address: '10.0.0.12', port: 8080, adminState: 'draining' },
    c: { address: '10.0.0.13', port: 8080, adminState: 'disabled' },
  },
}

async function scrape(appliance: Appliance<Dataplane>, accept?: string) {
  const headers = accept === undefined ? {} : { accept }
  const answer = await appliance.send('GET', '/metrics', undefined, headers)
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return { text: answer.body, type: String(answer.headers['content-type']) }
}

/** Value of a sample, by its whole name with labels. */
const valueOf = (text: string, sample: string): number | undefined => {
  const line = text.split('\n').find(each => each.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length + 1))
}

t.test('what traffic was, by configured names', async t => {
  const dataplane = new EngineDataplane()
  const a = await startAppliance({ dataplane })
  t.teardown(() => a.close())
  dataplane.topology.addAddress(`${VIP}/32`, 'eth0')
  t.equal((await a.send('PUT', '/v1/virtual-services/web', web)).statusCode, 201)
  await a.send('PUT', '/v1/virtual-services/marked', {
    ...{ fwmark: 7, addressFamily: 'ipv4', realServers: {} },
  })
  const packet = (srcPort: number, dstPort: number) => ({
    ...{ src: '192.0.2.1', dst: VIP, tcp: { srcPort, dstPort, seq: 1, ack: 1, flags: 'S' } },
  })
  for (const port of [1000, 1001, 1002]) dataplane.receive(packet(port, 80))
  dataplane.advance(4)
  const drain = { deadlineSeconds: 60 }
  await a.send('PUT', '/v1/virtual-services/web/real-servers/a/drain', drain)
  const later = {
    selector: { address: '10.0.0.11' },
    deadlineSeconds: 300,
    startAt: '2099-01-01T00:00:00Z',
  }
  t.equal((await a.send('PUT', '/v1/maintenances/host', later)).statusCode, 201)
  a.control.health.set('web', 'b', {
    ...{ state: 'down', since: '2030-01-01T00:00:00.000Z', detail: 'refused' },
  })

  const { text, type } = await scrape(a)
  t.equal(type, 'text/plain; version=0.0.4; charset=utf-8')
  const service = '{service="web"}'
  const server = (name: string) => `{service="web",real_server="${name}"}`
  const stats = (await a.send('GET', '/v1/stats')).json<{
    services: { name: string; cps: number; inBps: number }[]
  }>()
  const { cps, inBps } = stats.services.find(each => each.name === 'web')!
  t.ok(inBps > 0, 'the estimator has run')
  const expected: Record<string, number | undefined> = {
    [`sluice_service_connections_total${service}`]: 3,
    // 40 octets of IPv4 and TCP each.
    [`sluice_service_incoming_bytes_total${service}`]: 120,
    [`sluice_real_server_incoming_packets_total${server('a')}`]: 3,
    [`sluice_real_server_incoming_packets_total${server('b')}`]: 0,
    [`sluice_service_connections_per_second${service}`]: cps,
    [`sluice_service_incoming_bytes_per_second${service}`]: inBps,
    [`sluice_service_active_connections${service}`]: 3,
    [`sluice_real_server_active_connections${server('a')}`]: 3,
    [`sluice_service_real_servers${service}`]: 3,
    [`sluice_service_usable_real_servers${service}`]: 0,
    [`sluice_service_in_force${service}`]: 1,
    [`sluice_real_server_weight${server('a')}`]: 3,
    [`sluice_real_server_effective_weight${server('a')}`]: 0,
    [`sluice_real_server_draining${server('a')}`]: 1,
    [`sluice_real_server_draining${server('b')}`]: undefined,
    ['sluice_real_server_health{service="web",real_server="b",state="down"}']: 1,
    ['sluice_real_server_health{service="web",real_server="b",state="up"}']: 0,
    ['sluice_real_server_health{service="web",real_server="a",state="up"}']: undefined,
    [`sluice_real_server_health_since_timestamp_seconds${server('b')}`]:
      Date.UTC(2030, 0, 1) / 1000,
    ['sluice_connections{worker="0"}']: 3,
    ['sluice_connections_limit']: 4096 - 8,
    ['sluice_scheduled_connections_total']: 3,
    ['sluice_virtual_services']: 2,
    ['sluice_real_servers']: 3,
    ['sluice_drains{state="running"}']: 1,
    ['sluice_maintenances{state="scheduled"}']: 1,
    ['sluice_maintenances{state="active"}']: 0,
    ['sluice_config_revision']: a.control.revision(),
    ['sluice_dataplane_up']: 1,
  }
  for (const [sample, value] of Object.entries(expected))
    t.equal(valueOf(text, sample), value, sample)
  t.match(
    text,
    'sluice_service_info{service="web",address="198.51.100.10",port="80",protocol="tcp",' +
      'scheduler="rr",fwmark=""} 1\n',
  )
  t.match(text, 'sluice_service_info{service="marked",address="",')

  dataplane.receive(packet(2000, 81), { ...packet(2001, 80), ipChecksum: 1 } as never)
  const after = await scrape(a)
  t.equal(valueOf(after.text, `sluice_service_connections_total${service}`), 3)
  t.ok(
    valueOf(after.text, 'sluice_api_requests_total{method="GET",route="/metrics",status="200"}')! >
      0,
  )
})

t.test('both formats, to whom they belong', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', '/v1/virtual-services/web', web)
  for (const [accept, type] of [
    [undefined, /^text\/plain; version=0\.0\.4/],
    ['*/*', /^text\/plain; version=0\.0\.4/],
    ['text/plain', /^text\/plain; version=0\.0\.4/],
    ['text/html,*/*;q=0.8', /^text\/plain; version=0\.0\.4/],
    [OPEN, /^application\/openmetrics-text; version=1\.0\.0/],
    ['application/openmetrics-text', /^application\/openmetrics-text; version=1\.0\.0/],
    ['application/openmetrics-text; version=0.0.1,text/plain;q=0.1', /^text\/plain/],
    [PROMETHEUS_2, /^application\/openmetrics-text; version=1\.0\.0/],
    [PROMETHEUS_3, /^application\/openmetrics-text; version=1\.0\.0/],
    [`${OPEN};q=0.2,text/plain;version=0.0.4;q=0.9`, /^text\/plain/],
  ] as const)
    t.match((await scrape(a, accept)).type, type, accept ?? 'no Accept')
  const { text } = await scrape(a, OPEN)
  t.ok(text.endsWith('\n# EOF\n'))
  t.match(
    text,
    '# TYPE sluice_service_incoming_bytes counter\n# UNIT sluice_service_incoming_bytes bytes\n',
  )
  t.match(text, 'sluice_service_incoming_bytes_total{service="web"} 0\n')
  t.notMatch(text, 'sluice_service_incoming_bytes_created', 'an operator can set these to zero')
  t.match(text, /^sluice_api_requests_created\{[^}]*\} \d+/m)
})

t.test('promtool has nothing to say', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const process = new ProcessMetrics()
  a.control.metrics.before(process.prepare)
  a.control.metrics.add(new DatabaseMetrics(a.database).collect, process.collect)
  await a.send('PUT', '/v1/virtual-services/web', web)
  await a.send('GET', '/nowhere')
  const { text } = await scrape(a)
  t.equal(checkMetrics(text), '')
  t.match(checkMetrics('x_total 1\n'), 'no help text', 'it would say so')
  for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds'])
    t.ok(Number.isFinite(valueOf(text, name)), name)
  t.equal(valueOf(text, 'sluice_database_transaction_seconds_count'), 0)
  t.match(text, /^sluice_build_info\{version="[^"]+",node_version="v/m)
  t.equal(valueOf(text, 'sluice_api_requests_total{method="GET",route="none",status="404"}'), 1)
  const told = [
    ...text.matchAll(/^sluice_dataplane_drop_reason_info\{reason="(\w+)",help="[^"]+\."\} 1$/gm),
  ]
  const families = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!)
  t.equal(new Set(families).size, families.length, 'each family once')
  const others = families.filter(name => /^sluice_dataplane_.*_total$/.test(name))
  t.ok(told.length + others.length >= COUNTER_NAMES.length, 'no counter is missing')
})

t.test('a part that fails is left out and counted', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  a.control.metrics.add(() => {
    throw new Error('broken')
  })
  a.control.metrics.before(() => Promise.reject(new Error('late')))
  await scrape(a)
  const { text } = await scrape(a)
  t.equal(valueOf(text, 'sluice_metrics_failures_total'), 4)
  t.equal(valueOf(text, 'sluice_metrics_renders_total'), 1)
})

t.test('workers are told apart, and summed where they are one', async t => {
  const dataplane = new FakeDataplane()
  const second = new FakeDataplane().memory
  const several = Object.assign(dataplane, { memories: [dataplane.memory, second], restarts: 2 })
  const a = await startAppliance({ dataplane: several as Dataplane as FakeDataplane })
  t.teardown(() => a.close())
  await a.send('PUT', '/v1/virtual-services/web', web)
  const row = dataplane.services.values().next().value!.row
  for (const [i, memory] of several.memories.entries())
    new Float64Array(memory.services)[row * STRIDE + Col.inPkts] = 10 + i
  const { text } = await scrape(a)
  t.equal(valueOf(text, 'sluice_service_incoming_packets_total{service="web"}'), 21)
  t.equal(valueOf(text, 'sluice_dataplane_received_packets_total{worker="1"}'), 0)
  t.equal(valueOf(text, 'sluice_dataplane_restarts_total'), 2)
})

t.test('a database whose transactions are measured works as before', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  let nowMs = 0
  const metrics = new DatabaseMetrics(a.database, () => (nowMs += 3))
  const work = a.database.transaction((n: number) => {
    if (n < 0) throw new Error('negative')
    return n + 1
  })
  t.equal(work(1), 2)
  t.equal(work.immediate(2), 3)
  t.equal(work.exclusive(2), 3)
  t.throws(() => work(-1), { message: 'negative' })
  t.equal(a.database.inTransaction, false)
  a.control.metrics.add(metrics.collect)
  const { text } = await scrape(a)
  t.equal(valueOf(text, 'sluice_database_transaction_seconds_count'), 4)
  t.equal(valueOf(text, 'sluice_database_transaction_seconds_sum'), 0.012)
})
