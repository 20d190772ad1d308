import t from 'tap'
import { web } from '../../server/fixtures/appliance.js'
import { openTerminal } from './terminal.js'

const file = (weight: number) => `
virtualServices:
  web:
    protocol: tcp
    address: 198.51.100.10
    port: 80
    scheduler: mh
    realServers:
      a: { address: 10.0.0.1, port: 8080, weight: ${weight} }
      b: { address: 10.0.0.2, port: 8080 }
`

t.test('a plan: differences, and what they do', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', '/v1/virtual-services/web', { ...web, scheduler: 'mh' })
  const planned = await run(['plan', '-f', '-'], { stdin: file(0) })
  t.equal(planned.exit, 0)
  const [head, field, impact, service] = planned.out.split('\n')
  t.equal(head, '~ realServer web/a')
  t.equal(field, '    /weight  2 → 0')
  t.equal(impact, 'impact: no connection is hurt')
  const [, moved, total] =
    /^ {2}web: usable real servers 2 → 1, (\d+) of (\d+) slots move/.exec(service!) ?? []
  // All that a had: two thirds of them by weight, as exactly as Maglev spreads.
  t.ok(Math.abs(Number(moved) / Number(total) - 2 / 3) < 0.01, `${moved} of ${total}`)
  t.match(JSON.parse((await run(['plan', '-f', '-', '-o', 'json'], { stdin: file(0) })).out), {
    ...{ revision: 1, changes: [{ name: 'web/a' }] },
    impact: { services: [{ slots: { moved: Number(moved) } }] },
  })
  t.equal((await run(['plan', '-f', '-'], { stdin: file(2) })).out, 'no differences\n')
  t.equal(appliance.control.revision(), 1)
})

t.test('diff says by its status whether there is a difference', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', '/v1/virtual-services/web', { ...web, scheduler: 'mh' })
  t.match(await run(['diff', '-f', '-'], { stdin: file(2) }), { exit: 0, out: 'no differences\n' })
  t.match(await run(['diff', '-f', '-'], { stdin: file(5) }), {
    exit: 8,
    out: '~ realServer web/a\n    /weight  2 → 5\n',
  })
  await appliance.send('PATCH', '/v1/virtual-services/web/real-servers/a', { weight: 7 })
  await appliance.send('DELETE', '/v1/virtual-services/web/real-servers/b')
  t.match(await run(['diff', '2']), { exit: 8, out: '~ realServer web/a\n    /weight  2 → 7\n' })
  t.match(await run(['diff', '3', '1']), { out: /^- realServer web\/b$/m })
  t.match(await run(['diff', '3', '1']), { out: /^ {4}\/weight {2}2 → 7$/m })
  t.match(await run(['diff', '3', '3']), { exit: 0, out: 'no differences\n' })
  t.equal((await run(['diff', '9'])).exit, 3)
  t.match(await run(['diff', 'x']), { exit: 2, err: /'x' is no revision/ })
  t.match(await run(['diff']), { exit: 2, err: /-f FILE, or a revision/ })
  t.match(await run(['diff', '2', '-f', '-']), { exit: 2 })
})

t.test('rollback', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', '/v1/virtual-services/web', web)
  const before = (await run(['get', 'config', '-o', 'yaml'])).out
  await appliance.send('PATCH', '/v1/virtual-services/web/real-servers/a', { weight: 7 })
  t.match(await run(['rollback', '1', '--dry-run']), { exit: 0, out: /\/weight {2}7 → 2\nimpact:/ })
  t.equal(appliance.control.revision(), 2)
  t.match(await run(['rollback', '1', '-m', 'slow']), {
    ...{ exit: 0, out: '~ realServer web/a\n    /weight  7 → 2\nrevision 3\n' },
  })
  t.match((await run(['get', 'revisions', '3'])).out, /update realServer web\/a +slow$/m)
  t.equal((await run(['get', 'config', '-o', 'yaml'])).out, before)
  t.match(await run(['rollback', '1']), { exit: 0, out: 'no differences\nrevision 3, as before\n' })
  t.match(await run(['rollback', '2', '--confirm-within', '60']), { out: /sluice confirm/ })
  t.match(await run(['cancel', '-o', 'json']), { exit: 0, out: /"cancelled"/ })
  t.equal((await run(['rollback', '99'])).exit, 3)
})
