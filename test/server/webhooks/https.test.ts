// Webhooks over TLS against a real receiver, whose certificates openssl made.
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { CertificateFolder, type ServerFiles } from '../../fixtures/certificates.js'
import { checkMetrics } from '../../fixtures/promtool.js'
import { startAppliance } from '../fixtures/appliance.js'
import { Receiver } from './receiver.js'

interface Status {
  dropped: number
}

const url = '/v1/webhooks/pager'
const certificates = new CertificateFolder()
t.teardown(() => certificates.remove())

async function receiver(t: Test, files: ServerFiles): Promise<Receiver> {
  const { certificate, key } = files
  const to = await Receiver.open({ cert: readFileSync(certificate), key: readFileSync(key) })
  t.teardown(() => to.close())
  return to
}

t.test("a receiver with a certificate of a CA of one's own", async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const to = await receiver(t, certificates.issue('localhost', -1, 30))
  const document = { url: to.url, secret: 'correct-horse', ca: certificates.ca }
  t.match((await a.send('PUT', url, document)).json(), { ca: certificates.ca, signed: true })
  t.match((await a.send('POST', `${url}/tests`)).json(), { delivered: true })
  await a.send('PUT', '/v1/webhooks/other', {
    url: to.url,
    events: ['change'],
    ca: certificates.ca,
  })
  await a.send('PUT', '/v1/health-checks/x', { kind: 'tcp' })
  await to.has(2)
  t.strictSame(to.types, ['webhook.test', 'healthCheck.created'])
  t.match(to.got[0]!.headers, { 'sluice-signature': /^v1=[0-9a-f]{64}$/ })
})

t.test(
  'what is wrong with a certificate is a failure that says so, and nothing is sent',
  async t => {
    const a = await startAppliance()
    t.teardown(() => a.close())
    const good = certificates.issue('localhost', -1, 30)
    const { ca } = certificates
    const other = new CertificateFolder()
    t.teardown(() => other.remove())
    const cases: [name: string, files: ServerFiles, more: object, said: string][] = [
      ['unknown CA', good, {}, 'its issuer is unknown'],
      ['another CA', good, { ca: other.ca }, 'its issuer is unknown'],
      ['expired', certificates.issue('localhost', -9, -2), { ca }, 'it has expired'],
      ['too early', certificates.issue('localhost', 2, 9), { ca }, 'it is not valid yet'],
      ['other name', certificates.issue('example.com', -1, 30), { ca }, 'it is for another name'],
    ]
    for (const [name, files, more, said] of cases) {
      const to = await receiver(t, files)
      await a.send('PUT', url, { url: to.url, ...more })
      const detail = `The certificate of localhost is not accepted: ${said}.`
      t.match((await a.send('POST', `${url}/tests`)).json(), { delivered: false, detail }, name)
      t.equal(to.got.length, 0, name)
    }
    const plain = await Receiver.open()
    t.teardown(() => plain.close())
    await a.send('PUT', url, { url: plain.url.replace('http:', 'https:') })
    t.match((await a.send('POST', `${url}/tests`)).json(), { delivered: false, detail: /SSL|TLS/ })
  },
)

t.test('a bad certificate stays to be read, with the event given up', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const to = await receiver(t, certificates.issue('localhost', -9, -2))
  const document = { url: to.url, maxAttempts: 1, events: ['change'], ca: certificates.ca }
  await a.send('PUT', url, document)
  await a.send('PUT', '/v1/health-checks/x', { kind: 'tcp' })
  const statusOf = async () => (await a.send('GET', url)).json<{ status: Status }>().status
  let status = await statusOf()
  while (status.dropped === 0) {
    await new Promise(resolve => setImmediate(resolve))
    status = await statusOf()
  }
  t.match(status, { lastError: { detail: /localhost is not accepted: it has expired/ } })
  const metrics = (await a.send('GET', '/metrics')).body
  t.match(metrics, 'sluice_webhook_deliveries_total{webhook="pager",result="failed"} 1\n')
  t.match(metrics, 'sluice_webhook_deliveries_total{webhook="pager",result="dropped"} 1\n')
  t.equal(checkMetrics(metrics), '', 'promtool has nothing to say')
  t.notMatch(metrics, 'sluice_webhook_last_success_timestamp_seconds{')
})

t.test('what cannot be trusted is refused', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const https = 'https://alerts.example.com/'
  const { ca } = certificates
  const broken = ca.replace('MII', 'AAA')
  const key = readFileSync(`${certificates.folder}/ca.key`, 'utf8')
  const wrong: [object, string, RegExp][] = [
    [{ url: https, ca: 'trust me' }, 'INVALID_VALUE', /no certificate/],
    [{ url: https, ca: ca + broken }, 'INVALID_VALUE', /Number 2 /],
    [{ url: https, ca: ca + key }, 'INVALID_VALUE', /private key/],
    [{ url: 'http://alerts.example.com/', ca }, 'CONFLICTING_FIELDS', /https/],
  ]
  for (const [body, code, detail] of wrong) {
    const answer = await a.send('PUT', url, body)
    t.match(answer.json(), { status: 422, errors: [{ pointer: '/ca', code, detail }] })
    if (code === 'CONFLICTING_FIELDS') continue
    const { ca } = body as { ca: string }
    const check = await a.send('PUT', '/v1/health-checks/x', { kind: 'https', path: '/', ca })
    t.match(check.json(), { errors: [{ pointer: '/ca', code, detail }] }, 'of health checks, too')
  }
})
