import t from 'tap'
import { web } from '../../server/fixtures/appliance.js'
import { openTerminal } from './terminal.js'

// As `ipvsadm -Sn` of ipvsadm 1.31 writes it.
const RULES = `-A -t 198.51.100.10:80 -s wrr
-a -t 198.51.100.10:80 -r 10.0.0.1:8080 -m -w 2
-a -t 198.51.100.10:80 -r 10.0.0.2:8080 -m -w 1
`

t.test('there and back', async t => {
  const { appliance, run } = await openTerminal(t)
  const read = await run(['import', '--format', 'ipvsadm', '-', '-o', 'json'], { stdin: RULES })
  t.equal(read.exit, 0, read.err)
  t.match(read.out, /198\.51\.100\.10/)
  t.equal((await run(['get', 'services', '-o', 'name'])).out, '', 'nothing is stored')
  await appliance.send('PUT', '/v1/virtual-services/web', web)
  t.equal((await run(['export', 'ipvsadm'])).out, RULES)
  t.match((await run(['export', 'keepalived'])).out, /virtual_server 198\.51\.100\.10 80 \{/)
  t.match(await run(['import', '--format', 'ipvsadm', '/nonexistent']), { exit: 2, err: /ENOENT/ })
  t.match(await run(['import', '--format', 'ipvsadm', '-']), { exit: 7, err: /MISSING_BODY/ })
  t.match(await run(['export', 'nginx']), { exit: 2, err: /Allowed choices/ })
})

t.test('an import that is taken over', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', '/v1/virtual-services/web', { ...web, port: 81 })
  const take = (...args: string[]) =>
    run(['import', '--format', 'ipvsadm', '-', '--apply', ...args], { stdin: RULES })
  t.match(await take('--dry-run', '--replace', '-o', 'json'), { exit: 0, out: /"impact"/ })
  t.equal(appliance.control.revision(), 1)
  t.match(await take('-m', 'moved'), { exit: 0, out: /^revision: 2$/m })
  t.equal((await run(['get', 'services', '-o', 'name'])).out.split('\n').length - 1, 2)
  t.match(await take('--replace'), { exit: 0, out: /^revision: 3$/m })
  t.equal((await run(['export', 'ipvsadm'])).out, RULES)
  const without = ['import', '--format', 'ipvsadm', '-', '--replace']
  t.match(await run(without, { stdin: RULES }), { exit: 2, err: /need --apply/ })
})
