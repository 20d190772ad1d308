import { rootCertificates } from 'node:tls'
import t from 'tap'
import { buildApp } from '../../server/app.js'
import { Gate } from '../../server/auth/gate.js'
import { ANSWER_OCTETS_MAX } from '../../server/health/pattern.js'
import { startAppliance, web, type Appliance } from './fixtures/appliance.js'

const url = '/v1/health-checks/web'
const service = '/v1/virtual-services/web'
const http = { kind: 'http', path: '/healthz', statuses: ['200', '300-399'], fall: 2 }

interface Refusal {
  code: string
  detail: string
  errors: { pointer: string; code: string; hint?: string }[]
}
interface List {
  items: { name: string }[]
  nextCursor: string | null
}
const faultsIn = (answer: Awaited<ReturnType<Appliance['send']>>): string[] =>
  answer.json<Refusal>().errors.map(({ pointer, code }) => `${pointer} ${code}`)

t.test('the life of a health check', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const created = await a.send('PUT', url, { ...http, labels: { team: 'x' } })
  t.equal(created.statusCode, 201, created.body)
  t.equal(created.headers.location, url)
  t.match(created.json(), {
    ...{ name: 'web', ...http, intervalMilliseconds: 5000, method: 'GET', headers: {} },
    ...{ initialState: 'lastKnown', via: 'direct', labels: { team: 'x' } },
    ...{ meta: { revision: 1 }, status: { usedBy: [] } },
  })
  const read = await a.send('GET', url)
  t.equal(read.body, created.body)
  const again = await a.send('PUT', url, read.body)
  t.equal(again.statusCode, 200)
  t.equal(again.body, created.body)
  t.equal(again.headers['config-revision'], '1')
  const declared = await a.send('GET', `${url}?view=declared`)
  t.strictSame(declared.json(), { name: 'web', ...http, labels: { team: 'x' } })
  t.equal((await a.send('PUT', url, declared.body)).headers['config-revision'], '1')
  const unchanged = await a.send('GET', url, undefined, {
    'if-none-match': String(read.headers.etag),
  })
  t.equal(unchanged.statusCode, 304)

  const patched = await a.send('PATCH', url, { intervalMilliseconds: 1000, host: 'a.example' })
  t.match(patched.json(), { ...http, intervalMilliseconds: 1000, host: 'a.example' })
  const stale = { 'if-match': String(created.headers.etag) }
  t.equal((await a.send('PUT', url, http, stale)).statusCode, 412)
  t.equal((await a.send('PUT', url, http, { 'if-none-match': '*' })).statusCode, 412)
  const other = await a.send('PATCH', url, { kind: 'tls', serverName: 'a.example' })
  t.match(other.json(), { kind: 'tls', intervalMilliseconds: 1000, fall: 2, verify: false })
  t.notMatch(other.json(), { path: '/healthz' }, 'fields of the old kind go with it')
  t.equal((await a.send('DELETE', url, undefined, stale)).statusCode, 412)
  t.equal((await a.send('DELETE', url)).statusCode, 204)
  t.match((await a.send('GET', url)).json(), { code: 'HEALTH_CHECK_NOT_FOUND' })
  t.match((await a.send('PATCH', url, {})).json(), { code: 'HEALTH_CHECK_NOT_FOUND' })
  t.equal((await a.send('DELETE', url)).statusCode, 404)
  t.equal((await a.send('DELETE', `${url}?missingOk=true`)).statusCode, 204)
})

