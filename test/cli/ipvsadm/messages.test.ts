/** Every message and exit status seen of ipvsadm 1.31 (fixtures/ipvsadm/messages.json). */
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Backend } from '../../../cli/ipvsadm/backend.js'
import { run } from '../../../cli/ipvsadm/command.js'
import { MemoryBackend } from '../../fixtures/ipvsadm/memory-backend.js'
import { NAMELESS } from '../../fixtures/ipvsadm/sample-table.js'

interface Row {
  args: string
  out: string
  exit: number
}

const file = new URL('../../fixtures/ipvsadm/messages.json', import.meta.url)
const rows = JSON.parse(readFileSync(file, 'utf8')) as Row[]
const ipvsadm = (line: string, backend: MemoryBackend, stdin = '') =>
  run(line.split(' '), backend, { stdin, names: NAMELESS })

async function twoServices(): Promise<MemoryBackend> {
  const backend = new MemoryBackend()
  await ipvsadm('-A -t 1.2.3.4:80 -s rr', backend)
  await ipvsadm('-A -t 10.0.0.100:80 -s rr', backend)
  return backend
}

t.equal(rows.length, 48)
for (const { args, out, exit } of rows) {
  t.test(`ipvsadm ${args}`, async t => {
    const outcome = await ipvsadm(args, await twoServices())
    t.equal(outcome.out, out === '' ? '' : `${out}\n`)
    t.equal(outcome.stderr, outcome.out)
    t.equal(outcome.exit, exit)
  })
}

const KERNEL: [operation: keyof Backend, line: string, code: string, message: string][] = [
  ['addService', '-A -t 1.2.3.5:80', 'EEXIST', 'Service already exists'],
  ['addService', '-A -t 1.2.3.5:80', 'ENOENT', 'Scheduler or persistence engine not found'],
  ['editService', '-E -t 1.2.3.5:80', 'ENOENT', 'Scheduler or persistence engine not found'],
  ['editService', '-E -t 1.2.3.5:80', 'ESRCH', 'No such service'],
  ['delService', '-D -t 1.2.3.5:80', 'ESRCH', 'No such service'],
  ['zero', '-Z -t 1.2.3.5:80', 'ESRCH', 'No such service'],
  ['addDest', '-a -t 1.2.3.5:80 -r 10.0.0.1', 'ESRCH', 'Service not defined'],
  ['editDest', '-e -t 1.2.3.5:80 -r 10.0.0.1', 'ESRCH', 'Service not defined'],
  ['delDest', '-d -t 1.2.3.5:80 -r 10.0.0.1', 'ESRCH', 'Service not defined'],
  ['addDest', '-a -t 1.2.3.5:80 -r 10.0.0.1', 'EEXIST', 'Destination already exists'],
  ['editDest', '-e -t 1.2.3.5:80 -r 10.0.0.1', 'ENOENT', 'No such destination'],
  ['delDest', '-d -t 1.2.3.5:80 -r 10.0.0.1', 'ENOENT', 'No such destination'],
  ['startDaemon', '--start-daemon master', 'EEXIST', 'Daemon has already run'],
  ['startDaemon', '--start-daemon master', 'ENODEV', 'No such device'],
  ['addDest', '-a -t 1.2.3.5:80 -r 10.0.0.1', 'ERANGE', 'Numerical result out of range'],
  ['addService', '-A -t 1.2.3.5:80', 'EPERM', 'Permission denied (you must be root)'],
  ['addService', '-A -t 1.2.3.5:80', 'ENOMEM', 'Memory allocation problem'],
  ['addService', '-A -t 1.2.3.5:80', 'EMSGSIZE', 'Module is wrong version'],
  ['addService', '-A -t 1.2.3.5:80', 'ENOPROTOOPT', 'Protocol not available'],
]
for (const [operation, line, code, message] of KERNEL) {
  t.test(`${code} to ipvsadm ${line}`, async t => {
    const backend = new MemoryBackend()
    backend.refusals.set(operation, code)
    const outcome = await ipvsadm(line, backend)
    t.equal(outcome.stderr, `${message}\n`)
    t.equal(outcome.exit, 255)
  })
}

t.test('a listing that the kernel refuses exits with 1', async t => {
  const outcome = await ipvsadm('-Ln -t 1.2.3.9:80', await twoServices())
  t.equal(outcome.out, 'No such service\n')
  t.equal(outcome.exit, 1)
})

t.test('-R applies what it can: kernel errors go on, mistakes end it', async t => {
  const backend = await twoServices()
  const stdin = [
    '-A -t 10.0.0.1:80 -s rr',
    '',
    'ipvsadm -A -t 10.0.0.1:80 -s rr',
    '  -A   -t 10.0.0.2:80\t-s wlc ',
    '-A -f -1 -s rr',
    '-A -t 10.0.0.3:80 -s rr',
  ].join('\n')
  const outcome = await ipvsadm('-R', backend, stdin)
  t.equal(outcome.out, "Service already exists\ninvalid fwmark value `-1' specified\n")
  t.equal(outcome.exit, 2)
  t.strictSame(
    backend.table.map(s => s.key.address),
    ['10.0.0.2', '10.0.0.1', '10.0.0.100', '1.2.3.4'],
  )
  const last = await ipvsadm('-R', backend, '-A -t 10.0.0.1:80\n-D -t 10.0.0.1:80\n')
  t.equal(last.exit, 0, 'the exit status is that of the last line')
  const nested = await ipvsadm('-R', backend, '-R\n-C\n')
  t.equal(nested.exit, 255)
  t.equal(backend.table.length, 3, 'nothing behind a nested restore is read')
  const unknown = await ipvsadm('-R', backend, '-A -Q\n-C\n')
  t.equal(unknown.out, '-Q: unknown option\n')
  t.equal(backend.table.length, 0, 'an unknown option ends its line only')
})

t.test('help and version', async t => {
  const help = await ipvsadm('-h', new MemoryBackend())
  t.equal(help.exit, 0)
  t.match(help.stdout, /--add-service/)
  const version = await ipvsadm('--version', new MemoryBackend())
  t.equal(version.out, 'ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n')
  t.equal(version.exit, 0)
})
