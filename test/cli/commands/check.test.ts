import { writeFileSync } from 'node:fs'
import t from 'tap'
import { FakeEngine } from '../../server/fixtures/fake-engine.js'
import { openTerminal } from './terminal.js'

const config = `
healthChecks:
  web: { kind: http, path: /healthz, intervalMilliseconds: 1000 }
virtualServices:
  web:
    protocol: tcp
    address: 198.51.100.10
    port: 80
    healthChecks: { named: [web], inline: { app: { kind: external } } }
    realServers: { a: { address: 10.0.0.1 } }
`

t.test('apply, get, check, delete', async t => {
  const engine = new FakeEngine()
  const { run } = await openTerminal(t, { engine })
  const file = `${t.testdir()}/config.yaml`
  writeFileSync(file, config)
  const applied = await run(['apply', '-f', file])
  t.match(applied, { exit: 0, out: /^healthChecks\/web created\nvirtualServices\/web created\n/ })
  t.match((await run(['apply', '-f', file])).out, /healthChecks\/web unchanged/)
  t.match((await run(['get', 'health-checks'])).out, /web +http +1000 ms +2000 ms +2\/3 +1\n/)
  t.match((await run(['get', 'hc', 'web', '-o', 'wide'])).out, / web /)
  const found = await run(['get', 'checks', 'web', 'a'])
  t.match(
    found.out,
    /^NAME +KIND +STATE.*\nweb +http +down .* 3 +3 +Nobody listens\.\napp +external/,
  )
  const json = JSON.parse((await run(['get', 'checks', 'web/a', '-o', 'json'])).out) as object
  t.match(json, { items: [{ name: 'web', lastFailures: [{ transcript: [{ step: 'connect' }] }] }] })
  t.match(await run(['get', 'checks', 'web']), { exit: 2, err: /SERVICE SERVER/ })

  const ran = await run(['check', 'web', 'a', '--check', 'web'])
  t.equal(ran.exit, 1, 'it failed')
  t.equal(
    ran.out,
    'web: failure (refused) after 1.5 ms: Nobody listens.\n' +
      '       0.500 ms  connect  Refused., 0 octets\n',
  )
  t.match(JSON.parse((await run(['check', 'web/a', '-o', 'json'])).out), {
    items: [{ name: 'web', outcome: 'failure' }, { name: 'app' }],
  })
  t.match(await run(['check', 'web', 'a', '--check', 'x']), { exit: 3, err: /it has web, app/ })
  t.match(await run(['delete', 'health-check', 'web']), { exit: 4, err: /used by web/ })
  writeFileSync(file, config.replace('named: [web], ', '').replace(/^healthChecks:\n.*\n/m, ''))
  t.match((await run(['apply', '-f', file, '--prune'])).out, /healthChecks\/web deleted/)
  t.match((await run(['get', 'health-checks'])).out, /^(NAME.*\n)?$|^No/i)
})
