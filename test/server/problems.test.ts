import { connect } from 'node:net'
import { pino } from 'pino'
import t from 'tap'
import { buildApp } from '../../server/app.js'
import { Gate } from '../../server/auth/gate.js'
import type { Control } from '../../server/control.js'
import { Metrics } from '../../server/metrics/metrics.js'
import { openDatabase } from '../../server/db.js'
import { Problem, problems, type ProblemCode } from '../../server/errors.js'
import { faults } from '../../server/faults.js'
import { OpRefused } from '../../server/dataplane/dataplane-client.js'
import { openAccess, startAppliance, web, type Appliance } from './fixtures/appliance.js'

const url = '/v1/virtual-services/web'
const maintenance = { selector: { address: '10.0.0.1' }, deadlineSeconds: 1 }
interface Minted {
  token: string
}
type Answer = Awaited<ReturnType<Appliance['send']>>

/** What makes each problem, told to an appliance that has the service `web`. */
const makers: Readonly<Record<string, (a: Appliance) => Promise<Answer>>> = {
  MALFORMED_JSON: a => a.send('PUT', url, '{"a":'),
  MALFORMED_YAML: a => a.send('PUT', url, 'a: [', { 'content-type': 'application/yaml' }),
  REVISION_NOT_FOUND: a => a.send('GET', '/v1/config/revisions/99'),
  REVISION_GONE: a => {
    a.database.exec('DELETE FROM revision WHERE revision = 0')
    return a.send('POST', '/v1/config/rollbacks', { revision: 0 })
  },
  OPERATION_NOT_FOUND: a => a.send('GET', '/v1/operations/none'),
  OPERATION_ENDED: async a => {
    const change = [{ op: 'patch', path: '/v1/settings', value: { sloppyTcp: true } }]
    const begun = await a.send('POST', '/v1/changesets?confirmWithinSeconds=60', change)
    const { id } = begun.json<{ id: string }>()
    await a.send('POST', `/v1/operations/${id}/confirm`)
    return a.send('POST', `/v1/operations/${id}/cancel`)
  },
  NOT_CONFIRMABLE: async a => {
    const drain = await a.send('PUT', `${url}/real-servers/a/drain?`, { deadlineSeconds: 60 })
    t.equal(drain.statusCode, 200, 'nothing is left to wait for')
    const { items } = (await a.send('GET', '/v1/operations')).json<{ items: { id: string }[] }>()
    return a.send('POST', `/v1/operations/${items[0]!.id}/confirm`)
  },
  IDEMPOTENCY_KEY_REUSED: async a => {
    const headers = { 'idempotency-key': 'k' }
    await a.send('POST', '/v1/changesets', [{ op: 'delete', path: url }], headers)
    return a.send('POST', '/v1/changesets', [], headers)
  },
  MISSING_BODY: a => a.send('PUT', url),
  INVALID_REQUEST: a => a.send('GET', '/v1/virtual-services/%zz'),
  INVALID_PARAMETER: a => a.send('GET', '/v1/virtual-services?limit=x&limit=2&nope=1&cursor=!'),
  FILTER_REQUIRED: a => a.send('DELETE', '/v1/connections?kind=connection'),
  NOT_FOUND: a => a.send('GET', '/v2'),
  SERVICE_NOT_FOUND: a => a.send('PATCH', '/v1/virtual-services/none', {}),
  REAL_SERVER_NOT_FOUND: a => a.send('GET', `${url}/real-servers/none`),
  DRAIN_NOT_FOUND: a => a.send('GET', `${url}/real-servers/a/drain`),
  REAL_SERVER_DISABLED: async a => {
    await a.send('PATCH', `${url}/real-servers/a`, { adminState: 'disabled' })
    return a.send('PUT', `${url}/real-servers/a/drain`, { deadlineSeconds: 1 })
  },
  MAINTENANCE_NOT_FOUND: a => a.send('GET', '/v1/maintenances/none'),
  BELOW_MINIMUM: async a => {
    await a.send('PATCH', url, { policy: { minimumUsable: 2 } })
    return a.send('PUT', '/v1/maintenances/host', maintenance)
  },
  NOTHING_SELECTED: a =>
    a.send('PUT', '/v1/maintenances/host', {
      ...maintenance,
      selector: { labels: { rack: '3' } },
    }),
  DRAIN_OF_MAINTENANCE: async a => {
    await a.send('PUT', '/v1/maintenances/host', maintenance)
    return a.send('DELETE', `${url}/real-servers/a/drain`)
  },
  MARK_RULE_NOT_FOUND: a => a.send('PATCH', '/v1/mark-rules/none', {}),
  HEALTH_CHECK_NOT_FOUND: a => a.send('PATCH', '/v1/health-checks/none', {}),
  HEALTH_CHECK_IN_USE: async a => {
    await a.send('PUT', '/v1/health-checks/port', { kind: 'tcp' })
    await a.send('PATCH', url, { healthChecks: { named: ['port'] } })
    return a.send('DELETE', '/v1/health-checks/port')
  },
  NOT_CHECKED: a => a.send('POST', `${url}/real-servers/a/checks/runs`),
  CHECK_NOT_EXTERNAL: async a => {
    await a.send('PATCH', url, { healthChecks: { inline: { port: { kind: 'tcp' } } } })
    return a.send('PUT', `${url}/real-servers/a/checks/port/state`, { state: 'up' })
  },
  HEALTH_CHECKS_UNAVAILABLE: async a => {
    // Nothing runs them here.
    await a.send('PATCH', url, { healthChecks: { inline: { port: { kind: 'tcp' } } } })
    return a.send('POST', `${url}/real-servers/a/checks/runs`)
  },
  UNAUTHENTICATED: a => {
    const gate = new Gate({ tokens: a.access.tokens, open: false })
    return buildApp({ control: a.control, access: { ...a.access, gate } }).inject(url)
  },
  TOKEN_REFUSED: a => a.send('GET', url, undefined, { authorization: 'Bearer nobody' }),
  INSUFFICIENT_SCOPE: async a => {
    const { token } = (await a.send('POST', '/v1/tokens', { scope: 'operate' })).json<Minted>()
    return a.send('PUT', url, web, { authorization: `Bearer ${token}` })
  },
  TOKENS_GUESSED: async a => {
    const wrong = { authorization: 'Bearer nobody' }
    for (let i = 0; i < 10; i++) await a.send('GET', url, undefined, wrong)
    return a.send('GET', url, undefined, wrong)
  },
  CHECK_RUN_TOO_OFTEN: async a => {
    const runs = `${url}/real-servers/a/checks/runs`
    await a.send('PATCH', url, { healthChecks: { inline: { port: { kind: 'tcp' } } } })
    for (let i = 0; i < 3; i++) await a.send('POST', runs)
    return a.send('POST', runs)
  },
  TOKEN_NOT_FOUND: a => a.send('DELETE', '/v1/tokens/none'),
  WEBHOOK_NOT_FOUND: a => a.send('POST', '/v1/webhooks/none/tests'),
  TOKEN_EXISTS: async a => {
    await a.send('POST', '/v1/tokens', { name: 'ci', scope: 'read' })
    return a.send('POST', '/v1/tokens', { name: 'ci', scope: 'read' })
  },
  EVENTS_REWOUND: a => a.send('GET', '/v1/events?after=4000000000'),
  EVENTS_TRUNCATED: a => {
    a.database.exec('UPDATE journal_removed SET through = 9')
    return a.send('GET', '/v1/events?after=8')
  },
  RATE_LIMITED: async a => {
    const defences = { requestsPerMinute: 1, eventLoopDelayMs: 60_000 }
    const app = buildApp({ control: a.control, access: a.access, defences })
    await app.inject(url)
    return app.inject(url)
  },
  OVERLOADED: async a => {
    const defences = { requestsPerMinute: 0, eventLoopDelayMs: 0.001 }
    const app = buildApp({ control: a.control, access: a.access, defences })
    await app.ready()
    // The plugin measures for a second before it says anything.
    let answer = await app.inject(url)
    while (answer.statusCode === 200) {
      await new Promise(resolve => setImmediate(resolve))
      answer = await app.inject(url)
    }
    return answer
  },
  TOO_MANY_READERS: a => {
    for (let i = 0; i < 256; i++) a.access.journal.subscribe(() => {})
    return a.send('GET', '/v1/events')
  },
  METHOD_NOT_ALLOWED: a => a.send('POST', '/v1/virtual-services', {}),
  SERVICE_EXISTS: a => a.send('PUT', '/v1/virtual-services/twin', { ...web, realServers: {} }),
  REAL_SERVER_EXISTS: a =>
    a.send('PUT', `${url}/real-servers/twin`, { address: '10.0.0.1', port: 8080 }),
  LIMIT_REACHED: a => refusing(a, 'ENOSPC'),
  PRECONDITION_FAILED: a => a.send('PUT', url, web, { 'if-match': '"old"' }),
  BODY_TOO_LARGE: a => a.send('PUT', url, `"${'x'.repeat(1024 * 1024)}"`),
  URI_TOO_LONG: a => a.send('GET', `/v1/virtual-services/${'x'.repeat(2000)}`),
  UNSUPPORTED_MEDIA_TYPE: a => a.send('PUT', url, '<a/>', { 'content-type': 'text/xml' }),
  VALIDATION_FAILED: a => a.send('PUT', url, {}),
  NOT_SUPPORTED_YET: a => a.send('PATCH', '/v1/settings', { syncVersion: 0 }),
  INTERFACE_NOT_FOUND: a => failingHost(a, new Problem('INTERFACE_NOT_FOUND', 'no eth9')),
  INTERNAL_ERROR: a => {
    a.dataplane.before = () => {
      throw new Error('a bug')
    }
    const endpoint = { address: '192.0.2.1', port: 1 }
    const packet = { protocol: 'tcp', client: endpoint, virtual: endpoint }
    return a.send('POST', '/v1/simulations', packet)
  },
  DATAPLANE_REFUSED: a => refusing(a, 'EINVAL'),
  STORAGE_FAILED: a => {
    a.database.pragma('query_only = ON')
    return a.send('PATCH', url, { scheduler: 'rr' })
  },
  HOST_FAILED: a => failingHost(a, new Error('nft')),
  DATAPLANE_UNAVAILABLE: a => {
    a.dataplane.goDown('down')
    return a.send('PUT', url, web)
  },
  APPLY_PENDING: a => {
    a.host.before = call => {
      if (call === 'afterApply') throw new Error('busy')
    }
    return a.send('PATCH', url, { scheduler: 'rr' })
  },
  SHUTTING_DOWN: async a => {
    await a.control.stop()
    return a.send('PATCH', url, { scheduler: 'rr' })
  },
}

