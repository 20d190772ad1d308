import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { web } from '../../server/fixtures/appliance.js'
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

t.test(
  'what is applied is there, as one revision, and applying it again changes nothing',
  async t => {
    const { appliance, run } = await openTerminal(t)
    const apply = (stdin: string, ...args: string[]) =>
      run(['apply', '-f', '-', ...args], { stdin })
    t.match(await apply(CONFIG, '-m', 'begin'), {
      exit: 0,
      out: 'virtualServices/web created\nsettings configured\nmarkRules/one created\nrevision 1\n',
    })
    t.match(await apply(CONFIG), {
      exit: 0,
      out:
        'virtualServices/web unchanged\nsettings unchanged\nmarkRules/one unchanged\n' +
        'revision 1, as before\n',
    })
    t.equal(appliance.control.revision(), 1)
    t.match(await apply(CONFIG.replace('port: 8080', 'port: 8081')), {
      out: /^virtualServices\/web configured\nsettings unchanged\n/,
    })
    t.match((await run(['get', 'revisions'])).out, /^1 .* create .*and 3 more +begin$/m)
    t.equal((await run(['get', 'servers', '-o', 'name'])).out, 'web/a\n')

    const folder = t.testdir({ 'b.yaml': '', 'a.json': '{"settings":{}}', 'c.txt': 'no' })
    writeFileSync(join(folder, 'b.yaml'), CONFIG.replace(/^settings.*\n/m, ''))
    t.match(await run(['apply', '-f', folder]), { exit: 0, out: /^settings configured\n/ })
    const json = JSON.parse((await apply(CONFIG, '-o', 'json')).out) as object
    t.match(json, {
      ...{ revision: 4, operation: null },
      changes: [
        { kind: 'settings', fields: [{ pointer: '/timeouts/udpSeconds', before: 300, after: 30 }] },
      ],
    })
  },
)

t.test('pruning: what the files do not name goes', async t => {
  const { appliance, run } = await openTerminal(t)
  const apply = (...args: string[]) => run(['apply', '-f', '-', ...args], { stdin: CONFIG })
  const other = { ...web, address: '198.51.100.11' }
  await appliance.send('PUT', '/v1/virtual-services/other', other)
  await appliance.send('PUT', '/v1/mark-rules/two', { mark: 2, addressFamily: 'ipv6' })
  await appliance.send('PATCH', '/v1/settings', { sloppyTcp: true })
  await apply()
  t.equal(
    (await run(['get', 'services', '-o', 'name'])).out,
    'other\nweb\n',
    'not without being asked',
  )
  t.match(await apply('--prune', '--dry-run'), {
    exit: 0,
    out: /^- virtualService other$[^]*^impact: no connection is hurt$[^]*other: usable real servers 2 → 0/m,
  })
  t.equal((await run(['get', 'services', '-o', 'name'])).out, 'other\nweb\n', 'a dry run')
  t.match((await apply('--prune')).out, /markRules\/two deleted\nvirtualServices\/other deleted\n/)
  t.match(await apply('--prune'), { exit: 0, out: /as before\n$/ })
  t.strictSame(parse((await run(['get', 'config', '-o', 'yaml'])).out), {
    ...(parse(CONFIG.split('---')[0]!) as object),
    ...(parse(CONFIG.split('---')[1]!) as object),
  })
  const whole = (await run(['get', 'config', '-o', 'yaml'])).out
  const again = await run(['apply', '-f', '-', '--prune'], { stdin: whole })
  t.match(again, { exit: 0, out: /as before\n$/ })
})

t.test('what has to be confirmed', async t => {
  const { appliance, run } = await openTerminal(t)
  const apply = (stdin: string) => run(['apply', '-f', '-', '--confirm-within', '60'], { stdin })
  const first = await apply(CONFIG)
  t.match(first, {
    exit: 0,
    out: /revision 1\ntaken back at 20.* unless confirmed: sluice confirm \S+\n$/,
  })
  t.match(await run(['confirm']), { exit: 0, out: 'revision 1 stays\n' })
  t.match(await run(['confirm']), { exit: 2, err: /no change waits/ })
  await apply(CONFIG.replace('port: 80\n', 'port: 81\n'))
  t.match(
    (await run(['get', 'operations'])).out,
    /confirmation +waiting[^]*confirmation +confirmed/,
  )
  await apply(CONFIG.replace('port: 80\n', 'port: 82\n'))
  t.match(await run(['cancel']), { exit: 2, err: /several changes wait; say which one:\n {2}\S+ / })
  const [newest] = (await run(['get', 'operations', '-o', 'name'])).out.split('\n')
  t.match(await run(['cancel', newest!]), {
    exit: 0,
    out: 'revision 3 was taken back by revision 4\n',
  })
  t.match(await run(['confirm', newest!]), { exit: 4 })
  t.match(await run(['confirm', 'nothing']), { exit: 3 })
  t.match((await appliance.send('GET', '/v1/virtual-services/web')).json(), { port: 81 })
  t.match(await run(['apply', '-f', '-', '--confirm-within', 'soon'], { stdin: CONFIG }), {
    ...{ exit: 2, err: /--confirm-within/ },
  })
  t.match(await run(['apply', '-f', '-', '--confirm-within', '999999'], { stdin: CONFIG }), {
    exit: 7,
  })
})

t.test('what is wrong is said in the words of the file, and nothing done', async t => {
  const { appliance, run } = await openTerminal(t)
  const apply = (stdin: string) => run(['apply', '-f', '-'], { stdin })
  t.match(await run(['apply']), { exit: 2, err: /-f FILE/ })
  t.match(await apply(`${CONFIG}---\na: [`), { exit: 2, err: /line \d+/ })
  t.match(await apply(`${CONFIG}---\n${CONFIG}`), {
    exit: 2,
    err: /virtualServices\/web is there twice/,
  })
  t.match(await apply('services: {}'), { exit: 2, err: /virtualServices/ })
  t.match(await apply('virtualServices: [1]'), { exit: 2, err: /no mapping/ })
  t.match(await run(['apply', '-f', '/nonexistent.yaml']), { exit: 2, err: /ENOENT/ })
  const faulty = CONFIG.replace('port: 8080', 'prt: 8080')
  for (const command of [['apply'], ['plan'], ['diff'], ['apply', '--dry-run']])
    t.match(await run([...command, '-f', '-'], { stdin: faulty }), {
      ...{ exit: 7, out: '' },
      err: /^ {2}\/virtualServices\/web\/realServers\/a\/prt: .*\n +Did you mean 'port'/m,
    })
  t.equal(appliance.control.revision(), 0, 'not even what was right')
})
