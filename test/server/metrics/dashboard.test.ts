// The dashboard and the alerts ask for nothing that /metrics does not tell, in words that promtool takes.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { DatabaseMetrics } from '../../../server/metrics/database-metrics.js'
import { ProcessMetrics } from '../../../server/metrics/process-metrics.js'
import { checkFile } from '../../fixtures/promtool.js'
import { ROOT } from '../../lab/root.js'
import { Receiver } from '../webhooks/receiver.js'
import { FakeEngine } from '../fixtures/fake-engine.js'
import { startAppliance, web } from '../fixtures/appliance.js'

interface Panel {
  id: number
  title: string
  type: string
  targets?: { expr: string; refId: string }[]
  gridPos: { x: number; y: number; w: number; h: number }
}
interface Dashboard {
  panels: Panel[]
  templating: { list: { name: string; query: string | { query: string } }[] }
}

const folder = join(ROOT, 'server/metrics')
const read = (file: string) => readFileSync(join(folder, file), 'utf8')
const dashboard = JSON.parse(read('grafana/sluice.json')) as Dashboard
const targets = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr })),
)

/** Names of samples that a whole appliance with something in it tells. */
async function samplesOf(): Promise<ReadonlySet<string>> {
  const engine = new FakeEngine()
  const a = await startAppliance({ engine })
  const process = new ProcessMetrics()
  a.control.metrics.before(process.prepare)
  a.control.metrics.add(new DatabaseMetrics(a.database).collect, process.collect)
  const healthChecks = { inline: { tls: { kind: 'tls' } } }
  await a.send('PUT', '/v1/virtual-services/web', { ...web, healthChecks })
  engine.find('web/a', { tls: 'up' }, null, ['tls'])
  const health = { state: 'up', since: '2030-01-01T00:00:00.000Z', detail: null } as const
  const to = await Receiver.open()
  await a.send('PUT', '/v1/webhooks/pager', { url: to.url, events: ['change'] })
  await a.send('PUT', '/v1/health-checks/web', { kind: 'tcp' })
  while (a.access.webhooks.get('pager').lastSuccessAt === null)
    await new Promise(resolve => setImmediate(resolve))
  await to.close()
  a.control.health.set('web', 'a', health)
  const text = (await a.send('GET', '/metrics')).body
  await a.close()
  return new Set([...text.matchAll(/^([a-z]\w*)[ {]/gm)].map(([, name]) => name!))
}

const namesIn = (expr: string) => [
  ...expr.replaceAll(/"[^"]*"/g, '').matchAll(/\b(?:sluice|nodejs|process)_\w+/g),
]

t.test('every expression of the dashboard', async t => {
  const known = await samplesOf()
  const filled = (expr: string) =>
    expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(job|instance|service)/g, '.*')
  const rules = targets.map(({ expr }, i) => ({ record: `test:${i}`, expr: filled(expr) }))
  const said = checkFile(['check', 'rules'], JSON.stringify({ groups: [{ name: 'x', rules }] }))
  t.match(said, `SUCCESS: ${targets.length} rules found`)
  t.ok(targets.length > 30)
  for (const { title, expr } of targets) {
    t.notMatch(filled(expr), '$', `${title} knows its variables`)
    t.ok(namesIn(expr).length > 0, title)
    for (const [name] of namesIn(expr)) t.ok(known.has(name), `${title}: ${name}`)
  }
  for (const { name, query } of dashboard.templating.list) {
    const text = typeof query === 'string' ? query : query.query
    for (const [metric] of namesIn(text)) t.ok(known.has(metric), `${name}: ${metric}`)
  }
  t.throws(() =>
    checkFile(['check', 'rules'], 'groups: [{ name: x, rules: [{ record: a, expr: "(" }] }]'),
  )
})

t.test('panels lie side by side', async t => {
  const ids = dashboard.panels.map(({ id }) => id)
  t.equal(new Set(ids).size, ids.length)
  const taken = new Map<string, string>()
  for (const { title, gridPos } of dashboard.panels)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        if (x >= 24 || taken.has(`${x} ${y}`)) t.fail(`${title} lies on ${taken.get(`${x} ${y}`)}`)
        taken.set(`${x} ${y}`, title)
      }
  t.ok(taken.size > 0)
})

t.test('alerts are valid, ask for what there is, and each is tried', async t => {
  const known = await samplesOf()
  const promtool = (...args: string[]) =>
    execFileSync('promtool', args, { cwd: join(folder, 'prometheus'), encoding: 'utf8' })
  t.match(promtool('check', 'rules', 'alerts.yml'), 'SUCCESS')
  t.match(promtool('test', 'rules', 'alerts.test.yml'), 'SUCCESS')
  const { groups } = parse(read('prometheus/alerts.yml')) as {
    groups: { rules: { alert: string; expr: string }[] }[]
  }
  for (const { alert, expr } of groups.flatMap(({ rules }) => rules)) {
    for (const [name] of namesIn(expr)) t.ok(known.has(name), `${alert}: ${name}`)
    t.match(read('prometheus/alerts.test.yml'), alert)
  }
})
