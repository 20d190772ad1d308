/** What `sluice ipvsadm` does before and without an appliance; with one: e2e/ipvsadm.test.ts. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const COMMAND = fileURLToPath(new URL('../../cli/sluice.ts', import.meta.url))
const NOWHERE = join(t.testdir(), 'nobody.sock')
const unreachable = (path: string) =>
  `sluice ipvsadm: cannot reach the API at unix:${path}: connect ENOENT ${path}\n`

/** Runs the command as it stands in the sources, with tap's own loader. */
function ipvsadm(args: string[], api = `unix:${NOWHERE}`) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, COMMAND, 'ipvsadm', ...args],
    { encoding: 'utf8', env: { ...process.env, SLUICE_API: api }, input: '-C\n' },
  )
  return { status, stdout, stderr }
}

// Few runs: each compiles what it loads.
t.test('every argument is for ipvsadm', async t => {
  t.match(ipvsadm(['--help']), {
    status: 0,
    stdout: /^ipvsadm v1\.31[^]*Usage: ipvsadm/,
    stderr: '',
  })
  t.match(ipvsadm(['-v']), { status: 0, stdout: /^ipvsadm v1\.31 .*\n$/, stderr: '' })
  const hint = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n"
  t.strictSame(ipvsadm(['-V']), { status: 255, stdout: '', stderr: hint })
  t.match(ipvsadm(['-L', '--api', 'x']), { status: 255, stderr: '--api: unknown option\n' })
})

t.test('without an appliance: one line, and the status of a failed initialisation', async t => {
  t.strictSame(ipvsadm(['-R']), { status: 2, stdout: '', stderr: unreachable(NOWHERE) })
  const other = `${NOWHERE}-2`
  t.match(ipvsadm([`--api=unix:${other}`, '-Ln']), { status: 2, stderr: unreachable(other) })
  const stderr =
    "sluice ipvsadm: '127.0.0.1:7480' is not the address of an API: " +
    'expected http://host:port, https://host:port or unix:/path\n'
  t.strictSame(ipvsadm(['--api', '127.0.0.1:7480', '-Ln']), { status: 2, stdout: '', stderr })
})
