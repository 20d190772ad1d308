import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Media } from '../../server/openapi/document.js'
import { openApi30File, openApiFile } from '../../server/openapi-file.js'
import { assertUnderstood } from '../../server/schemas/walk.js'
import { HealthCheckConfig } from '../../server/schemas/health-check.js'
import { ZeroRequest } from '../../server/schemas/live.js'
import { MarkRuleConfig } from '../../server/schemas/mark-rule.js'
import { RealServerConfig, RealServerSet } from '../../server/schemas/real-server.js'
import { RunRequest, StateReport } from '../../server/schemas/server-checks.js'
import { SettingsConfig } from '../../server/schemas/settings.js'
import { SimulationRequest } from '../../server/schemas/simulation.js'
import { VirtualServiceConfig } from '../../server/schemas/virtual-service.js'
import { startAppliance, web, type Appliance } from './fixtures/appliance.js'
import { document, errorsOf, text, text30 } from './openapi/published.js'
import { shown as operations } from './openapi/replay.js'

t.test('the committed documents are those that the routes make', async t => {
  t.equal(readFileSync(openApiFile, 'utf8'), text, 'else: npm run openapi')
  t.equal(readFileSync(openApi30File, 'utf8'), text30, 'else: npm run openapi')
})

t.test('every operation is described', async t => {
  const ids = operations.map(({ operationId }) => operationId)
  t.equal(new Set(ids).size, ids.length)
  for (const { operationId, summary, tags, path, parameters = [], responses } of operations) {
    const verbs = 'list|get|put|patch|create|delete|zero|simulate|import|export|apply|plan|rollback'
    t.match(operationId, new RegExp(`^(${verbs}|confirm|cancel)[A-Z]`))
    t.ok(summary && tags.length === 1, operationId)
    const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1])
    const given = parameters.filter(each => each.in === 'path').map(({ name }) => name)
    t.strictSame(given, wanted)
    for (const [status, { content }] of Object.entries(responses)) {
      if (Number(status) < 400) continue
      const schema = content!['application/problem+json']!.schema
      t.strictSame(schema, { $ref: '#/components/schemas/Problem' }, `${operationId} ${status}`)
    }
    t.ok(Object.keys(responses).some(status => Number(status) >= 400) || path === '/healthz')
  }
})

