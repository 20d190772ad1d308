// Real sockets: who gets in by which way, certificates made by openssl, and clients that mean harm.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { request, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as secureRequest } from 'node:https'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { connect as connectSecure, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { SYSTEM } from '../../../server/auth/actor.js'
import { buildApp } from '../../../server/app.js'
import { readSubject } from '../../../server/auth/client-certificate.js'
import { Gate } from '../../../server/auth/gate.js'
import { Tokens } from '../../../server/auth/tokens.js'
import { Certificates } from '../../../server/auth/certificates.js'
import { LIMITS, Listeners, type Limits } from '../../../server/listen/listeners.js'
import { silent, startAppliance } from '../fixtures/appliance.js'

const tls = true
const folder = t.testdir()
const at = (name: string) => join(folder, name)
const openssl = (...args: string[]) =>
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })

// Two authorities, two servers, and clients of each kind.
for (const ca of ['ca', 'other']) {
  openssl(
    ...`req -x509 -newkey rsa:2048 -nodes -keyout ${ca}.key -out ${ca}.pem`.split(' '),
    ...['-days', '2', '-subj', `/CN=${ca}`],
  )
}
issue('server', '/CN=localhost', 'ca')
issue('renewed', '/CN=renewed', 'ca')
issue('writer', '/CN=ci/OU=people/OU=sluice-write', 'ca')
issue('nobody', '/CN=ci/OU=people', 'ca')
issue('foreign', '/CN=ci/OU=sluice-admin', 'other')

function issue(name: string, subject: string, ca: string) {
  writeFileSync(at('san'), 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  openssl(
    ...`req -newkey rsa:2048 -nodes -keyout ${name}.key -out ${name}.csr -subj`.split(' '),
    subject,
  )
  openssl(
    ...`x509 -req -in ${name}.csr -CA ${ca}.pem -CAkey ${ca}.key -CAcreateserial -days 1`.split(
      ' ',
    ),
    ...['-extfile', 'san', '-out', `${name}.pem`],
  )
}

async function stage(t: Test, open = false, limits: Limits = LIMITS) {
  const a = await startAppliance()
  const tokens = new Tokens({ database: a.database })
  const app = buildApp({
    ...{
      control: a.control,
      access: { ...a.access, gate: new Gate({ tokens, open }), tokens },
      logger: silent,
    },
  })
  await app.ready()
  const listeners = new Listeners(app, limits)
  t.teardown(async () => {
    await listeners.close(1000)
    await a.close()
  })
  const secret = (scope: 'read' | 'admin') =>
    tokens.create({ name: null, scope, expiresAt: null }, { actor: SYSTEM, requestId: null }).secret
  return { listeners, tokens, secret }
}

/** Status and body of one request on a connection of its own. */
function ask(
  options: RequestOptions & { tls?: boolean; cert?: Buffer; key?: Buffer; ca?: Buffer },
) {
  return new Promise<{ status: number; body: Record<string, unknown>; version: unknown }>(
    (resolve, reject) => {
      const { tls = false, ...rest } = options
      const sent = (tls ? secureRequest : request)({ agent: false, path: '/v1/version', ...rest })
      sent.on('response', (response: IncomingMessage) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => {
          const body = JSON.parse(text) as Record<string, unknown>
          resolve({ status: response.statusCode!, body, version: body.version })
        })
      })
      sent.on('error', reject)
      sent.end()
    },
  )
}
const portOf = (url: string) => Number(new URL(url).port)
const bearer = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } })

t.test('the admin socket: for its owner alone, without a token', async t => {
  const { listeners } = await stage(t)
  const path = at('admin.sock')
  const mask = process.umask(0)
  t.teardown(() => process.umask(mask))
  t.equal(await listeners.openAdmin(path), `unix:${path}`)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(process.umask(), 0, 'the mask is what it was')
  t.match(await ask({ socketPath: path }), { status: 200, version: /./ })
  t.match(await ask({ socketPath: path, path: '/v1/tokens' }), { status: 200 })
  await listeners.close(1000)
  t.notOk(existsSync(path), 'gone with its listener')
})

