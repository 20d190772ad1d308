import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { SETTINGS } from '../../server/config.js'

const COMMAND = fileURLToPath(new URL('../../cli/sluice.ts', import.meta.url))

/** Runs the command as it stands in the sources, with tap's own loader. */
function sluice(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, COMMAND, ...args],
    { encoding: 'utf8', env: { ...process.env, ...env } },
  )
  return { status, stdout, stderr }
}

t.test('help names every setting with its variable, the exit statuses, and examples', async t => {
  const help = sluice(['--help'])
  t.match(help, { status: 0, stdout: /Examples:[^]*Exit status:[^]*3 {2}this host lacks/ })
  const { status, stdout } = sluice(['serve', '--help'])
  t.equal(status, 0)
  for (const { flag, env } of SETTINGS) {
    t.match(stdout, flag)
    t.match(stdout, env)
  }
})

t.test('a reader that has read enough is no error', async t => {
  const command = [process.execPath, ...process.execArgv, COMMAND, '--help']
  const pipe = '("$@"; echo "status $?" >&2) | true'
  const { stderr } = spawnSync('sh', ['-c', pipe, 'sh', ...command], { encoding: 'utf8' })
  t.equal(stderr, 'status 0\n')
})

t.test('the version is that of the package', async t => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  t.match(sluice(['--version']), { status: 0, stdout: `${version}\n` })
})

t.test('what is wrong is refused with status 2 and the nearest name', async t => {
  t.match(sluice(['serve', '--lisen', 'x']), { status: 2, stdout: '', stderr: /--listen\?/ })
  t.match(sluice(['serv']), { status: 2, stderr: /Did you mean serve\?/ })
  t.match(sluice(['serve', 'now']), { status: 2, stderr: /too many arguments/ })
  t.match(sluice(['doctor', '-o', 'xml']), { status: 2, stderr: /text, json/ })
  t.match(sluice(['doctor', '--driver', 'ring'], { SLUICE_LISTN: '1' }), {
    status: 2,
    stdout: '',
    stderr: /SLUICE_LISTN: .*SLUICE_LISTEN\?[^]*--driver: 'ring' is not known/,
  })
})

t.test('doctor: JSON for scripts, and a status that says whether serve would start', async t => {
  const { status, stdout } = sluice(['doctor', '-o', 'json', '--interface', 'nowhere0'])
  t.equal(status, 3)
  const report = JSON.parse(stdout) as { severity: string; findings: { check: string }[] }
  t.equal(report.severity, 'fatal')
  t.match(
    report.findings.find(each => each.check === 'interfaces'),
    {
      severity: 'fatal',
      message: 'there is no interface nowhere0',
    },
  )
})

t.test('serve refuses to start where it cannot work, and says why', async t => {
  t.match(sluice(['serve', '--interface', 'nowhere0']), {
    status: 3,
    stdout: '',
    stderr: /fatal {4}interfaces {4}there is no interface nowhere0/,
  })
})
