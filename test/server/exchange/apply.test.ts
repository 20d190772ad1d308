import t, { type Test } from 'tap'
import { startAppliance } from '../fixtures/appliance.js'

const LINES = `-A -t 198.51.100.10:80 -s wrr
-a -t 198.51.100.10:80 -r 10.0.0.1:8080 -m -w 2
-A -u 198.51.100.10:53 -s rr
--set 900 60 300
`
/** The first service under another name, with what ipvsadm cannot say. */
const web = {
  ...{ protocol: 'tcp', address: '198.51.100.10', port: 80, scheduler: 'rr', persistence: {} },
  ...{ labels: { team: 'a' }, interface: 'eth0' },
  realServers: {
    a: { address: '10.0.0.1', port: 8080, adminState: 'draining', labels: { rack: '1' } },
    b: { address: '10.0.0.2', port: 8080 },
  },
}
const whole = {
  virtualServices: { web, old: { protocol: 'sctp', address: '198.51.100.11', port: 9 } },
  markRules: { edge: { mark: 1, addressFamily: 'ipv4' } },
  settings: { sloppyTcp: true },
}
interface Config {
  virtualServices: Record<string, { realServers: Record<string, object> }>
  markRules: object
}

async function start(t: Test) {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const made = await a.send('PUT', '/v1/config', whole)
  t.equal(made.statusCode, 200, made.body)
  const post = (query: string, text = LINES, headers: Record<string, string> = {}) =>
    a.send('POST', `/v1/imports?format=ipvsadm&${query}`, text, {
      ...{ 'content-type': 'text/plain', ...headers },
    })
  const config = async () => (await a.send('GET', '/v1/config?view=declared')).json<Config>()
  return { ...a, post, config }
}

t.test('merge: what is named becomes as it is written, the rest stays', async t => {
  const { post, config, control } = await start(t)
  const answer = await post('apply=true&report=none')
  t.equal(answer.statusCode, 200, answer.body)
  t.match(answer.json(), { revision: 2, summary: { taken: 4, refused: 0 }, report: [] })
  t.equal(answer.headers['config-revision'], '2')
  const { virtualServices, markRules, ...rest } = await config()
  t.strictSame(Object.keys(virtualServices), ['old', 'udp-198-51-100-10-53', 'web'])
  t.match(virtualServices.web, {
    ...{ scheduler: 'wrr', labels: { team: 'a' }, interface: 'eth0' },
    realServers: { a: { weight: 2, adminState: 'draining', labels: { rack: '1' } }, b: {} },
  })
  t.notOk('persistence' in virtualServices.web!, 'the text has none')
  t.strictSame(Object.keys(markRules), ['edge'])
  t.match(rest, {
    settings: { sloppyTcp: true, timeouts: { tcpFinSeconds: 60 } },
  })
  const again = await post('apply=true')
  t.equal(again.headers['config-revision'], '2', 'the same again changes nothing')
  t.equal(control.revision(), 2)
})

t.test('replace: services and real servers are those of the text', async t => {
  const { post, config } = await start(t)
  t.equal((await post('apply=true&mode=replace')).statusCode, 200)
  const { virtualServices, markRules } = await config()
  t.strictSame(Object.keys(virtualServices), ['udp-198-51-100-10-53', 'web'])
  t.strictSame(Object.keys(virtualServices.web!.realServers), ['a'])
  t.strictSame(Object.keys(markRules), ['edge'], 'which no such text can say')
})

t.test('a statement that is refused keeps the others out, unless they are asked for', async t => {
  const { post, config, control } = await start(t)
  const text = `${LINES}-a -t 198.51.100.99:80 -r 10.0.0.1\n`
  const refused = await post('apply=true', text)
  t.match(refused.json(), {
    ...{ status: 422, code: 'VALIDATION_FAILED', detail: /1 statement is refused.*partial=true/ },
    errors: [{ detail: /^Line 5, column 1, .*198\.51\.100\.99/ }],
  })
  t.equal(control.revision(), 1)
  t.equal((await post('apply=true&dryRun=true', text)).statusCode, 422, 'neither on trial')
  t.equal((await post('apply=true&partial=true', text)).statusCode, 200)
  t.ok((await config()).virtualServices['udp-198-51-100-10-53'])
})