t.test('every kind: what is read is what may be written', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const kinds = [
    { kind: 'tcp', targetPort: 81, sourceAddress: '192.0.2.1' },
    { kind: 'tls', serverName: 'a.example', verify: true, certificateWarningDays: 0 },
    { kind: 'http', match: { pattern: 'ok|fine' }, headers: { 'X-A': 'b' }, maxBodyBytes: 100 },
    { kind: 'https', host: 'a.example', ca: rootCertificates[0]!, method: 'HEAD' },
    { kind: 'udp', send: { text: 'ping' }, match: { hex: 'FF00' } },
    { kind: 'udp', send: { hex: '0D0A' }, replyRequired: false },
    { kind: 'dns', transport: 'tcp', queryName: 'example.com', queryType: 'A' },
    { kind: 'dns', expectedRcode: 'NXDOMAIN', expectedAnswers: ['192.0.2.1'] },
    { kind: 'icmp', payloadBytes: 0, targetAddress: '10.0.0.9' },
    { kind: 'smtp', hello: 'lb.example', verb: 'HELO' },
    { kind: 'sctp', rise: 1, retryDelayMilliseconds: 500, jitterMilliseconds: 50 },
    { kind: 'command', program: 'check-db', arguments: ['{address}', '{port}'] },
    { kind: 'file', file: 'web.state', expect: 'contents', maxAgeSeconds: 60 },
    { kind: 'external', expirySeconds: 30, initialState: 'down' },
  ]
  for (const check of kinds) {
    const put = await a.send('PUT', url, check)
    t.ok(put.statusCode < 300, put.body)
    const same = await a.send('PUT', url, put.body)
    t.equal(same.body, put.body, check.kind)
    const declared = await a.send('GET', `${url}?view=declared`)
    const back = await a.send('PUT', url, declared.body)
    t.equal(back.body, put.body, check.kind)
    const hex = JSON.stringify({ name: 'web', ...check }).replaceAll(/FF00|0D0A/g, each =>
      each.toLowerCase(),
    )
    t.strictSame(declared.json(), JSON.parse(hex), 'without defaults it is what was written')
  }
})