t.test('any other listener wants a token', async t => {
  const { listeners, secret } = await stage(t)
  const path = at('open.sock')
  await listeners.open({ kind: 'unix', path }, null)
  t.equal(statSync(path).mode & 0o777, 0o660)
  const url = await listeners.open({ kind: 'tcp', host: '::1', port: 0, tls: false }, null)
  const token = secret('read')
  for (const way of [{ socketPath: path }, { host: '::1', port: portOf(url) }]) {
    t.match(await ask(way), { status: 401, body: { code: 'UNAUTHENTICATED' } })
    t.match(await ask({ ...way, ...bearer(token) }), { status: 200 })
    t.match(await ask({ ...way, path: '/v1/tokens', ...bearer(token) }), { status: 403 })
    t.match(await ask({ ...way, path: '/healthz' }), { status: 200 })
  }
})

t.test('--no-auth lets everybody in, but no wrong token', async t => {
  const { listeners } = await stage(t, true)
  const url = await listeners.open({ kind: 'tcp', host: '127.0.0.1', port: 0, tls: false }, null)
  const way = { host: '127.0.0.1', port: portOf(url) }
  t.match(await ask({ ...way, path: '/v1/tokens' }), { status: 200 })
  t.match(await ask({ ...way, ...bearer('x') }), { status: 401 })
})

t.test('a socket that a killed process left is taken over, nothing else is', async t => {
  const { listeners } = await stage(t)
  const path = at('left.sock')
  const holder = createServer().listen(path)
  await new Promise(resolve => holder.once('listening', resolve))
  await t.rejects(listeners.openAdmin(path), /left\.sock: another process does/)
  // As a kill leaves it: Node would remove the file.
  execFileSync('python3', [
    ...[
      '-c',
      `import socket,os;os.path.exists('${path}.2') or socket.socket(socket.AF_UNIX).bind('${path}.2')`,
    ],
  ])
  t.ok(existsSync(`${path}.2`))
  await listeners.openAdmin(`${path}.2`)
  t.match(await ask({ socketPath: `${path}.2` }), { status: 200 })
  writeFileSync(at('file'), 'precious')
  await t.rejects(listeners.openAdmin(at('file')), /something that is no socket/)
  t.equal(readFileSync(at('file'), 'utf8'), 'precious')
  await t.rejects(listeners.openAdmin(at('none/x.sock')), /there is no folder/)
  await new Promise(resolve => holder.close(resolve))
  const taken = { kind: 'tcp', host: '192.0.2.1', port: 1, tls: false } as const
  await t.rejects(listeners.open(taken, null), /cannot listen on http:\/\/192\.0\.2\.1:1: .*ADDR/)
})