t.test('components have names of their own, and all references lead somewhere', async t => {
  const references = [...text.matchAll(/"\$ref": "([^"]+)"/g)].map(match => match[1]!)
  t.ok(references.length > 20)
  for (const reference of new Set(references)) {
    const name = /^#\/components\/schemas\/([A-Z]\w+)$/.exec(reference)?.[1]
    t.ok(name !== undefined && name in document.components.schemas, reference)
  }
  t.notMatch(text, /def-\d|x-component|"~/)
})

t.test('the walker looks at every keyword of what clients may send', async t => {
  const written = [RealServerConfig, RealServerSet, VirtualServiceConfig, MarkRuleConfig]
  const checks = [HealthCheckConfig, RunRequest, StateReport]
  for (const schema of [...written, ...checks, SettingsConfig, ZeroRequest, SimulationRequest])
    t.doesNotThrow(() => assertUnderstood(schema))
})

t.test('every operation has examples, and the schemas accept them', async t => {
  const check = (what: string, { schema, example }: Media) => {
    if (schema?.type === 'string' && example === undefined) return
    t.not(example, undefined, `${what} has an example`)
    t.strictSame(errorsOf(schema!, example), [], what)
  }
  for (const { operationId, parameters = [], requestBody, responses } of operations) {
    for (const parameter of parameters)
      if (parameter.in === 'path' || parameter.required || parameter.example !== undefined)
        check(`${operationId} ${parameter.name}`, parameter)
    for (const media of Object.values(requestBody?.content ?? {})) check(operationId, media)
    for (const [status, { content = {} }] of Object.entries(responses))
      for (const media of Object.values(content)) check(`${operationId} ${status}`, media)
  }
})

t.test('other answers are what the document says too', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const check = async (operationId: string, url: string, body?: unknown) => {
    const { method, responses } = operations.find(each => each.operationId === operationId)!
    const answer = await a.send(method.toUpperCase(), url, body)
    const described = responses[String(answer.statusCode)]
    t.ok(described, `${operationId} may answer ${answer.statusCode}: ${answer.body.slice(0, 200)}`)
    if (!described?.content) return t.equal(answer.body, '')
    const type = String(answer.headers['content-type']).split(';')[0]!
    const { schema } = described.content[type]!
    t.strictSame(errorsOf(schema!, answer.json()), [], `${operationId} ${answer.statusCode}`)
  }
  const service = '/v1/virtual-services/web'
  const server = `${service}/real-servers/a`
  const example = (name: string) => document.components.schemas[name]!.examples![0]
  await check('putVirtualService', service, example('VirtualServiceConfig'))
  await check('putVirtualService', service, web)
  await check('putVirtualService', '/v1/virtual-services/six', {
    protocol: 'udp',
    address: '2001:db8::1',
    port: 0,
    persistence: {},
    interface: 'eth0',
    realServers: { c: { address: '2001:db8::2', adminState: 'disabled' } },
  })
  await check('putRealServer', server, example('RealServerConfig'))
  await check('putRealServers', `${service}/real-servers`, example('RealServerSet'))
  const rule = '/v1/mark-rules/web'
  await check('putMarkRule', rule, example('MarkRuleConfig'))
  await check('putMarkRule', rule, { mark: 1, addressFamily: 'ipv6', interface: 'eth0' })
  await check('patchMarkRule', rule, { source: '2001:db8::/32' })
  await check('patchMarkRule', rule, { source: 'x' })
  await check('putVirtualService', '/v1/virtual-services/mark', {
    ...{ fwmark: 1, addressFamily: 'ipv4' },
    realServers: { t: { address: '2001:db8::2', forwarding: 'tunnel', tunnel: { type: 'gre' } } },
  })
  const ping = '/v1/health-checks/ping'
  await check('putHealthCheck', ping, example('HealthCheckConfig'))
  await check('putHealthCheck', ping, { kind: 'icmp', path: '/' })
  await check('patchHealthCheck', ping, { kind: 'tls', verify: true })
  await check('putVirtualService', '/v1/virtual-services/checked', {
    ...{ ...web, port: 443, healthChecks: { named: ['ping'], inline: { port: { kind: 'tcp' } } } },
    realServers: { c: { address: '10.0.0.3', healthChecks: { named: [], targetPort: 8443 } } },
  })
  await check('deleteHealthCheck', ping)
  await check('putSettings', '/v1/settings', example('SettingsConfig'))
  await check('patchSettings', '/v1/settings', { timeouts: { udpSeconds: 30 } })
  await check('patchSettings', '/v1/settings', { conntrack: true })
  await check('patchSettings', '/v1/settings', { secureTcp: 3, ftpPorts: [21, 2121] })
  await check('patchSettings', '/v1/settings', { stateTimeouts: { tcp: { FIN_WAIT: 1 } } })
  await check('createToken', '/v1/tokens', example('TokenRequest'))
  await check('createToken', '/v1/tokens', example('TokenRequest'))
  await check('createToken', '/v1/tokens', {})
  await check('listTokens', '/v1/tokens')
  await check('getToken', '/v1/tokens/ci')
  await check('deleteToken', '/v1/tokens/ci')
  await check('deleteToken', '/v1/tokens/ci')
  await check('zeroStatistics', '/v1/stats/zero', example('ZeroRequest'))
  await check('zeroStatistics', '/v1/stats/zero')
  await check('zeroStatistics', '/v1/stats/zero', { service: 'none' })
  await checkReads(check, a, service, server)
  await check('deleteMarkRule', rule)
  await check('getMarkRule', rule)
  await check('patchVirtualService', service, { scheduler: 'rr' })
  await check('patchRealServer', server, { adminState: 'draining' })
  await check('getRealServer', server)
  await check('patchRealServer', server, { weight: 'x' })
  await check('deleteRealServer', server)
  await check('deleteVirtualService', service)
  await check('deleteVirtualService', service)
})

async function checkReads(
  check: (operationId: string, url: string) => Promise<unknown>,
  a: Appliance,
  service: string,
  server: string,
) {
  await check('listVirtualServices', '/v1/virtual-services?limit=1')
  await check('getVirtualService', service)
  await check('listRealServers', `${service}/real-servers`)
  await check('getRealServer', server)
  await check('listMarkRules', '/v1/mark-rules')
  await check('getMarkRule', '/v1/mark-rules/web')
  await check('listHealthChecks', '/v1/health-checks')
  await check('getHealthCheck', '/v1/health-checks/ping')
  await check('getSettings', '/v1/settings')
  await check('listConnections', '/v1/connections')
  await check('getStatistics', '/v1/stats')
  await check('listInterfaces', '/v1/interfaces')
  await check('getVersion', '/v1/version')
  await check('getHealth', '/healthz')
  await check('getReadiness', '/readyz')
  await check('getProblem', '/problems/UNKNOWN_FIELD')
  await check('getProblem', '/problems/NOT_FOUND')
  await check('getProblem', '/problems/constructor')
  const reason = a.dataplane.reason
  a.dataplane.goDown('down')
  await check('getReadiness', '/readyz')
  await a.dataplane.comeUp()
  a.dataplane.reason = reason
}