function refusing(a: Appliance, code: 'ENOSPC' | 'EINVAL') {
  a.dataplane.before = op => {
    if (op.op === 'batch') throw new OpRefused(code, 'no')
  }
  return a.send('PATCH', url, { scheduler: 'rr' })
}

function failingHost(a: Appliance, error: Error) {
  a.host.before = call => {
    if (call === 'beforeApply') throw error
  }
  return a.send('PATCH', url, { scheduler: 'rr' })
}

for (const [code, make] of Object.entries(makers)) {
  t.test(code, async t => {
    const a = await startAppliance()
    t.teardown(() => a.close())
    await a.send('PUT', url, web)
    const answer = await make(a)
    const { status, title } = problems[code as ProblemCode]
    t.equal(answer.statusCode, status, answer.body)
    t.equal(answer.headers['content-type'], 'application/problem+json')
    t.match(answer.json(), { type: `/problems/${code}`, title, status, code, detail: /./ })
    t.equal(answer.json<{ requestId: string }>().requestId, answer.headers['x-request-id'])
    if (status === 405) t.equal(answer.headers.allow, 'GET, HEAD')
  })
}

/** These are about HTTP itself and need a real connection. */
const overTheWire: Readonly<Record<string, string>> = {
  HEADERS_TOO_LARGE: `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  INVALID_REQUEST: 'NONSENSE\r\n\r\n',
}

t.test('over the wire', async t => {
  const database = openDatabase(':memory:')
  const access = openAccess(database)
  const app = buildApp({
    control: { metrics: new Metrics() } as Control,
    access,
    logger: pino({ level: 'silent' }),
  })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as { port: number }
  const talk = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text))
      let answer = ''
      socket.on('data', chunk => void (answer += chunk.toString()))
      socket.on('end', () => resolve(answer))
      socket.on('error', reject)
    })
  for (const [code, text] of Object.entries(overTheWire)) {
    const [head, body] = (await talk(text)).split('\r\n\r\n') as [string, string]
    t.match(head, new RegExp(`^HTTP/1.1 ${problems[code as ProblemCode].status} `))
    t.match(head, /Content-Type: application\/problem\+json/)
    t.match(JSON.parse(body), { code })
  }
  // Node checks for slow requests every 30 s; the answer itself is made at once.
  const slow = new Promise<string>(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n'))
    socket.on('data', chunk => resolve(chunk.toString()))
    app.server.once('connection', (server: import('node:net').Socket) => {
      const error = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
      setImmediate(() => app.server.emit('clientError', error, server))
    })
  })
  t.match(await slow, /^HTTP\/1.1 408 [\s\S]*REQUEST_TIMEOUT/)
})

/** Made below, and in listeners.test.ts over TLS. */
const ELSEWHERE = ['REQUEST_TIMEOUT', 'CERTIFICATE_REFUSED']

t.test('every code of the table is made by a test, and explained', async t => {
  const tested = new Set([...Object.keys(makers), ...Object.keys(overTheWire), ...ELSEWHERE])
  t.strictSame([...tested].sort(), Object.keys(problems).sort())
  const a = await startAppliance()
  t.teardown(() => a.close())
  for (const code of [...Object.keys(problems), ...Object.keys(faults)]) {
    const answer = await a.send('GET', `/problems/${code}`)
    t.equal(answer.statusCode, 200, code)
    t.match(answer.json(), { code, title: /./, about: /./ })
  }
})

t.test('what a body may be is said where it was not that', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const large = await a.send('PUT', url, `"${'x'.repeat(1024 * 1024)}"`)
  t.match(large.json(), { code: 'BODY_TOO_LARGE', detail: /larger than the 1048576 octets/ })
  const packed = await a.send('PUT', url, web, { 'content-encoding': 'gzip' })
  t.match(packed.json(), { code: 'UNSUPPORTED_MEDIA_TYPE', detail: /Content-Encoding gzip/ })
  t.equal(packed.headers['accept-encoding'], 'identity')
})

t.test('parameters: every fault at once', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const query = 'limit=1001&protocol=tpc&address=x&port=70000&nope=1&cursor=zz&labels==x'
  const answer = await a.send('GET', `/v1/virtual-services?${query}`)
  const found = answer.json<{ errors: { parameter: string; code: string; hint?: string }[] }>()
  t.strictSame(
    found.errors.map(({ parameter, code }) => `${parameter} ${code}`),
    [
      'limit INVALID_PARAMETER',
      'protocol INVALID_PARAMETER',
      'address INVALID_PARAMETER',
      'port INVALID_PARAMETER',
      'nope UNKNOWN_PARAMETER',
    ],
  )
  for (const cursor of ['zz', '%00', Buffer.from("x' OR 1").toString('base64url')])
    t.match((await a.send('GET', `/v1/virtual-services?cursor=${cursor}`)).json(), {
      status: 400,
      errors: [{ parameter: 'cursor', code: 'INVALID_CURSOR' }],
    })
  t.match((await a.send('GET', '/v1/virtual-services?labels=x')).json(), {
    status: 400,
    errors: [{ parameter: 'labels', code: 'INVALID_LABEL' }],
  })
  t.match((await a.send('PUT', '/v1/virtual-services/Web', web)).json(), {
    status: 400,
    errors: [{ parameter: 'name', code: 'INVALID_NAME' }],
  })
  t.match((await a.send('DELETE', '/v1/virtual-services/web?missingOk=yes')).json(), {
    status: 400,
  })
  t.equal((await a.send('GET', '/v1/version?x=1')).statusCode, 400)
  t.equal((await a.send('OPTIONS', '/v1/virtual-services/web')).statusCode, 204)
  const twice = await a.send('PUT', url, '{"port": 80, "port": 81}')
  t.match(twice.json(), { status: 422, detail: /column 14/, errors: [{ code: 'DUPLICATE_FIELD' }] })
  t.match((await a.send('PUT', url, Buffer.from([0x22, 0xff, 0x22]))).json(), {
    code: 'MALFORMED_JSON',
    detail: /UTF-8/,
  })
})
