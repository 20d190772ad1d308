/**
 * The same random command lines to Debian's ipvsadm 1.31 and to ours: both must say the same of
 * them. The real one runs without IPVS in the kernel, over fixtures/ipvsadm/stub-kernel.c.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { run } from '../../../cli/ipvsadm/command.js'
import type { Names } from '../../../server/ipvsadm/names.js'
import { MemoryBackend } from '../../fixtures/ipvsadm/memory-backend.js'
import { Random } from '../../fixtures/seed.js'

const LINES = 300
const STUB = fileURLToPath(new URL('../../fixtures/ipvsadm/stub-kernel.c', import.meta.url))
/** Only names that every host knows, so that no name server is asked. */
const NAMES: Names = {
  address: async () => null,
  host: async () => null,
  port: async (name, protocol) => (name === 'http' && protocol === 'tcp' ? 80 : null),
  service: async () => null,
}
/** What only the kernel's newer interface knows, which the stub has not got, and the table. */
const BEYOND = /Operation not supported|specified address family|Memory alloc|ip_vs_conn|No such/

const COMMANDS = [
  ...['-A', '-E', '-D', '-a', '-e', '-d', '-L', '-l', '-Z', '-C', '-S', '--set', '-An', '-Ln'],
  ...['--start-daemon', '--stop-daemon', '--add-service', '--edit-server', '--list', '--save'],
  ...['--zero', '--clear', '-Sn', '-X', '-q', '--bogus', 'word', ''],
]
const ENDPOINTS = ['1.2.3.4:80', '1.2.3.4', '1.2.3.4:0', '1.2.3.4:http', '0x1.2:80', '1.2.3:80']
const ODD_ENDPOINTS = [
  ...['1.2.3.4:nosuch', '1.2.3.4:99999', '1.2.3.4:-1', '256.1.1.1:80', '80', '', '1.2.3.4: 80'],
  ...['10.0.0.1:080', '1.2.3.4:80:90', '[2001:db8::1]:80', '2001:db8::1', '[2001:db8::1]'],
  ...['[::1]:x', '[::1', '[::g]:80'],
]
const NUMBERS = [
  ...['0', '1', '255', '256', '65507', '65508', '65535', '65536', '2147483647', '2147483648'],
  ...['4294967295', '4294967296', '2678400', '2678401', '-1', '+5', ' 7', '0x10', 'abc', '1x', ''],
]
const FLAGS = ['sh-port', 'mh-fallback', 'flag-1', 'sh-port,sh-fallback', 'bogus', '', 'flag-1,,x']
const VALUES: Record<string, readonly string[]> = {
  '-t': [...ENDPOINTS, ...ODD_ENDPOINTS],
  '-u': [...ENDPOINTS, ...ODD_ENDPOINTS],
  '--sctp-service': [...ENDPOINTS, ...ODD_ENDPOINTS],
  '-r': [...ENDPOINTS, ...ODD_ENDPOINTS],
  '-s': ['rr', 'wlc', 'sh', 'mh', 'a-name-of-more-than-fifteen-letters'],
  '-b': FLAGS,
  '-M': ['255.255.255.0', '24', '129', '0', 'foo', '255.255.0', '64'],
  '--pe': ['sip', 'x'],
  '--tun-type': ['ipip', 'gue', 'gre', 'vxlan'],
  '--mcast-interface': ['eth0', 'eth1'],
  '--mcast-group': ['224.0.0.81', '1.2.3.4', 'ff02::1', '::1', 'x'],
  ...Object.fromEntries(
    ['-f', '-p', '-w', '-x', '-y', '--tun-port', '--syncid', '--sync-maxlen', '--mcast-port']
      .concat('--mcast-ttl')
      .map(name => [name, NUMBERS]),
  ),
}
const BARE = [
  ...['-6', '-p', '-o', '-m', '-g', '-i', '-n', '-c', '-X', '-A', '-D', '-v', '-nm', '--', '-'],
  ...['--tun-csum', '--tun-nocsum', '--tun-remcsum', '--timeout', '--daemon', '--stats', '--rate'],
  ...['--thresholds', '--persistent-conn', '--tun-info', '--sort', '--nosort', '--exact', 'word'],
  ...['--numeric=1', '-Q', '--weigh', '-w'],
]

/** Says yes to everything and keeps nothing, like the stub. */
class Accepting extends MemoryBackend {
  override async addService() {}
  override async editService() {}
  override async delService() {}
  override async addDest() {}
  override async editDest() {}
  override async delDest() {}
  override async zero() {}
  override async startDaemon() {}
  override async stopDaemon() {}
}

t.test('random command lines', async t => {
  const folder = t.testdir()
  const stub = join(folder, 'stub-kernel.so')
  execFileSync('gcc', ['-shared', '-fPIC', '-O', '-Wall', '-o', stub, STUB, '-ldl'])
  const random = Random.of(t)
  const env = { ...process.env, LD_PRELOAD: stub }
  let compared = 0
  for (let i = 0; i < LINES; i++) {
    const args = commandLine(random)
    const real = spawnSync('/usr/sbin/ipvsadm', args, { argv0: 'ipvsadm', env, encoding: 'latin1' })
    if (real.error !== undefined) throw real.error
    const { stdout, stderr, exit } = await run(args, new Accepting(), { names: NAMES })
    // Over the older interface it crashes when there is no daemon to list.
    if (real.signal !== null || BEYOND.test(real.stderr)) continue
    compared++
    // Help is in words of our own.
    const said = stdout.includes('Usage') ? real.stdout : stdout
    const expected = { exit: real.status, stderr: real.stderr, stdout: real.stdout }
    if (expected.exit === exit && expected.stderr === stderr && expected.stdout === said) continue
    t.strictSame({ exit, stderr, stdout: said }, expected, JSON.stringify(args))
  }
  t.ok(compared > LINES * 0.9, `${compared} of ${LINES} compared`)
})

/** Plausible enough that most get past the first check. */
function commandLine(random: Random): string[] {
  const command = random.pick(COMMANDS)
  const args = [command]
  const likely = () => random.integer(0, 5) > 0
  if (command.endsWith('-daemon') && likely())
    args.push(random.pick(['master', 'backup', 'neither']))
  if (command === '--set')
    for (let n = random.integer(0, 4); n > 0; n--) args.push(random.pick(NUMBERS))
  if (/^(-[AEDaed]|--add-service|--edit-server)$/.test(command) && likely())
    args.push(random.pick(['-t', '-u', '--sctp-service']), random.pick(ENDPOINTS))
  if (/^(-[aed]|--edit-server)$/.test(command) && likely()) args.push('-r', random.pick(ENDPOINTS))
  for (let n = random.integer(0, 3); n > 0; n--) args.push(...option(random))
  return args
}

function option(random: Random): string[] {
  if (random.boolean()) return [random.pick(BARE)]
  const name = random.pick(Object.keys(VALUES))
  const value = random.pick(VALUES[name]!)
  const isLong = name.startsWith('--')
  if (random.integer(0, 3) > 0) return [name, value]
  return [isLong ? `${name}=${value}` : `${name}${value}`]
}