t.test('every fault is found', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  for (const [check, ...faults] of [
    [{}, '/kind MISSING_FIELD'],
    [{ kind: 'htp' }, '/kind INVALID_VALUE'],
    [{ kind: 'tcp', path: '/' }, '/path CONFLICTING_FIELDS'],
    [{ kind: 'tcp', pth: '/' }, '/pth UNKNOWN_FIELD'],
    [
      { kind: 'external', intervalMilliseconds: 1000, via: 'service' },
      ...['/intervalMilliseconds CONFLICTING_FIELDS', '/via CONFLICTING_FIELDS'],
    ],
    [{ kind: 'tcp', intervalMilliseconds: 99 }, '/intervalMilliseconds OUT_OF_RANGE'],
    [{ kind: 'tcp', rise: 0, fall: 101 }, '/rise OUT_OF_RANGE', '/fall OUT_OF_RANGE'],
    [{ kind: 'tcp', targetAddress: 'localhost' }, '/targetAddress INVALID_ADDRESS'],
    [{ kind: 'tcp', sourceAddress: '224.0.0.1' }, '/sourceAddress INVALID_ADDRESS'],
    [{ kind: 'tcp', targetAddress: '127.0.0.1' }, '/targetAddress TARGET_NOT_ALLOWED'],
    [{ kind: 'tcp', targetAddress: '169.254.169.254' }, '/targetAddress TARGET_NOT_ALLOWED'],
    [{ kind: 'tcp', targetAddress: 'fe80::1' }, '/targetAddress TARGET_NOT_ALLOWED'],
    [{ kind: 'icmp', targetPort: 1 }, '/targetPort CONFLICTING_FIELDS'],
    [
      { kind: 'tcp', via: 'service', targetAddress: '10.0.0.9', targetPort: 1 },
      ...['/targetAddress CONFLICTING_FIELDS', '/targetPort CONFLICTING_FIELDS'],
    ],
    [{ kind: 'http', path: 'healthz' }, '/path INVALID_VALUE'],
    [{ kind: 'http', path: '/a b' }, '/path INVALID_VALUE'],
    [{ kind: 'http', path: '/\r\nX: y' }, '/path INVALID_VALUE'],
    [{ kind: 'http', host: 'a\nb' }, '/host INVALID_VALUE'],
    [{ kind: 'http', headers: { 'a b': 'c' } }, '/headers/a b INVALID_VALUE'],
    [{ kind: 'http', headers: { a: 'b\r\nc' } }, '/headers/a INVALID_VALUE'],
    [{ kind: 'http', headers: { Host: 'b' } }, '/headers/Host INVALID_VALUE'],
    [{ kind: 'http', statuses: [] }, '/statuses INVALID_VALUE'],
    [{ kind: 'http', statuses: ['99'] }, '/statuses INVALID_VALUE'],
    [{ kind: 'http', statuses: ['300-200'] }, '/statuses INVALID_VALUE'],
    [{ kind: 'http', match: {} }, '/match CONFLICTING_FIELDS'],
    [{ kind: 'http', match: { text: 'a', hex: '00' } }, '/match CONFLICTING_FIELDS'],
    [{ kind: 'http', match: { hex: '0' } }, '/match/hex INVALID_VALUE'],
    [{ kind: 'http', match: { text: '' } }, '/match/text INVALID_VALUE'],
    [{ kind: 'http', match: { pattern: '(' } }, '/match/pattern INVALID_PATTERN'],
    [{ kind: 'http', match: { pattern: '(a)\\1' } }, '/match/pattern INVALID_PATTERN'],
    [
      { kind: 'udp', match: { text: 'a' }, replyRequired: false },
      '/replyRequired CONFLICTING_FIELDS',
    ],
    [{ kind: 'http', method: 'HEAD', match: { text: 'a' } }, '/match CONFLICTING_FIELDS'],
    [
      { kind: 'http', match: { pattern: 'a' }, maxBodyBytes: 65_537 },
      '/maxBodyBytes CONFLICTING_FIELDS',
    ],
    [{ kind: 'http', maxBodyBytes: ANSWER_OCTETS_MAX + 1 }, '/maxBodyBytes OUT_OF_RANGE'],
    [{ kind: 'tls', serverName: 'a b' }, '/serverName INVALID_VALUE'],
    [{ kind: 'tls', serverName: '' }, '/serverName INVALID_VALUE'],
    [{ kind: 'dns', queryType: 'FOO' }, '/queryType INVALID_VALUE'],
    [{ kind: 'dns', expectedRcode: 'NXDOMAN' }, '/expectedRcode INVALID_VALUE'],
    ...['a..b', '', '.a', `${'a'.repeat(64)}.b`, 'münchen.example'].map(queryName => [
      { kind: 'dns', queryName },
      '/queryName INVALID_VALUE',
    ]),
    [
      { kind: 'tcp', via: 'service', sourceAddress: '10.0.0.254' },
      '/sourceAddress CONFLICTING_FIELDS',
    ],
    [{ kind: 'command' }, '/program MISSING_FIELD'],
    [{ kind: 'command', program: '../sh' }, '/program INVALID_VALUE'],
    [{ kind: 'command', program: '..' }, '/program INVALID_VALUE'],
    [{ kind: 'file', file: 'a/b' }, '/file INVALID_VALUE'],
    [
      { kind: 'tcp', name: 'other', labels: { '-': 'x' } },
      '/labels/- INVALID_LABEL',
      '/name CONFLICTING_FIELDS',
    ],
  ] as [object, ...string[]][]) {
    const answer = await a.send('PUT', url, check)
    t.equal(answer.statusCode, 422, JSON.stringify(check))
    t.strictSame(faultsIn(answer), faults, JSON.stringify(check))
  }
  t.equal(a.control.revision(), 0)
})

t.test('lists: by name, page by page, filtered', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  for (const [name, kind] of [
    ['c', 'tcp'],
    ['a', 'icmp'],
    ['b', 'tcp'],
  ] as const)
    await a.send('PUT', `/v1/health-checks/${name}`, { kind, labels: { k: kind } })
  const names = async (query: string) => {
    const page = (await a.send('GET', `/v1/health-checks?${query}`)).json<List>()
    return [page.items.map(({ name }) => name).join(''), page.nextCursor] as const
  }
  const [first, cursor] = await names('limit=2')
  t.equal(first, 'ab')
  t.strictSame(await names(`limit=2&cursor=${cursor}`), ['c', null])
  t.strictSame(await names('kind=tcp'), ['bc', null])
  t.strictSame(await names('labels=k=icmp&view=declared'), ['a', null])
})

