// The page at /docs in a real browser: it loads without a complaint, takes a token, and tries operations.
import type { AddressInfo } from 'node:net'
import { chromium, type Locator } from 'playwright-core'
import t from 'tap'
import { SYSTEM } from '../../../server/auth/actor.js'
import { buildApp } from '../../../server/app.js'
import { Gate } from '../../../server/auth/gate.js'
import { startAppliance, web } from '../fixtures/appliance.js'

/** A browser on a busy machine. */
const PATIENCE_MS = 60_000

const a = await startAppliance()
const { tokens } = a.access
const gate = new Gate({ tokens, open: false })
const defences = { requestsPerMinute: 0, eventLoopDelayMs: 60_000 }
const app = buildApp({ control: a.control, access: { ...a.access, gate }, defences })
await app.listen({ host: '127.0.0.1', port: 0 })
const origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
const by = { actor: SYSTEM, requestId: null }
const { secret } = tokens.create({ name: 'page', scope: 'write', expiresAt: null }, by)

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  timeout: PATIENCE_MS,
})
t.teardown(async () => {
  await browser.close()
  app.server.closeAllConnections()
  await app.close()
  await a.close()
})

/** What the browser complains about, and whom it asks. */
const complaints: string[] = []
const foreign: string[] = []
const page = await browser.newPage()
page.setDefaultTimeout(PATIENCE_MS)
page.on('console', message => {
  if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
})
page.on('pageerror', error => complaints.push(error.message))
page.on('request', request => {
  if (!request.url().startsWith(origin) && !request.url().startsWith('data:'))
    foreign.push(request.url())
})

/** Opens an operation; returns its block. */
async function operation(id: string): Promise<Locator> {
  const block = page.locator(`[id$="-${id}"].opblock`)
  await block.locator('.opblock-summary-control').click()
  await block.locator('.execute').waitFor()
  return block
}

/** Sends what the block holds; returns status and body as the page shows them. */
async function execute(block: Locator): Promise<{ status: string; body: string }> {
  await block.locator('.execute').click()
  const live = block.locator('.live-responses-table tbody .response')
  const status = await live.locator('.response-col_status').innerText()
  const body = await live
    .locator('.response-col_description .highlight-code code')
    .first()
    .innerText()
  return { status: status.trim(), body }
}

t.test('it loads, says what it is, and asks nobody else', async t => {
  await page.goto(`${origin}/docs`)
  await page.waitForSelector('.opblock')
  t.equal(await page.title(), 'Sluice API')
  t.equal(await page.getAttribute('html', 'lang'), 'en')
  t.match(await page.locator('h1, h2').first().innerText(), /^Sluice/)
  t.strictSame(complaints, [])
  t.strictSame(foreign, [])
})

t.test('a token, then a PUT and a GET', async t => {
  await page.locator('.auth-wrapper .btn.authorize').click()
  const token = page.locator('.modal-ux .auth-container', { hasText: 'token' }).first()
  await token.locator('input').fill(secret)
  await token.locator('.btn.authorize').click()
  await page.locator('.modal-ux .btn-done').first().click()

  const put = await operation('putVirtualService')
  await put.locator('tr[data-param-name="name"] input').fill('web')
  await put.locator('textarea.body-param__text').fill(JSON.stringify(web))
  const stored = await execute(put)
  t.equal(stored.status, '201')
  t.match(JSON.parse(stored.body), { name: 'web', address: '198.51.100.10' })
  t.equal([...a.control.state.services()].length, 1, 'it is really there')

  const get = await operation('listVirtualServices')
  const read = await execute(get)
  t.equal(read.status, '200')
  t.match(JSON.parse(read.body), { items: [{ name: 'web', scheduler: 'wrr' }] })
  t.strictSame(complaints, [], 'no rule of the page was broken')
  t.strictSame(foreign, [])
})

t.test('an example is sent as it stands, and a refusal is shown', async t => {
  const check = await operation('putHealthCheck')
  await check.locator('tr[data-param-name="name"] input').fill('web')
  const made = await execute(check)
  t.equal(made.status, '201')
  t.strictSame(complaints, [])
  const tokenList = await operation('listTokens')
  const refused = await execute(tokenList)
  t.equal(refused.status, '403')
  t.match(JSON.parse(refused.body), { code: 'INSUFFICIENT_SCOPE' })
})
