import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import t from 'tap'
import { MarkRuleConfig } from '../../server/schemas/mark-rule.js'
import { RealServerConfig } from '../../server/schemas/real-server.js'
import { SettingsConfig } from '../../server/schemas/settings.js'
import { VirtualServiceConfig } from '../../server/schemas/virtual-service.js'
import { faultsOf } from '../../server/schemas/walk.js'
import { startAppliance, web, type Appliance } from './fixtures/appliance.js'
import { FakeDataplane } from './fixtures/fake-dataplane.js'
import { seed } from './fixtures/seed.js'

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(
    null,
    -1,
    0,
    65536,
    2 ** 53,
    1e400,
    '',
    '0.0.0.0',
    '::',
    '::ffff:1.2.3.4',
  ),
  fc.constantFrom<unknown>('constructor', '__proto__', 'x'.repeat(5000), [], {}, [[]], { a: {} }),
)
const mostly = <T>(good: fc.Arbitrary<T>) => fc.oneof({ weight: 8, arbitrary: good }, odd)
const name = mostly(fc.constantFrom('a', 'b', 'c')) as fc.Arbitrary<string>
const last = fc.integer({ min: 1, max: 4 })

const server = fc.record(
  {
    address: mostly(last.map(n => `10.0.0.${n}`)),
    port: mostly(fc.constantFrom(80, 8080)),
    weight: mostly(fc.nat(5)),
    forwarding: mostly(fc.constantFrom('masq', 'dr', 'tunnel', 'local')),
    tunnel: mostly(fc.constantFrom({ type: 'gre' }, { type: 'gue', port: 6080 }, {})),
    adminState: mostly(fc.constantFrom('enabled', 'draining', 'disabled')),
    upperThreshold: mostly(fc.constantFrom(0, 10)),
    labels: mostly(fc.constant({ a: 'b' })),
    constructor: odd,
  },
  { requiredKeys: ['address'] },
)
const common = {
  scheduler: mostly(fc.constantFrom('rr', 'mh')),
  onePacket: mostly(fc.boolean()),
  healthChecks: mostly(
    fc.constantFrom(
      { named: ['a'] },
      { named: ['a', 'b'], required: 1 },
      { inline: { x: { kind: 'tcp', rise: 1 } } },
      { required: 2 },
    ),
  ),
  realServers: mostly(fc.dictionary(fc.constantFrom('a', 'b', 'c'), server)),
}
const markService = fc.record(
  {
    ...common,
    fwmark: mostly(fc.integer({ min: 1, max: 3 })),
    addressFamily: mostly(fc.constantFrom('ipv4', 'ipv6')),
  },
  { requiredKeys: ['fwmark', 'addressFamily'] },
)
const rule = fc.record(
  {
    mark: mostly(fc.integer({ min: 1, max: 3 })),
    addressFamily: mostly(fc.constant('ipv4')),
    protocol: mostly(fc.constantFrom('tcp', 'any', '47', '017')),
    source: mostly(fc.constantFrom('192.0.2.0/24', '192.0.2.1')),
    destination: mostly(fc.constantFrom('198.51.100.0/24', '198.51.100.1/24')),
    destinationPorts: mostly(fc.constantFrom(['80'], ['80', '1-99'], [])),
    interface: mostly(fc.constantFrom('eth0', 'eth1')),
    order: mostly(fc.nat(3)),
    labels: mostly(fc.constant({ a: 'b' })),
  },
  { requiredKeys: ['mark', 'addressFamily'] },
)
const settings = fc.record(
  {
    timeouts: mostly(fc.constantFrom({ tcpSeconds: 1 }, { udpSeconds: 2678401 }, {})),
    connReuseMode: mostly(fc.nat(3)),
    sloppyTcp: mostly(fc.boolean()),
    pmtuDisc: mostly(fc.boolean()),
    dropEntry: mostly(fc.nat(3)),
    amDroprate: mostly(fc.nat(20)),
    ftpPorts: mostly(fc.uniqueArray(fc.constantFrom(21, 80, 81, 2121))),
    healthCheckTargets: mostly(fc.constantFrom([], ['127.0.0.0/8'], ['::1'], ['x'])),
    stateTimeouts: mostly(
      fc.constantFrom({ tcp: { SYN_RECV: 10 } }, { sctp: { 'C-WAIT': 1 } }, { udp: {} }, {}),
    ),
    drop_entry: odd,
    status: odd,
    meta: odd,
  },
  { requiredKeys: [] },
)
const service = fc.record(
  {
    ...common,
    protocol: mostly(fc.constantFrom('tcp', 'udp')),
    address: mostly(last.map(n => `198.51.100.${n}`)),
    port: mostly(fc.constantFrom(80, 81)),
    schedulerFlags: mostly(fc.constantFrom([], ['flag-1'], ['mh-port'])),
    persistence: mostly(fc.constant({ timeoutSeconds: 5 })),
    meta: odd,
    status: odd,
  },
  { requiredKeys: ['protocol', 'address', 'port'] },
)
const check = fc.record(
  {
    kind: mostly(fc.constantFrom('tcp', 'http', 'external')),
    intervalMilliseconds: mostly(fc.constantFrom(99, 1000)),
    targetAddress: mostly(fc.constantFrom('127.0.0.1', '10.0.0.9', '::1')),
    path: mostly(fc.constantFrom('/', 'x')),
    match: mostly(fc.constantFrom({ text: 'a' }, { hex: 'A0' }, {})),
    labels: mostly(fc.constant({ a: 'b' })),
  },
  { requiredKeys: ['kind'] },
)
const services = '/v1/virtual-services'
const path = fc.oneof(
  fc.constantFrom('a', 'b', 'c').map(each => `${services}/${each}`),
  fc
    .tuple(fc.constantFrom('a', 'b'), fc.constantFrom('a', 'b', 'c'))
    .map(([first, second]) => `${services}/${first}/real-servers/${second}`),
  fc.constantFrom('a', 'b').map(each => `${services}/${each}/real-servers`),
  fc.string().map(text => `${services}/${encodeURIComponent(text)}`),
  fc.constantFrom('a', 'b', 'c').map(each => `/v1/mark-rules/${each}`),
  fc.constantFrom('a', 'b').map(each => `/v1/health-checks/${each}`),
  fc.constantFrom('/v1/settings', '/v1/settings', '/v1/stats/zero'),
)
const set = fc.record({
  items: fc.array(server.chain(each => name.map(n => ({ name: n, ...each })))),
})
const request = fc.record({
  method: fc.constantFrom('PUT', 'PUT', 'PUT', 'PATCH', 'DELETE', 'GET', 'POST'),
  url: path,
  body: fc.oneof(service, markService, server, set, rule, check, settings, odd),
})

