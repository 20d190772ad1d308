import t, { type Test } from 'tap'
import { startAppliance } from '../fixtures/appliance.js'

const TABLE = `-A -t 198.51.100.10:http -s wrr -p 300
-a -t 198.51.100.10:http -r 10.0.0.1:8080 -m -w 2
-A -u 198.51.100.10:53 -s rr -x
`
const plain = { 'content-type': 'text/plain' }

async function start(t: Test) {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const post = (query: string, payload: string, headers: Record<string, string> = plain) =>
    a.app.inject({ method: 'POST', url: `/v1/imports?${query}`, headers, payload })
  return { ...a, post }
}

t.test('an import says what each line makes, and stores nothing', async t => {
  const { post, app } = await start(t)
  const answer = await post('format=ipvsadm', TABLE)
  t.equal(answer.statusCode, 200)
  t.strictSame(answer.json(), {
    format: 'ipvsadm',
    document: {
      virtualServices: {
        'tcp-198-51-100-10-80': {
          ...{ protocol: 'tcp', address: '198.51.100.10', port: 80, scheduler: 'wrr' },
          ...{
            schedulerFlags: [],
            persistence: { timeoutSeconds: 300, netmask: '255.255.255.255' },
          },
          onePacket: false,
          realServers: {
            '10-0-0-1-8080': {
              ...{ address: '10.0.0.1', port: 8080, weight: 2, forwarding: 'masq' },
              ...{ upperThreshold: 0, lowerThreshold: 0 },
            },
          },
        },
      },
    },
    summary: { taken: 0, changed: 2, ignored: 0, refused: 1 },
    report: [
      {
        ...{ line: 1, column: 1, text: '-A -t 198.51.100.10:http -s wrr -p 300' },
        ...{ action: 'changed', reason: "'http' is port 80." },
        pointer: '/virtualServices/tcp-198-51-100-10-80',
      },
      {
        ...{ line: 2, column: 1, text: '-a -t 198.51.100.10:http -r 10.0.0.1:8080 -m -w 2' },
        ...{ action: 'changed', reason: "'http' is port 80." },
        pointer: '/virtualServices/tcp-198-51-100-10-80/realServers/10-0-0-1-8080',
      },
      {
        ...{ line: 3, column: 30, text: '-A -u 198.51.100.10:53 -s rr -x', action: 'refused' },
        reason: '-x: missing argument.',
      },
    ],
  })
  const list = await app.inject('/v1/virtual-services')
  t.strictSame(list.json<{ items: unknown[] }>().items, [])
  const notable = await post('format=ipvsadm&report=none', TABLE)
  t.strictSame(notable.json<{ report: unknown[] }>().report, [])
})

t.test('what is there keeps its name, whoever gave it', async t => {
  const { post, app } = await start(t)
  const payload = {
    ...{ protocol: 'tcp', address: '198.51.100.10', port: 80, interface: 'eth0' },
    realServers: { a: { address: '10.0.0.1', port: 8080 } },
  }
  const put = await app.inject({ method: 'PUT', url: '/v1/virtual-services/web', payload })
  t.equal(put.statusCode, 201)
  const answer = await post('format=ipvsadm&manageAddress=false', TABLE)
  t.match(answer.json(), {
    document: { virtualServices: { web: { manageAddress: false, realServers: { a: {} } } } },
  })
})

t.test('keepalived.conf, with its configuration id', async t => {
  const { post } = await start(t)
  const text = `virtual_server 198.51.100.10 80 {
  @main protocol TCP
  @other protocol SCTP
  real_server 10.0.0.1 { weight 3 }
}`
  const main = await post('format=keepalived&configId=main', text)
  t.match(main.json(), {
    document: { virtualServices: { 'tcp-198-51-100-10-80': { protocol: 'tcp' } } },
    summary: { taken: 4, changed: 0, ignored: 1, refused: 0 },
  })
  const none = await post('format=keepalived&report=notable', text)
  t.match(none.json<{ report: { line: number; action: string }[] }>().report, [
    { line: 1, action: 'changed', reason: /UDP/ },
    { line: 2, action: 'ignored' },
    { line: 3, action: 'ignored' },
  ])
})

t.test('requests that make no sense', async t => {
  const { post } = await start(t)
  const code = async (...args: Parameters<typeof post>) =>
    (await post(...args)).json<{ code: string }>().code
  t.equal(await code('', TABLE), 'INVALID_PARAMETER')
  t.equal(await code('format=haproxy', TABLE), 'INVALID_PARAMETER')
  t.equal(await code('format=ipvsadm', ''), 'MISSING_BODY')
  const json = { 'content-type': 'application/json' }
  t.equal(await code('format=ipvsadm', '{}', json), 'UNSUPPORTED_MEDIA_TYPE')
  t.equal(await code('format=ipvsadm', 'x'.repeat(33 * 2 ** 20)), 'BODY_TOO_LARGE')
})

t.test('an export is a text, and tells what it lacks', async t => {
  const { app } = await start(t)
  const payload = {
    ...{ protocol: 'tcp', address: '198.51.100.10', port: 80, interface: 'eth0' },
    realServers: { a: { address: '10.0.0.1', weight: 5, adminState: 'draining' } },
  }
  await app.inject({ method: 'PUT', url: '/v1/virtual-services/web', payload })
  const get = (format: string, accept: string) =>
    app.inject({ url: `/v1/exports?format=${format}`, headers: { accept } })
  const text = `-A -t 198.51.100.10:80 -s wlc
-a -t 198.51.100.10:80 -r 10.0.0.1:80 -m -w 0
`
  const lines = await get('ipvsadm', 'text/plain')
  t.equal(lines.headers['content-type'], 'text/plain; charset=utf-8')
  t.equal(lines.body, text)
  t.strictSame((await get('ipvsadm', '*/*')).json(), {
    ...{ format: 'ipvsadm', text },
    losses: [
      {
        pointer: '/virtualServices/web',
        reason: "Names are not written; it comes back as 'tcp-198-51-100-10-80'.",
      },
      { pointer: '/virtualServices/web/interface', reason: 'Where an address lives is not said.' },
      {
        pointer: '/virtualServices/web/realServers/a',
        reason: "Names are not written; it comes back as '10-0-0-1-80'.",
      },
      {
        pointer: '/virtualServices/web/realServers/a/weight',
        reason: 'It is draining, which is weight 0 elsewhere; its own is 5.',
      },
    ],
  })
  const conf = await get('keepalived', 'text/plain, application/json')
  t.match(conf.body, /^virtual_server 198\.51\.100\.10 80 \{\n {4}lvs_sched wlc\n/)
  t.equal((await get('nginx', '*/*')).statusCode, 400)
})