t.test('services ask for checks, by name and inline; servers have their own', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', url, http)
  const checks = { named: ['web'], inline: { port: { kind: 'tcp', rise: 1 } }, required: 1 }
  const own = { named: [], inline: { ping: { kind: 'icmp' } } }
  const realServers = {
    a: { address: '10.0.0.1', healthChecks: { targetPort: 8081, host: 'a.example' } },
    b: { address: '10.0.0.2', healthChecks: own },
    c: { address: '10.0.0.3', healthChecks: { named: [] } },
  }
  const put = await a.send('PUT', service, { ...web, healthChecks: checks, realServers })
  t.equal(put.statusCode, 201, put.body)
  t.match(put.json(), {
    healthChecks: { named: ['web'], inline: { port: { kind: 'tcp', rise: 1, fall: 3 } } },
    realServers: { a: { healthChecks: { targetPort: 8081 } }, c: { healthChecks: { named: [] } } },
  })
  const read = await a.send('GET', service)
  const revision = String(a.control.revision())
  t.equal((await a.send('PUT', service, read.body)).headers['config-revision'], revision)
  const declared = await a.send('GET', `${service}?view=declared`)
  t.match(declared.json(), { healthChecks: checks })
  t.strictSame(declared.json<{ realServers: unknown }>().realServers, {
    a: { address: '10.0.0.1', healthChecks: { targetPort: 8081, host: 'a.example' } },
    b: { address: '10.0.0.2', healthChecks: { inline: { ping: { kind: 'icmp' } } } },
    c: { address: '10.0.0.3', healthChecks: { named: [] } },
  })
  t.equal((await a.send('PUT', service, declared.body)).headers['config-revision'], revision)
  for (const server of ['a', 'b', 'c']) {
    const one = await a.send('GET', `${service}/real-servers/${server}`)
    const back = await a.send('PUT', `${service}/real-servers/${server}`, one.body)
    t.equal(back.headers['config-revision'], revision, back.body)
  }
  const set = await a.send('GET', `${service}/real-servers`)
  t.equal(
    (await a.send('PUT', `${service}/real-servers`, set.body)).headers['config-revision'],
    revision,
  )
  t.match((await a.send('GET', url)).json(), { status: { usedBy: ['web'] } })

  const gone = await a.send('PATCH', service, { healthChecks: null })
  t.notMatch(gone.json(), { healthChecks: {} })
  t.equal((await a.send('PATCH', service, { healthChecks: {} })).statusCode, 200)
  t.equal(a.control.revision(), Number(revision) + 1, 'no checks are no checks')
})

