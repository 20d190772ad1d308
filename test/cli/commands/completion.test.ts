import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { web } from '../../server/fixtures/appliance.js'
import { openTerminal } from './terminal.js'

t.test('candidates: commands, options, choices, kinds, names', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', '/v1/virtual-services/web', web)
  await appliance.send('PUT', '/v1/virtual-services/wiki', { ...web, port: 81 })
  const complete = async (...words: string[]) =>
    (await run(['__complete', '--', ...words])).out.split('\n').slice(0, -1)
  t.strictSame(await complete('ge'), ['get'])
  t.ok((await complete('')).includes('explain'))
  t.notOk((await complete('')).some(each => each.startsWith('__')))
  t.strictSame(await complete('get', 's'), ['servers', 'services', 'settings', 'stats'])
  t.strictSame(await complete('get', 'services', 'w'), ['web', 'wiki'])
  t.strictSame(await complete('get', 'services', 'web', 'wi'), ['wiki'])
  t.strictSame(await complete('delete', 'server', 'web/'), ['web/a', 'web/b'])
  t.strictSame(await complete('get', 'services', '-o', 'y'), ['yaml'])
  t.ok((await complete('get', 'services', '--')).includes('--watch'))
  t.strictSame(await complete('completion', ''), ['bash', 'fish', 'zsh'])
  const env = { SLUICE_API: 'unix:/nonexistent' }
  t.equal((await run(['__complete', '--', 'get', 'services', ''], { env })).out, '')
})

t.test('bash makes of it what it should', async t => {
  const { run } = await openTerminal(t)
  const script = (await run(['completion', 'bash'])).out
  const folder = t.testdir({})
  const file = join(folder, 'completion.bash')
  // A `sluice` that says how it was asked.
  writeFileSync(
    file,
    `sluice() { printf '<%s>\\n' "$@" >>'${folder}/asked'; printf 'services\\nservers\\n'; }\n` +
      `${script}COMP_LINE='sluice get se'; COMP_POINT=\${#COMP_LINE}; _sluice; ` +
      `printf '%s\\n' "\${COMPREPLY[@]}"; cat '${folder}/asked'\n`,
  )
  const { stdout, stderr } = spawnSync('bash', [file], { encoding: 'utf8' })
  t.equal(stderr, '')
  t.equal(stdout, 'services\nservers\n<__complete>\n<-->\n<get>\n<se>\n')
})