t.test('as other writes: on trial, to be confirmed, once under a key', async t => {
  const { post, control, ...a } = await start(t)
  const trial = await post('apply=true&mode=replace&dryRun=true')
  t.match(trial.json(), {
    ...{ revision: 1, status: 200 },
    impact: { services: [{ name: 'old', action: 'delete' }] },
  })
  t.equal(control.revision(), 1)
  const begun = await post('apply=true&confirmWithinSeconds=60')
  t.equal(begun.statusCode, 202, begun.body)
  t.equal((await a.send('DELETE', begun.headers.location as string)).statusCode < 300, true)
  t.equal((await a.send('GET', '/v1/virtual-services/udp-198-51-100-10-53')).statusCode, 404)
  const once = { 'idempotency-key': 'k' }
  const first = await post('apply=true', LINES, once)
  const { revision } = first.json<{ revision: number }>()
  await a.send('PUT', '/v1/config', whole)
  const second = await post('apply=true', LINES, once)
  t.equal(second.json<{ revision: number }>().revision, revision, 'not done again')
  const slip = await post('dryRun=true')
  t.match(slip.json(), { status: 400, code: 'INVALID_PARAMETER', detail: /apply=true/ })
})

t.test('who may only read may ask, but not apply', async t => {
  const { post, ...a } = await start(t)
  const by = { actor: { kind: 'admin-socket', name: 'x', scope: 'admin', address: null } } as const
  const made = a.access.tokens.create(
    { name: 'reader', scope: 'read', expiresAt: null },
    { ...by, requestId: null },
  )
  const authorization = `Bearer ${made.secret}`
  t.equal((await post('', LINES, { authorization })).statusCode, 200)
  const refused = await post('apply=true', LINES, { authorization })
  t.match(refused.json(), { status: 403, code: 'INSUFFICIENT_SCOPE', detail: /'write'/ })
})

t.test('checks and policies: as the text has them, and as they are while it has none', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const head = 'virtual_server 198.51.100.10 80 {\nprotocol TCP\nlvs_method NAT\n'
  const post = async (inside: string, format = 'keepalived', text?: string) => {
    const url = `/v1/imports?format=${format}&apply=true`
    const answer = await a.send('POST', url, text ?? `${head}${inside}\n}\n`, {
      'content-type': 'text/plain',
    })
    t.equal(answer.statusCode, 200, answer.body)
    const { virtualServices } = (await a.send('GET', '/v1/config?view=declared')).json<Config>()
    return virtualServices.web! as unknown as Record<string, Record<string, object>>
  }
  const policy = { quorum: { up: 2, down: 1 }, onDown: 'reset', allDown: 'reject' }
  const before = {
    ...{ ...web, policy, healthChecks: { inline: { own: { kind: 'icmp' } } } },
    realServers: {
      a: { ...web.realServers.a, priority: 3, healthChecks: { inline: { mine: { kind: 'tcp' } } } },
    },
  }
  const made = await a.send('PUT', '/v1/config', { virtualServices: { web: before } })
  t.equal(made.statusCode, 200, made.body)
  const stays = {
    ...{ policy, healthChecks: { inline: { own: { kind: 'icmp' } } } },
    realServers: { a: { priority: 3, healthChecks: { inline: { mine: { kind: 'tcp' } } } } },
  }
  const plain = 'real_server 10.0.0.1 8080 {\n}'
  t.match(await post(plain), stays)
  t.match(await post('', 'ipvsadm', LINES), stays)
  const now = await post('sorry_server 10.0.0.9 80\nreal_server 10.0.0.1 8080 {\nTCP_CHECK {\n}\n}')
  t.match(now, {
    policy: { quorum: { up: 2, down: 1 }, onDown: 'reset', sorryServer: { address: '10.0.0.9' } },
    healthChecks: { inline: { tcp: { kind: 'tcp', fall: 2, intervalMilliseconds: 60_000 } } },
    realServers: { a: { priority: 3 } },
  })
  t.notOk('allDown' in now.policy!, 'the sorry server is asked')
  t.notOk('own' in (now.healthChecks!.inline as object))
  t.notOk('healthChecks' in now.realServers!.a!, 'as its service has it')
})