t.test('what is asked for has to be there, and to be possible', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', '/v1/health-checks/ping', { kind: 'icmp' })
  await a.send('PUT', service, web)
  const refused = async (path: string, body: object, ...faults: string[]) => {
    const answer = await a.send('PATCH', path, body)
    t.equal(answer.statusCode, 422, answer.body)
    t.strictSame(faultsIn(answer), faults, JSON.stringify(body))
  }
  const inService = (healthChecks: object, ...faults: string[]) =>
    refused(service, { healthChecks }, ...faults)
  await inService({ named: ['pong'] }, '/healthChecks/named/0 UNKNOWN_HEALTH_CHECK')
  await inService({ named: ['ping', 'ping'] }, '/healthChecks/named CONFLICTING_FIELDS')
  await inService({ named: ['A'] }, '/healthChecks/named INVALID_NAME')
  await inService({ named: ['ping'], required: 2 }, '/healthChecks/required OUT_OF_RANGE')
  await inService({ required: 1 }, '/healthChecks/required OUT_OF_RANGE')
  await inService(
    { named: ['ping'], inline: { ping: { kind: 'tcp' } } },
    '/healthChecks/inline/ping CONFLICTING_FIELDS',
  )
  await inService(
    { inline: { x: { kind: 'tcp', path: '/', targetAddress: '::1' } } },
    '/healthChecks/inline/x/path CONFLICTING_FIELDS',
  )
  await inService(
    { inline: { x: { kind: 'tcp', targetAddress: '::1' } } },
    '/healthChecks/inline/x TARGET_NOT_ALLOWED',
  )
  await inService(
    { inline: { x: { kind: 'icmp', sourceAddress: '2001:db8:2::fe' } } },
    '/healthChecks/inline/x CONFLICTING_FIELDS',
  )
  const server = `${service}/real-servers/a`
  await refused(
    server,
    { healthChecks: { named: ['nope'], inline: { y: { kind: 'command' } } } },
    '/healthChecks/inline/y/program MISSING_FIELD',
  )
  await refused(
    server,
    { healthChecks: { named: ['ping', 'nope'] } },
    '/healthChecks/named/1 UNKNOWN_HEALTH_CHECK',
  )
  await a.send('PATCH', service, { healthChecks: { named: ['ping'] } })
  await refused(server, { healthChecks: { required: 2 } }, '/healthChecks/required OUT_OF_RANGE')
  await refused(
    server,
    { healthChecks: { targetAddress: '127.0.0.1' } },
    '/healthChecks/targetAddress TARGET_NOT_ALLOWED',
  )
  await refused(server, { address: '127.0.0.1' }, ' TARGET_NOT_ALLOWED')
  const marked = {
    ...{ fwmark: 1, addressFamily: 'ipv4', realServers: { a: { address: '10.0.0.1' } } },
    healthChecks: { inline: { port: { kind: 'tcp' }, vip: { kind: 'tcp', via: 'service' } } },
  }
  const answer = await a.send('PUT', '/v1/virtual-services/marked', marked)
  t.strictSame(faultsIn(answer), [
    '/healthChecks/inline/port MISSING_FIELD',
    '/healthChecks/inline/vip CONFLICTING_FIELDS',
  ])
  const set = { items: [{ name: 'z', address: '10.0.0.9', healthChecks: { named: ['nope'] } }] }
  const listed = await a.send('PUT', `${service}/real-servers`, set)
  t.strictSame(faultsIn(listed), ['/items/0/healthChecks/named/0 UNKNOWN_HEALTH_CHECK'])
})

t.test('a check that is used stays', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', url, http)
  await a.send('PUT', service, web)
  await a.send('PATCH', `${service}/real-servers/a`, { healthChecks: { named: ['web'] } })
  const refused = await a.send('DELETE', url)
  t.equal(refused.statusCode, 409)
  t.match(refused.json(), { code: 'HEALTH_CHECK_IN_USE', detail: /used by web\/a/ })
  t.equal((await a.send('DELETE', `${url}?dryRun=true`)).statusCode, 409)
  const drop = { op: 'delete', path: url }
  const leave = { op: 'patch', path: `${service}/real-servers/a`, value: { healthChecks: null } }
  const alone = await a.send('POST', '/v1/changesets', [drop])
  t.strictSame([alone.statusCode, faultsIn(alone)], [409, ['/0/path HEALTH_CHECK_IN_USE']])
  const whole = (await a.send('GET', '/v1/config')).json<Record<string, object>>()
  const without = await a.send('PUT', '/v1/config', { ...whole, healthChecks: {} })
  t.strictSame(faultsIn(without), [
    '/virtualServices/web/realServers/a/healthChecks/named/0 UNKNOWN_HEALTH_CHECK',
  ])
  t.equal((await a.send('POST', '/v1/changesets', [drop, leave])).statusCode, 200, 'in any order')
  t.equal((await a.send('GET', url)).statusCode, 404)
})