t.test('TLS: certificates of clients, and new ones for the server', async t => {
  const { listeners, secret } = await stage(t)
  copyFileSync(at('server.pem'), at('cert.pem'))
  copyFileSync(at('server.key'), at('key.pem'))
  chmodSync(at('key.pem'), 0o600)
  const refused: string[] = []
  const certificates = new Certificates({
    files: { tlsCert: at('cert.pem'), tlsKey: at('key.pem'), tlsClientCa: at('ca.pem') },
    logger: silent,
    onChange: context => listeners.renew(context),
    onRefused: reason => refused.push(reason),
  })
  const url = await listeners.open(
    { kind: 'tcp', host: '127.0.0.1', port: 0, tls },
    certificates.context,
  )
  t.match(url, /^https:/)
  const way = { tls, host: '127.0.0.1', port: portOf(url), ca: readFileSync(at('ca.pem')) }
  const as = (name: string) => ({
    ...{ cert: readFileSync(at(`${name}.pem`)), key: readFileSync(at(`${name}.key`)) },
  })
  t.match(await ask(way), { status: 401, body: { code: 'UNAUTHENTICATED' } })
  t.match(await ask({ ...way, ...bearer(secret('read')) }), { status: 200 })
  t.match(await ask({ ...way, ...as('writer') }), { status: 200 })
  t.match(await ask({ ...way, ...as('writer'), path: '/v1/tokens' }), {
    status: 403,
    body: { detail: "This needs the scope 'admin'; 'ci' has 'write'." },
  })
  t.match(await ask({ ...way, ...as('nobody') }), {
    status: 401,
    body: { code: 'CERTIFICATE_REFUSED', detail: /no organisational unit/ },
  })
  t.match(await ask({ ...way, ...as('foreign') }), {
    status: 401,
    body: { code: 'CERTIFICATE_REFUSED', detail: /UNABLE_TO_|SELF_SIGNED/ },
  })
  // A token counts, whatever certificate comes with it.
  t.match(await ask({ ...way, ...as('foreign'), ...bearer(secret('admin')) }), { status: 200 })

  const kept = connectSecure({ ...way, servername: 'localhost' })
  await new Promise(resolve => kept.once('secureConnect', resolve))
  const subject = (socket: TLSSocket) => socket.getPeerCertificate().subject.CN
  t.equal(subject(kept), 'localhost')
  copyFileSync(at('renewed.pem'), at('cert.pem'))
  t.equal(certificates.look(), false, 'the key is still the old one')
  t.equal(certificates.look(), false)
  t.match(refused, [/--tls-cert, --tls-key or the CA cannot be used: .*key values mismatch/])
  t.match(await ask(way), { status: 401 }, 'the old ones go on')
  copyFileSync(at('renewed.key'), at('key.pem'))
  t.equal(certificates.look(), true)
  t.equal(certificates.look(), false, 'nothing new')
  const fresh = connectSecure({ ...way, servername: 'localhost' })
  await new Promise(resolve => fresh.once('secureConnect', resolve))
  t.equal(subject(fresh), 'renewed')
  fresh.destroy()
  // The connection from before still works.
  const answer = new Promise<string>(resolve => kept.once('data', data => resolve(String(data))))
  kept.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  t.match(await answer, /^HTTP\/1\.1 200/)
  kept.destroy()
  const missing = { tlsCert: at('none.pem'), tlsKey: at('key.pem'), tlsClientCa: '' }
  t.throws(
    () => new Certificates({ files: missing, logger: silent, onChange: () => {} }),
    /--tls-cert: ENOENT/,
  )
})

t.test('the rule for subjects', async t => {
  const name = 'CN'
  t.match(readSubject({ [name]: 'a', OU: 'sluice-admin' }), {
    holder: { name: 'a', scope: 'admin' },
  })
  t.match(readSubject({ [name]: 'a', OU: ['x', 'sluice-read'] }), { holder: { scope: 'read' } })
  for (const subject of [
    { OU: 'sluice-read' },
    { [name]: 'a' },
    { [name]: 'a', OU: 'admin' },
    { [name]: 'a', OU: 'sluice-root' },
    { [name]: 'a', OU: ['sluice-read', 'sluice-admin'] },
    { [name]: 'a\nb', OU: 'sluice-read' },
    { [name]: 'x'.repeat(65), OU: 'sluice-read' },
  ])
    t.match(readSubject(subject), { refused: /./ })
})

t.test('a client that sends nothing, or never ends, is let go', async t => {
  const short = { headersTimeout: 300, requestTimeout: 600, connectionsCheckingInterval: 100 }
  const { listeners } = await stage(t, false, { ...LIMITS, ...short })
  const path = at('slow.sock')
  await listeners.openAdmin(path)
  const closed = (text: string) =>
    new Promise<string>(resolve => {
      let seen = ''
      const socket = connect(path, () => void socket.write(text))
      socket.on('data', data => (seen += String(data)))
      socket.on('close', () => resolve(seen))
    })
  const headers = closed('GET /healthz HTTP/1.1\r\nX: ')
  const silence = closed('')
  const body = closed(
    'PUT /v1/virtual-services/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
  )
  t.match(await headers, /^HTTP\/1\.1 408 [^]*REQUEST_TIMEOUT/)
  t.match(await body, /^HTTP\/1\.1 408 /)
  await silence
})
