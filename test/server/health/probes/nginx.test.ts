// HTTP, HTTPS and TLS probes against nginx on loopback, with certificates of openssl.
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { CertificateFolder } from '../../../fixtures/certificates.js'
import { check } from '../../../fixtures/health/checks.js'
import { probe } from '../../../fixtures/health/probe.js'

const certificates = new CertificateFolder()
const { folder, ca } = certificates
const good = certificates.issue('web.example', -1, 10)
const expired = certificates.issue('old.example', -20, -10)
const [plain, secure, old] = await Promise.all([freePort(), freePort(), freePort()])
const nginx = await start()
t.teardown(() => {
  nginx.kill()
  certificates.remove()
})

const http = (changes = {}) => check('http', changes)
const https = (changes = {}) =>
  check('https', { ca, verify: true, serverName: 'web.example', ...changes })
const OK = { outcome: 'success', reason: null } as const

for (const [family, address] of [
  ['IPv4', '127.0.0.1'],
  ['IPv6', '::1'],
] as const)
  t.test(`statuses and bodies over ${family}`, async t => {
    const to = { address, port: plain }
    const text = (text: string) => ({ kind: 'text' as const, text })
    t.match(await probe(http(), to), { ...OK, detail: 'The answer is 200 OK.', warnings: [] })
    t.match(await probe(http({ path: '/moved' }), to), {
      ...OK,
      detail: 'The answer is 302 Moved Temporarily.',
    })
    t.match(await probe(http({ path: '/moved', statuses: [{ from: 200, to: 299 }] }), to), {
      reason: 'status',
      detail: 'The answer is 302 Moved Temporarily, not 200 to 299.',
    })
    t.match(await probe(http({ path: '/none' }), to), { reason: 'status' })
    t.match(await probe(http({ match: text('all is well') }), to), OK)
    t.match(await probe(http({ match: text('all is lost') }), to), { reason: 'mismatch' })
    const pattern = { kind: 'pattern' as const, pattern: '^all is w[el]+$' }
    t.match(await probe(http({ match: pattern }), to), OK)
    t.match(await probe(http({ method: 'HEAD' }), to), OK)
    t.match(
      await probe(http({ path: '/chunked', match: text('x'.repeat(5000)) }), to),
      OK,
      'chunks',
    )
    t.match(await probe(http({ path: '/chunked', match: text('end'), bodyOctetsMax: 500 }), to), {
      reason: 'mismatch',
      detail: 'There is no "end" in the 500 octets of the body that were read.',
    })
  })

t.test('the request is as the check says', async t => {
  const to = { address: '127.0.0.1', port: plain }
  const says = async (changes: object, text: string) =>
    t.match(
      await probe(http({ path: '/echo', match: { kind: 'text', text }, ...changes }), to),
      OK,
      text,
    )
  await says({}, `GET 127.0.0.1:${plain} Sluice health check  - `)
  await says({ host: 'web.example', method: 'POST' }, 'POST web.example ')
  await says({ headers: { 'X-Test': 'yes', 'user-agent': 'mine' } }, `127.0.0.1:${plain} mine yes`)
})

t.test('a transcript tells every step', async t => {
  const { transcript } = await probe(https(), { address: '127.0.0.1', port: secure })
  t.strictSame(
    transcript.map(({ step }) => step),
    ['target', 'connect', 'tls', 'tls', 'send', 'receive', 'receive', 'judge'],
  )
  t.match(transcript[2], { detail: /^TLSv1\.[23], [-_A-Z0-9]+$/ })
  t.match(transcript[3], { detail: /^certificate of web\.example, valid until / })
  t.match(transcript[4], {
    detail: 'GET /',
    octets: /^\d+$/,
    excerpt: /^GET \/ HTTP\/1\.1\\r\\nHost: /,
  })
  t.match(transcript[5], { excerpt: /^HTTP\/1\.1 200 OK\\r\\nServer: nginx/ })
  const times = transcript.map(({ atMs }) => atMs)
  t.strictSame(
    times,
    [...times].sort((a, b) => a - b),
  )
})