t.test('the whole configuration, its history and lists of changes have checks', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const config = {
    healthChecks: { web: http },
    virtualServices: { web: { ...web, healthChecks: { named: ['web'] } } },
  }
  const put = await a.send('PUT', '/v1/config', config)
  t.equal(put.statusCode, 200, put.body)
  t.equal((await a.send('PUT', '/v1/config', put.body)).headers['config-revision'], '1')
  const declared = await a.send('GET', '/v1/config?view=declared')
  t.match(declared.json(), { healthChecks: { web: http } })
  const yaml = await a.send('GET', '/v1/config', undefined, { accept: 'application/yaml' })
  const back = await a.send('PUT', '/v1/config', yaml.body, { 'content-type': 'application/yaml' })
  t.equal(back.headers['config-revision'], '1', back.body)

  const list = [
    { op: 'patch', path: url, value: { fall: 5 } },
    { op: 'put', path: '/v1/health-checks/ping', value: { kind: 'icmp' } },
    { op: 'patch', path: service, value: { healthChecks: { named: ['web', 'ping'] } } },
  ]
  const trial = await a.send('POST', '/v1/changesets?dryRun=true', list)
  t.match(trial.json(), {
    changes: [
      { kind: 'virtualService', fields: [{ pointer: '/healthChecks/named' }] },
      { kind: 'healthCheck', name: 'web', fields: [{ pointer: '/fall', before: 2, after: 5 }] },
      { kind: 'healthCheck', name: 'ping', action: 'create' },
    ],
  })
  t.equal((await a.send('POST', '/v1/changesets', list)).statusCode, 200)
  const difference = await a.send('GET', '/v1/config/revisions/2/diff')
  t.strictSame(
    difference.json<{ changes: object }>().changes,
    trial.json<{ changes: object }>().changes,
  )
  const older = await a.send('GET', '/v1/config/revisions/1?view=declared')
  t.strictSame(older.json(), declared.json())
  const undone = await a.send('POST', '/v1/config/rollbacks', { revision: 1 })
  t.equal(undone.statusCode, 200, undone.body)
  t.equal((await a.send('GET', '/v1/config')).body, put.body)
  const wrong = await a.send('POST', '/v1/changesets', [
    { op: 'put', path: '/v1/health-checks/x', value: { kind: 'tcp', path: '/' } },
    { op: 'put', path: '/v1/health-checks/y', value: { kind: 'tcp', targetAddress: '127.0.0.1' } },
    { op: 'delete', path: '/v1/health-checks/none' },
  ])
  t.strictSame(faultsIn(wrong), [
    '/0/value/path CONFLICTING_FIELDS',
    '/2/path HEALTH_CHECK_NOT_FOUND',
  ])
})

