import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { readExpiry } from '../../../cli/commands/token.js'
import { openTerminal } from './terminal.js'

t.test('when a token ends', async t => {
  const now = Date.UTC(2030, 0, 1)
  t.equal(readExpiry('30m', now), '2030-01-01T00:30:00.000Z')
  t.equal(readExpiry('12h', now), '2030-01-01T12:00:00.000Z')
  t.equal(readExpiry('90d', now), '2030-04-01T00:00:00.000Z')
  t.equal(readExpiry('1w', now), '2030-01-08T00:00:00.000Z')
  t.equal(readExpiry('2031-01-01T00:00:00+01:00', now), '2030-12-31T23:00:00.000Z')
  for (const text of ['', '90', 'd', '90 d', '-1d', 'tomorrow', '2031', '2031-13-01T00:00:00Z'])
    t.throws(() => readExpiry(text, now), /--expires/, `'${text}'`)
})

t.test('mint, list, revoke', async t => {
  const { run } = await openTerminal(t)
  const made = await run([
    'token',
    'create',
    '--scope',
    'write',
    '--name',
    'ci',
    '--expires',
    '90d',
  ])
  t.equal(made.exit, 0)
  t.match(made.out, /^sluice_\S+\n$/, 'the secret alone, for $(…)')
  t.match(made.err, /^token 'ci', scope write, expires 20\d\d-.*; shown this once\n$/)
  const env = { SLUICE_TOKEN: made.out.trim() }
  t.equal((await run(['get', 'services'], { env })).exit, 0)
  const file = join(t.testdir({}), 'token')
  writeFileSync(file, made.out)
  t.equal((await run(['get', 'services', '--token-file', file])).exit, 0)
  const list = await run(['token', 'list'])
  t.match(list.out, /^NAME +SCOPE +CREATED +EXPIRES +LAST USED\nci +write +20/)
  t.match(JSON.parse((await run(['token', 'list', '-o', 'json'])).out), [{ name: 'ci' }])
  t.match(parse((await run(['token', 'create', '--scope', 'read', '-o', 'yaml'])).out), {
    ...{ scope: 'read', token: /^sluice_/, expiresAt: null },
  })
  t.match(await run(['token', 'list'], { env }), { exit: 5, err: /FORBIDDEN|scope/ })
  t.match(await run(['token', 'revoke', 'ci']), { exit: 0, out: '', err: '' })
  t.match(await run(['get', 'services'], { env }), { exit: 5 })
})

t.test('exit statuses are those of every command', async t => {
  const { run } = await openTerminal(t)
  t.match(await run(['token', 'revoke', 'nobody']), { exit: 3, err: /TOKEN_NOT_FOUND/ })
  const twice = ['token', 'create', '--scope', 'read', '--name', 'ci']
  t.equal((await run(twice)).exit, 0)
  t.equal((await run(twice)).exit, 4)
  t.match(await run([...twice.slice(0, -1), 'Not A Name']), { exit: 7, err: /name/ })
  t.match(await run([...twice, '--expires', 'soon']), { exit: 2, err: /--expires/ })
  t.match(await run(['token', 'create']), { exit: 2, err: /--scope/ })
  t.match(await run(['token', 'create', '--scope', 'root']), { exit: 2, err: /Allowed choices/ })
  const env = { SLUICE_API: 'unix:/nonexistent' }
  t.match(await run(['token', 'list'], { env }), { exit: 6, err: /cannot reach/ })
})