const state = ({ control, dataplane, host }: Appliance) =>
  JSON.stringify([
    control.revision(),
    control.services.list({}, { limit: 1000, labels: [] }),
    control.markRules.list({}, { limit: 1000, labels: [] }),
    control.healthChecks.list({}, { limit: 1000, labels: [] }),
    control.settings.get(),
    dataplane.markRules,
    dataplane.settings,
    dataplane.table(),
    host.addresses(),
    host.guarded(),
  ])

t.test('whatever is sent: no 5xx, a refusal changes nothing, all parts agree', async t => {
  const property = fc.asyncProperty(fc.array(request, { maxLength: 12 }), async requests => {
    const a = await startAppliance()
    try {
      for (const { method, url, body } of requests) {
        const before = state(a)
        const answer = await a.send(method, url, method === 'GET' ? undefined : body)
        if (answer.statusCode >= 500) throw new Error(answer.body)
        const after = state(a)
        if ((answer.statusCode >= 400 || method === 'GET') && before !== after)
          throw new Error(`${answer.statusCode} changed the state`)
        if (answer.statusCode < 300 && ['PUT', 'PATCH'].includes(method)) await roundTrip(a, url)
      }
      await agree(a)
    } finally {
      await a.close()
    }
  })
  await fc.assert(property, { seed: seed(t), numRuns: 100 })
})

/** GET x | PUT x changes no byte. */
async function roundTrip(a: Appliance, url: string) {
  const first = await a.send('GET', url)
  const second = await a.send('PUT', url, first.body)
  if (second.body !== first.body) throw new Error(`${first.body} became ${second.body}`)
}

/** What was applied step by step is what a new worker would be given. */
async function agree(a: Appliance) {
  const rest = () => JSON.stringify([a.dataplane.settings, a.dataplane.markRules])
  const stepwise = a.dataplane.table()
  const before = rest()
  await a.dataplane.comeUp()
  const restored = a.dataplane.table()
  if (rest() !== before) throw new Error(`${before}\n--- but restored ---\n${rest()}`)
  if (JSON.stringify(sorted(stepwise)) !== JSON.stringify(sorted(restored)))
    throw new Error(`${stepwise.join('\n')}\n--- but restored ---\n${restored.join('\n')}`)
}

/** Services in any order, but real servers as they come: schedulers depend on it. */
const sorted = (table: readonly string[]) =>
  table
    .join('\n')
    .split(/\n(?! )/)
    .sort()

t.test('bodies of every shape', async t => {
  const a = await startAppliance({ dataplane: new FakeDataplane() })
  t.teardown(() => a.close())
  await a.send('PUT', `${services}/web`, web)
  const before = state(a)
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.uint8Array().map(octets => Buffer.from(octets)),
  )
  const refused = fc.asyncProperty(text, fc.constantFrom('PUT', 'PATCH'), async (body, method) => {
    const answer = await a.send(method, `${services}/web`, body)
    return answer.statusCode === 200 || (answer.statusCode < 500 && state(a) === before)
  })
  // An empty patch is the one text that is right; it changes nothing either.
  await fc.assert(refused, { seed: seed(t), numRuns: 500 })
  t.equal(state(a), before)
})

t.test('the walker accepts exactly what TypeBox’s validator accepts', async t => {
  for (const [schema, documents] of [
    [VirtualServiceConfig, service],
    [RealServerConfig, server],
    [MarkRuleConfig, rule],
    [SettingsConfig, settings],
  ] as const) {
    const oracle = Compile(JSON.parse(JSON.stringify(schema)) as object)
    const same = fc.property(fc.oneof(documents, odd), value => {
      const plain = JSON.parse(JSON.stringify(value ?? null)) as unknown
      return (faultsOf(schema, plain).length === 0) === oracle.Check(plain)
    })
    fc.assert(same, { seed: seed(t), numRuns: 3000 })
  }
})
