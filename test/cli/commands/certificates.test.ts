// The command line over TLS: a private CA, and a certificate instead of a token.
import { appendFileSync, copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Certificates } from '../../../server/auth/certificates.js'
import { Gate } from '../../../server/auth/gate.js'
import { buildApp } from '../../../server/app.js'
import { LIMITS, Listeners } from '../../../server/listen/listeners.js'
import { CertificateFolder } from '../../fixtures/certificates.js'
import { silent, startAppliance } from '../../server/fixtures/appliance.js'
import { run } from './terminal.js'

const made = new CertificateFolder()
const ca = join(made.folder, 'ca.pem')
const server = made.issue('localhost', -1, 30)
const reader = made.issue('ci', -1, 30, 'sluice-read')

const a = await startAppliance()
const gate = new Gate({ tokens: a.access.tokens, open: false })
const app = buildApp({ control: a.control, access: { ...a.access, gate } })
await app.ready()
const files = { tlsCert: server.certificate, tlsKey: server.key, tlsClientCa: ca }
const certificates = new Certificates({ files, logger: silent, onChange: () => {} })
const listeners = new Listeners(app, LIMITS)
const url = await listeners.open(
  { kind: 'tcp', host: '127.0.0.1', port: 0, tls: true },
  certificates.context,
)
const SLUICE_API = `https://localhost:${new URL(url).port}`
t.teardown(async () => {
  await listeners.close(1000)
  await app.close()
  await a.close()
  made.remove()
})

t.test('by options', async t => {
  const get = ['get', 'services', '--api', SLUICE_API]
  t.match(await run(get, {}), { exit: 6, err: /unable to verify|issuer|self.signed/ })
  t.match(await run([...get, '--cacert', ca], {}), { exit: 5, err: /UNAUTHENTICATED/ })
  const identity = ['--cacert', ca, '--cert', reader.certificate, '--key', reader.key]
  t.match(await run([...get, ...identity], {}), { exit: 0, out: /^NAME/ })
  const write = ['delete', 'service', 'web', '--api', SLUICE_API, ...identity]
  t.match(await run(write, {}), { exit: 5, err: /INSUFFICIENT_SCOPE/ })
  t.match(await run([...get, '--key', reader.key], {}), { exit: 2, err: /--key .* without --cert/ })
  t.match(await run([...get, '--cacert', '/nonexistent'], {}), { exit: 2, err: /--cacert: ENOENT/ })
})

t.test('by the environment, with certificate and key in one file', async t => {
  const both = join(made.folder, 'both.pem')
  copyFileSync(reader.certificate, both)
  appendFileSync(both, readFileSync(reader.key))
  const env = { SLUICE_API, SLUICE_CACERT: ca, SLUICE_CERT: both }
  t.match(await run(['get', 'services'], { env }), { exit: 0, out: /^NAME/ })
})
