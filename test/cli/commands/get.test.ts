import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { web } from '../../server/fixtures/appliance.js'
import { openTerminal, run } from './terminal.js'

const services = '/v1/virtual-services'
const six = {
  ...{ protocol: 'udp', address: '2001:db8:f::1', port: 53, labels: { env: 'lab' } },
  realServers: { x: { address: '2001:db8:2::1', weight: 3, adminState: 'draining' } },
}

t.test('tables for people', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', `${services}/web`, web)
  await appliance.send('PUT', `${services}/six`, six)
  const all = await run(['get', 'services'])
  t.equal(all.exit, 0)
  const [head, ...rows] = all.out.trimEnd().split('\n')
  t.strictSame(head!.split(/ {2,}/), [
    ...['NAME', 'ADDRESS', 'SCHEDULER', 'SERVERS', 'STATUS', 'ACTIVE', 'INACTIVE'],
  ])
  t.strictSame(
    rows.map(row => row.split(/ {2,}/).slice(0, 4)),
    [
      ['six', 'udp [2001:db8:f::1]:53', 'wlc', '0/1'],
      ['web', 'tcp 198.51.100.10:80', 'wrr', '2/2'],
    ],
  )
  for (const row of rows) t.equal(row.indexOf('w'), rows[0]!.indexOf('w') && row.indexOf('w'))
  t.match((await run(['get', 'svc', '-o', 'wide'])).out, /LABELS.*\n.*env=lab/)
  t.match((await run(['get', 'services', '-l', 'env=lab', '-o', 'name'])).out, /^six\n$/)
  const servers = await run(['get', 'servers', '-o', 'wide'])
  t.match(servers.out, /six +x +\[2001:db8:2::1\]:53 +masq +0 \(of 3\) +draining/)
  t.equal((await run(['get', 'servers', 'web', '-o', 'name'])).out, 'web/a\nweb/b\n')
  t.match((await run(['get', 'settings'])).out, /^timeouts\.tcpSeconds +900$/m)
  t.match((await run(['get', 'stats'])).out, /^web\/a +0/m)
  t.match((await run(['get', 'interfaces', 'eth0'])).out, /^eth0 +yes/m)
  t.match((await run(['get', 'version'])).out, /^apiVersion +v1$/m)
})

t.test('documents for machines', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', `${services}/web`, web)
  const read = (await appliance.send('GET', `${services}/web`)).json<object>()
  t.strictSame(JSON.parse((await run(['get', 'services', 'web', '-o', 'json'])).out), read)
  t.strictSame(parse((await run(['get', 'services', 'web', '-o', 'yaml'])).out), read)
  t.strictSame(JSON.parse((await run(['get', 'services', '-o', 'json'])).out), { items: [read] })
  t.strictSame(JSON.parse((await run(['get', 'marks', '-o', 'json'])).out), { items: [] })
})

t.test('a list of many pages', async t => {
  const { appliance, run } = await openTerminal(t)
  const names = Array.from({ length: 501 }, (_, i) => `s${String(i).padStart(4, '0')}`)
  for (const [i, name] of names.entries())
    await appliance.send('PUT', `${services}/${name}`, {
      ...{ protocol: 'tcp', address: '198.51.100.10', port: 1000 + i },
    })
  t.equal((await run(['get', 'services', '-o', 'name'])).out, `${names.join('\n')}\n`)
})

t.test('watching: what changes, until told to stop', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', `${services}/web`, web)
  const stop = new AbortController()
  const steps = [
    () => appliance.send('PATCH', `${services}/web/real-servers/a`, { weight: 9 }),
    () => appliance.send('DELETE', `${services}/web/real-servers/b`),
    async () => stop.abort(),
  ]
  const seen = (out: string) => {
    // Two real servers at first, then one change at a time.
    if (out.split('\n').length - 1 === 5 - steps.length) void steps.shift()?.()
  }
  const args = ['get', 'servers', 'web', '-w', '-o', 'json', '--interval', '0.01']
  const { out, exit } = await run(args, { stopped: stop.signal, seen })
  t.equal(exit, 0)
  const lines = out.trimEnd().split('\n')
  const changes = lines.map(line => JSON.parse(line) as { change: string; name: string })
  t.strictSame(
    changes.map(({ change, name }) => `${change} ${name}`),
    ['added web/a', 'added web/b', 'changed web/a', 'removed web/b'],
  )
})

t.test('what went wrong, as text and as exit status', async t => {
  const { appliance, run: here } = await openTerminal(t)
  await appliance.send('PUT', `${services}/web`, web)
  const missing = await here(['get', 'services', 'nope'])
  t.match(missing, { exit: 3, out: '', err: /No such virtual service \(SERVICE_NOT_FOUND\)/ })
  const kind = await here(['get', 'servces'])
  t.match(kind, { exit: 2, err: /there is no kind 'servces'.*services/i })
  const filter = await here(['get', 'services', '--filter', 'protocl=tcp'])
  t.match(filter, { exit: 7, err: /protocl: .*\n +.*protocol/ })
  t.match(await here(['get', 'services', '--filter', 'x']), { exit: 2, err: /key=value/ })
  t.match(await here(['get', 'services', '-o', 'xml']), { exit: 2, err: /Allowed choices/ })
  t.match(await here(['get']), { exit: 2, err: /missing required argument 'kind'/ })
  const env = { SLUICE_API: `unix:${join(t.testdir({}), 'nobody.sock')}` }
  t.match(await run(['get', 'services'], { env }), {
    exit: 6,
    err: /cannot reach the API at unix:/,
  })
  t.match(await here(['get', 'services', '--api', 'ftp://x']), { exit: 2, err: /ftp:/ })
  t.match(await here(['get', 'services', '--token-file', '/nonexistent']), { exit: 2 })
  const file = join(t.testdir({}), 'token')
  const args = ['get', 'services', '--token-file', file]
  writeFileSync(file, 'secret\n')
  t.match(await here(args), { exit: 5, err: /UNAUTHENTICATED|token/i })
  const minted = await appliance.send('POST', '/v1/tokens', { scope: 'read' })
  writeFileSync(file, `${minted.json<{ token: string }>().token}\n`)
  t.equal((await here(args)).exit, 0)
  t.match(await here(['delete', 'service', 'web', '--token-file', file]), { exit: 5 })
})

t.test('delete', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', `${services}/web`, web)
  t.match(await run(['delete', 'server', 'web/a']), { exit: 0, out: 'servers/web/a deleted\n' })
  t.equal((await run(['delete', 'server', 'web/a'])).exit, 3)
  t.equal((await run(['delete', 'server', 'web/a', '--missing-ok'])).exit, 0)
  t.match(await run(['delete', 'server', 'web']), { exit: 2, err: /SERVICE\/SERVER/ })
  t.match(await run(['delete', 'stats', 'web']), { exit: 2, err: /cannot be deleted/ })
  t.equal((await run(['delete', 'service', 'web'])).exit, 0)
  t.equal((await appliance.send('GET', `${services}/web`)).statusCode, 404)
})