t.test('foreign targets are for administrators, guarded ones for the allow-list', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const gate = new Gate({ tokens: a.access.tokens, open: false })
  const guarded = buildApp({ control: a.control, access: { ...a.access, gate } })
  t.teardown(() => guarded.close())
  const minted = (await a.send('POST', '/v1/tokens', { scope: 'write' })).json<{ token: string }>()
  const asWriter = async (method: 'PUT' | 'PATCH' | 'POST', path: string, payload: object) => {
    const headers = { authorization: `Bearer ${minted.token}` }
    const answer = await guarded.inject({ method, url: path, headers, payload })
    return answer.statusCode === 403 ? answer.json<Refusal>().code : answer.statusCode
  }
  const NO = 'INSUFFICIENT_SCOPE'
  const target = { ...http, targetAddress: '10.9.9.9' }
  t.equal(await asWriter('PUT', service, web), 201)
  t.equal(
    await asWriter('PUT', url, { ...http, targetPort: 9 }),
    201,
    'another port is no other host',
  )
  t.equal(await asWriter('PUT', url, target), NO)
  t.equal(await asWriter('PUT', `${url}?dryRun=true`, target), NO)
  t.equal(await asWriter('PATCH', '/v1/config', { healthChecks: { web: target } }), NO)
  t.equal(await asWriter('POST', '/v1/changesets', [{ op: 'put', path: url, value: target }]), NO)
  const plan = { changes: [{ op: 'put', path: url, value: target }] }
  t.equal(await asWriter('POST', '/v1/plans', plan), NO)
  const inline = { healthChecks: { inline: { x: target } } }
  t.equal(await asWriter('PATCH', service, inline), NO)
  const server = `${service}/real-servers/a`
  t.equal(await asWriter('PATCH', server, { healthChecks: { targetAddress: '10.9.9.9' } }), NO)
  t.equal(await asWriter('PATCH', server, { healthChecks: { targetAddress: '10.0.0.1' } }), 200)
  t.equal(await asWriter('PATCH', server, inline), NO)
  t.equal(await asWriter('PATCH', '/v1/settings', { healthCheckTargets: ['127.0.0.0/8'] }), NO)
  t.equal(await asWriter('PATCH', '/v1/settings', { sloppyTcp: true }), 200)
  t.equal((await a.send('PUT', url, target)).statusCode, 200)
  t.equal(await asWriter('PUT', url, target), 200, 'what stays as it is was allowed')
  t.equal(await asWriter('PATCH', url, { path: '/admin' }), NO)
  t.equal(await asWriter('PATCH', service, { healthChecks: { named: ['web'] } }), 200)

  const own = { targetAddress: '127.0.0.1' }
  t.equal((await a.send('PATCH', url, own)).statusCode, 422)
  const refused = async (list: string[]) => {
    const answer = await a.send('PATCH', '/v1/settings', { healthCheckTargets: list })
    return answer.statusCode === 200 ? 'taken' : faultsIn(answer).join()
  }
  t.equal(await refused(['127.0.0.1/8']), '/healthCheckTargets/0 INVALID_PREFIX')
  t.equal(await refused(['localhost']), '/healthCheckTargets/0 INVALID_PREFIX')
  t.equal(await refused(['127.0.0.1/32', 'FE80::/64']), 'taken')
  t.equal((await a.send('PATCH', url, own)).statusCode, 200)
  t.equal((await a.send('PATCH', url, { targetAddress: '127.0.0.2' })).statusCode, 422)
  t.equal(await refused(['fe80::/64']), '/healthCheckTargets TARGET_NOT_ALLOWED', 'it is needed')
  const both = [
    { op: 'put', path: '/v1/settings', value: {} },
    { op: 'patch', path: url, value: { targetAddress: '10.9.9.9' } },
  ]
  t.strictSame(faultsIn(await a.send('POST', '/v1/changesets', both.slice(0, 1))), [
    '/0/value/healthCheckTargets TARGET_NOT_ALLOWED',
  ])
  t.equal((await a.send('POST', '/v1/changesets', both)).statusCode, 200)
})

t.test('an export says what of the checks it does not have', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const own = { address: '10.0.0.1', healthChecks: { inline: { ping: { kind: 'icmp' } } } }
  const checks = { inline: { port: { kind: 'tcp' } } }
  await a.send('PUT', service, { ...web, healthChecks: checks, realServers: { a: own } })
  const at = '/virtualServices/web'
  const lost = {
    ipvsadm: [`${at}/healthChecks`, `${at}/realServers/a/healthChecks`],
    // PING_CHECK is up again after one success.
    keepalived: [`${at}/realServers/a/healthChecks/inline/ping/rise`],
  }
  for (const [format, expected] of Object.entries(lost)) {
    const answer = await a.send('GET', `/v1/exports?format=${format}`)
    const { losses, text } = answer.json<{ losses: { pointer: string }[]; text: string }>()
    const pointers = losses.map(({ pointer }) => pointer)
    for (const pointer of expected)
      t.ok(pointers.includes(pointer), `${format} ${pointer}: ${pointers.join()}`)
    t.equal(/PING_CHECK/.test(text), format === 'keepalived', text)
  }
})

t.test('checks survive a restart', async t => {
  const file = `${t.testdir()}/sluice.db`
  const first = await startAppliance({ file })
  await first.send('PUT', url, http)
  const own = { named: ['web'], targetPort: 9, host: 'b.example' }
  const body = { ...web, healthChecks: { named: ['web'], inline: { port: { kind: 'tcp' } } } }
  await first.send('PUT', service, {
    ...body,
    realServers: { a: { address: '10.0.0.1', healthChecks: own } },
  })
  const before = (await first.send('GET', '/v1/config')).body
  t.match(before, /b\.example/)
  await first.close()
  const second = await startAppliance({ file })
  t.equal((await second.send('GET', '/v1/config')).body, before)
  await second.close()
})
