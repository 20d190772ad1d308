// Metrics of real traffic, judged by Debian's promtool and taken in by a real Prometheus.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FAMILIES, inUrl, VIP } from '../lab/cast.js'
import { API } from '../lab/api.js'
import { fetchOne } from '../lab/curl.js'
import { Sluice } from '../lab/sluice.js'
import { checkMetrics } from '../fixtures/promtool.js'
import { endStage, setStage } from './stage.js'
import { httpService } from './traffic.js'

const REQUESTS = 5
/** How long Prometheus may take for its first scrapes, on a busy machine. */
const PATIENCE_MS = 30_000
const WEB = '127.0.0.1:9090'

const stage = await setStage(t, (lab, director) => Sluice.start(lab, director), { servers: 2 })
const { lab, topology, director } = stage
const curl = (url: string, ...options: string[]) =>
  topology.director.must(['curl', '-sS', '-g', '-m', '20', ...options, url])

t.test('counters of real connections', async t => {
  for (const family of FAMILIES) {
    await director.putService(`web-${family}`, httpService(family, { a: 1, b: 2 }))
    for (let i = 0; i < REQUESTS; i++)
      await fetchOne(lab, topology.client, `http://${inUrl(VIP[family])}/`)
  }
  const text = await curl(`http://${API}/metrics`)
  t.equal(checkMetrics(text), '', 'promtool has nothing to say')
  const valueOf = (name: string, labels: string) =>
    Number(new RegExp(`^${name}\\{${labels}\\} (\\S+)$`, 'm').exec(text)?.[1])
  for (const family of FAMILIES) {
    const service = `service="web-${family}"`
    t.equal(valueOf('sluice_service_connections_total', service), REQUESTS)
    const of = (server: string) =>
      valueOf('sluice_real_server_connections_total', `${service},real_server="${server}"`)
    t.equal(of('a') + of('b'), REQUESTS)
    // A connection of TCP with a request and an answer: at least four packets each way.
    t.ok(valueOf('sluice_service_incoming_packets_total', service) >= 4 * REQUESTS)
    t.ok(valueOf('sluice_service_outgoing_bytes_total', service) >= 4 * 40 * REQUESTS)
  }
  const loop = (name: string) => valueOf(`sluice_dataplane_loop_${name}`, 'worker="0"')
  t.ok(loop('sleeps_total') > 0 && loop('slept_seconds_total') > 0, 'it has slept')
  t.ok(loop('wake_ups_total') > 0, 'and was woken')
  t.ok(loop('turn_seconds_count') > 0, 'turns with packets were measured')
  t.ok(loop('batch_packets_sum') >= 8 * REQUESTS * FAMILIES.length)
  t.ok(loop('messages_total') >= 2, 'the configuration came in messages')
  t.ok(loop('turn_seconds_sum') / loop('turn_seconds_count') < 1, 'in seconds')
})

t.test('Prometheus takes them in, as OpenMetrics', async t => {
  const folder = lab.folder
  const file = join(folder, 'prometheus.yml')
  writeFileSync(file, `scrape_configs:\n${job('open')}`)
  const prometheus = topology.director.start(
    [
      ...['prometheus', `--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'tsdb')}`],
      ...[`--web.listen-address=${WEB}`, '--log.level=debug'],
    ],
    { name: 'prometheus' },
  )
  await prometheus.waitFor(/Server is ready to receive web requests/, PATIENCE_MS)
  const query = async (expression: string) => {
    const encoded = ['--get', '--data-urlencode', `query=${expression}`]
    const text = await curl(`http://${WEB}/api/v1/query`, ...encoded)
    return (JSON.parse(text) as Answer).data.result
  }
  const untilMs = performance.now() + PATIENCE_MS
  let up = await query('up')
  while (up.length === 0 && performance.now() < untilMs) up = await query('up')
  t.equal(up[0]?.value[1], '1', 'scraped without a fault')
  const family = 'ipv6'
  const [told] = await query(`sluice_service_connections_total{service="web-${family}"}`)
  t.equal(told?.value[1], String(REQUESTS))
  const [head] = await query('prometheus_target_scrapes_exceeded_sample_limit_total')
  t.notOk(head, 'only we were asked')
  const types = JSON.parse(await curl(`http://${WEB}/api/v1/targets/metadata?limit=5000`)) as {
    data: { metric: string; type: string; unit: string }[]
  }
  const typeOf = (metric: string) => types.data.find(each => each.metric === metric)?.type
  t.equal(typeOf('sluice_service_connections'), 'counter', 'without _total: it was OpenMetrics')
  t.equal(typeOf('sluice_build'), 'info')
  t.equal(typeOf('sluice_api_request_duration_seconds'), 'histogram')
  t.notMatch(prometheus.stderr, /append failed|out of order|duplicate|error/i)
  t.equal(await prometheus.stop('SIGTERM', 10_000), 0)
})

interface Answer {
  data: { result: { metric: Record<string, string>; value: [number, string] }[] }
}

const job = (name: string) =>
  [
    `  - job_name: ${name}`,
    '    scrape_interval: 500ms',
    '    scrape_timeout: 500ms',
    '    static_configs:',
    `      - targets: ['${API}']`,
    '',
  ].join('\n')

endStage(t, stage)
