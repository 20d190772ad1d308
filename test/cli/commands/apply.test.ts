import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openTerminal } from './terminal.js'

const CONFIG = `virtualServices:
  web:
    protocol: tcp
    address: 198.51.100.10
    port: 80
    realServers:
      a: { address: 10.0.0.1, port: 8080 }
settings: { timeouts: { udpSeconds: 30 } }
---
markRules:
  one: { mark: 1, addressFamily: ipv4, source: 203.0.113.0/24 }
`

t.test('what is applied is there, and applying it again changes nothing', async t => {
  const { appliance, run } = await openTerminal(t)
  const apply = (stdin: string) => run(['apply', '-f', '-'], { stdin })
  t.match(await apply(CONFIG), {
    exit: 0,
    out: 'virtualServices/web created\nsettings configured\nmarkRules/one created\n',
  })
  const revision = appliance.control.revision()
  t.match(await apply(CONFIG), {
    exit: 0,
    out: 'virtualServices/web unchanged\nsettings unchanged\nmarkRules/one unchanged\n',
  })
  t.equal(appliance.control.revision(), revision)
  t.match(await apply(CONFIG.replace('port: 8080', 'port: 8081')), {
    out: /^virtualServices\/web configured\nsettings unchanged\n/,
  })
  t.equal((await run(['get', 'servers', '-o', 'name'])).out, 'web/a\n')

  const folder = t.testdir({ 'b.yaml': '', 'a.json': '{"settings":{}}', 'c.txt': 'no' })
  writeFileSync(join(folder, 'b.yaml'), CONFIG)
  t.match(await run(['apply', '-f', folder]), { exit: 0, out: /^settings configured\n/ })
})

t.test('what is wrong is said, and nothing done', async t => {
  const { appliance, run } = await openTerminal(t)
  const apply = (stdin: string) => run(['apply', '-f', '-'], { stdin })
  t.match(await run(['apply']), { exit: 2, err: /-f FILE/ })
  t.match(await apply(`${CONFIG}---\na: [`), { exit: 2, err: /line \d+/ })
  t.match(await apply('services: {}'), { exit: 2, err: /virtualServices/ })
  t.match(await apply('virtualServices: [1]'), { exit: 2, err: /no mapping/ })
  t.match(await run(['apply', '-f', '/nonexistent.yaml']), { exit: 2, err: /ENOENT/ })
  t.match(await apply('virtualServices: { web: { adress: 1 } }'), {
    exit: 7,
    err: /virtualServices\/web refused[^]*\/adress: .*\n +Did you mean 'address'/,
  })
  t.equal(appliance.control.revision(), 0)
})
