import t from 'tap'
import { parse } from 'yaml'
import { openTerminal } from './terminal.js'

const service = (port: number, labels: Record<string, string> = {}) => ({
  ...{ protocol: 'tcp', address: '198.51.100.10', port, scheduler: 'rr' },
  realServers: { a: { address: '10.0.0.1', labels }, b: { address: '10.0.0.2' } },
})

async function begin(t: { teardown(work: () => unknown): void }) {
  const terminal = await openTerminal(t)
  await terminal.appliance.send('PUT', '/v1/virtual-services/web', service(80))
  await terminal.appliance.send('PUT', '/v1/virtual-services/mail', service(25, { rack: '3' }))
  return terminal
}

t.test('try, start, list, show, end', async t => {
  const { run } = await begin(t)
  const start = ['maintenance', 'start', 'host-1', '--address', '10.0.0.1']
  const trial = await run([...start, '--dry-run'])
  t.equal(trial.exit, 0, trial.err)
  t.match(trial.out, /^host-1 drained: 0 of 0 connections left, 2 of 2 real servers of 2 services/)
  t.match(
    trial.out,
    / {2}web: 2 usable real servers now, 1 then, 1 at least\nnothing was changed\n$/,
  )
  t.equal((await run(['get', 'maintenances', '-o', 'name'])).out, '')

  const more = ['--deadline', '10m', '--on-deadline', 'reset', '--comment', 'New fans.']
  const begun = await run([...start, ...more, '--wait'])
  t.equal(begun.exit, 0, begun.err)
  t.match(begun.out, /^SERVER +PHASE +CONNS +AT START +DEADLINE +DRAINED BY$/m)
  t.match(begun.out, /^web\/a +drained +0 +0 +2030-\S+ +host-1$/m)
  const [head, row] = (await run(['get', 'maintenances'])).out.split('\n')
  t.match(head, /^NAME +SELECTS +PHASE +SERVERS +DRAINED +CONNS +START +END +COMMENT$/)
  t.match(row, /^host-1 +10\.0\.0\.1 +drained +2 +2 +0 +2030-\S+ +- +New fans\.$/)
  t.match(parse((await run(['maintenance', 'show', 'host-1', '-o', 'yaml'])).out), {
    ...{ name: 'host-1', deadlineSeconds: 600, onDeadline: 'reset' },
    status: { members: [{ service: 'mail', server: 'a' }, { service: 'web' }] },
  })
  t.match(await run(['maintenance', 'end', 'host-1']), {
    ...{ exit: 0, out: 'maintenances/host-1 ended\n' },
  })
  t.equal((await run(['maintenance', 'show', 'host-1'])).exit, 3)
})

t.test('by labels and by schedule; what is in its way is told', async t => {
  const { run } = await begin(t)
  const start = ['maintenance', 'start', 'rack', '-l', 'rack=3']
  const times = ['--at', '2035-01-01T02:00:00+01:00', '--until', '2035-01-01T04:00:00Z']
  const out = /^rack scheduled for 2035-01-01T01:00:00\.000Z: 1 real server of 1 service, 0 conn/
  t.match(await run([...start, ...times]), { exit: 0, out })
  const [, row] = (await run(['get', 'maintenance'])).out.split('\n')
  t.match(row, /^rack +rack=3 +scheduled +1 +0 +0 +2035-\S+ +2035-/)
  await run(['drain', 'mail/b'])
  const shown = await run(['maintenance', 'show', 'rack'])
  t.match(shown.out, /it would be refused: 'mail' would have 0 usable .*: 1 too few\./)
  const refused = await run(start)
  t.match(refused, { exit: 4, err: /BELOW_MINIMUM/ }, refused.err)
  t.equal((await run([...start, '--ignore-minimum'])).exit, 0)
})

t.test('what is asked for wrongly', async t => {
  const { run } = await begin(t)
  const start = ['maintenance', 'start', 'host-1']
  t.match(await run(start), { exit: 2, err: /--address or --label/ })
  t.match(await run([...start, '--address', '10.0.0.9']), { err: /NOTHING_SELECTED/ })
  t.match(await run([...start, '--address', '10.0.0.1', '--deadline', 'soon']), {
    ...{ exit: 2, err: /--deadline: 'soon' is not like 300/ },
  })
  t.match(await run([...start, '-l', 'rack']), { exit: 2, err: /not of the form key=value/ })
  t.equal((await run(['maintenance', 'end', 'nothing'])).exit, 3)
})