t.test('certificates', async t => {
  const to = { address: '127.0.0.1', port: secure }
  const tls = (changes = {}) =>
    check('tls', { ca, verify: true, serverName: 'web.example', ...changes })
  t.match(await probe(tls(), to), { ...OK, warnings: [] })
  t.match(await probe(tls({ warnDays: 5 }), to), { ...OK, warnings: [] })
  t.match(await probe(tls({ warnDays: 30 }), to), {
    ...OK,
    warnings: [/^The certificate of web\.example ends in (9|10) days\.$/],
  })
  const refused = { outcome: 'failure', reason: 'tls' }
  t.match(await probe(tls({ serverName: 'other.example' }), to), {
    ...refused,
    detail: /another name/,
  })
  t.match(await probe(tls({ serverName: null }), to), OK, 'no name asked for, none compared')
  t.match(await probe(tls({ ca: null }), to), {
    ...refused,
    detail: /issuer is unknown|unknown certificate/,
  })
  t.match(await probe(tls({ ca: null, verify: false }), to), OK)
  const late = { address: '127.0.0.1', port: old }
  const aged = { serverName: 'old.example' }
  t.match(await probe(tls(aged), late), {
    ...refused,
    detail: /old\.example is not accepted: it has expired/,
  })
  t.match(await probe(https(aged), late), refused)
  t.match(await probe(tls({ ...aged, verify: false, warnDays: 1 }), late), {
    ...OK,
    warnings: [/ended (9|10|11) days ago/],
  })
  t.match(await probe(tls(), { address: '127.0.0.1', port: plain }), refused, 'plain HTTP')
  t.match(
    await probe(http(), to),
    { reason: 'status', detail: /^The answer is 400/ },
    'HTTP to TLS',
  )
})

t.test('a listener that is gone, a process that hangs', async t => {
  t.match(await probe(http(), { port: await freePort() }), { reason: 'refused' })
  const [worker] = readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8').split(' ')
  process.kill(Number(worker), 'SIGSTOP')
  const hung = await probe(http({ timeoutMs: 200 }), { port: plain })
  const connects = await probe(check('tcp', { timeoutMs: 5000 }), { port: plain })
  process.kill(Number(worker), 'SIGCONT')
  t.match(hung, {
    reason: 'timeout',
    detail: 'No end within 200 ms, while waiting for the answer.',
  })
  t.match(connects, OK, 'the kernel still accepts, which is why TCP alone says little')
})

t.test('a source address', async t => {
  const from = { sourceAddress: '127.0.0.9' }
  const { transcript } = await probe(http(from), { port: plain })
  t.match(transcript[1]!.detail, /^connected from 127\.0\.0\.9:\d+$/)
  const foreign = await probe(http({ sourceAddress: '192.0.2.99' }), { port: plain })
  t.match(foreign, { reason: 'internal', detail: /source address is not on this host/ })
})

async function start(): Promise<ChildProcess> {
  // A page that is changed on its way out has no length, and is sent in chunks.
  writeFileSync(join(folder, 'chunked'), `BEGIN${'x'.repeat(6000)}end`)
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, 'nginx.conf'), configuration())
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'])
  await new Promise<void>((resolve, reject) => {
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (/start worker process \d+/.test((said += text))) resolve()
    })
    child.once('exit', () => reject(new Error(said)))
  })
  return child
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function configuration(): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const temporary = paths.map(name => `${name}_temp_path ${folder}/${name};`).join('\n')
  const tls = ({ certificate, key }: typeof good) =>
    `ssl_certificate ${certificate}; ssl_certificate_key ${key};`
  const echo = '"$request_method $http_host $http_user_agent $http_x_test - "'
  return `daemon off; pid ${folder}/nginx.pid; error_log stderr notice; worker_processes 1;
events {}
http {
  access_log off; ${temporary}
  default_type text/plain;
  server {
    listen 127.0.0.1:${plain}; listen [::1]:${plain};
    location = / { return 200 "all is well"; }
    location = /moved { return 302 http://192.0.2.1/; }
    location = /echo { return 200 ${echo}; }
    location = /chunked { root ${folder}; sub_filter_types *; sub_filter BEGIN x; }
    location / { return 404; }
  }
  server { listen 127.0.0.1:${secure} ssl; ${tls(good)} location / { return 200 "ok"; } }
  server { listen 127.0.0.1:${old} ssl; ${tls(expired)} location / { return 200 "ok"; } }
}
`
}
