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
