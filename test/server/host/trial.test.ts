// A trial run of what the host cannot take is refused in the words of the write itself, and leaves
// the host as it is. Asked over the API, of real hosts: namespaces with real nft and ip.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import type { Appliance } from '../fixtures/appliance.js'
import { silent, startAppliance, web } from '../fixtures/appliance.js'
import type { FakeDataplane } from '../fixtures/fake-dataplane.js'
import { CommandError, type Run } from '../../../server/host/command.js'
import { LinuxHost } from '../../../server/host/host-control.js'
import { MemoryJournal } from '../../../server/host/journal.js'
import { Namespaces } from './namespaces.js'

const spaces = new Namespaces('trial')
t.teardown(() => spaces.close())
// No addresses of the kernel's own making, which come and settle when they like.
spaces.sysctl('d', 'net.ipv6.conf.default.addr_gen_mode=1')
spaces.link('d', 'd0', 'p', 'p0')
spaces.ip('d', 'addr add 198.51.100.1/24 dev d0', 'addr add 2001:db8:f::1/64 dev d0 nodad')
const run = spaces.run('d')

type Real = Appliance<FakeDataplane, LinuxHost>
const url = '/v1/virtual-services/web'
const six = {
  ...{ protocol: 'udp', address: '2001:db8:f::80', port: 53 },
  realServers: { a: { address: '2001:db8:2::1' } },
}

async function start(
  t: Test,
  driver: 'packet-ring' | 'raw-socket' = 'packet-ring',
  through: Run = run,
): Promise<Real> {
  const options = { driver, interfaces: ['d0'], journal: new MemoryJournal(), logger: silent }
  const host = new LinuxHost({ ...options, run: through })
  await host.start()
  const a = await startAppliance({ host })
  t.teardown(async () => {
    await a.close()
    await host.stop()
  })
  return a
}

/** All that Sluice could have touched. */
async function machine(): Promise<string> {
  const parts = [
    ['nft', 'list', 'ruleset'],
    ...['addr', 'rule', 'route show table all', '-6 route show table all'].map(line => [
      ...['ip', ...line.split(' ')],
    ]),
  ]
  const texts = await Promise.all(parts.map(([file, ...args]) => run(file!, args)))
  return texts.join('\n')
}

/** Every way to ask what putting this would do, and then the putting itself. */
async function sameRefusal(t: Test, a: Real, body: object): Promise<{ code: string }> {
  const changes = [{ op: 'put', path: url, value: body }]
  const configuration = { virtualServices: { web: body } }
  const before = await machine()
  const trials = [
    await a.send('PUT', `${url}?dryRun=true`, body),
    await a.send('PATCH', '/v1/config?dryRun=true', configuration),
    await a.send('POST', '/v1/changesets?dryRun=true', changes),
    await a.send('POST', '/v1/plans', { changes }),
    await a.send('POST', '/v1/plans', { configuration }),
  ]
  t.equal(await machine(), before, 'nothing was touched')
  const write = await a.send('PUT', url, body)
  const gist = (answer: typeof write) => {
    const { status, code, detail } = answer.json<{ status: number; code: string; detail: string }>()
    // What the kernel itself says is not to be had without asking it to do the thing.
    const own = detail.replace(/(could not put \S+ on \S+:).*/, '$1').replace(' --check', '')
    return [answer.statusCode, status, code, own]
  }
  t.ok(write.statusCode >= 400, write.body)
  for (const trial of trials) t.strictSame(gist(trial), gist(write))
  t.equal(a.control.state.service('web'), null)
  return write.json()
}

t.test('an interface that is not there', async t => {
  const a = await start(t)
  const { code } = await sameRefusal(t, a, { ...web, interface: 'nowhere0' })
  t.equal(code, 'INTERFACE_NOT_FOUND')
})

t.test('what the driver cannot serve', async t => {
  const a = await start(t, 'raw-socket')
  const direct = { ...web, realServers: { a: { address: '10.0.0.1', forwarding: 'dr' } } }
  for (const body of [direct, six])
    t.equal((await sameRefusal(t, a, body)).code, 'NOT_SUPPORTED_YET')
})

t.test('an IPv6 address where IPv6 is off', async t => {
  const a = await start(t)
  spaces.sysctl('d', 'net.ipv6.conf.d0.disable_ipv6=1')
  t.equal((await sameRefusal(t, a, six)).code, 'HOST_FAILED')
  spaces.sysctl('d', 'net.ipv6.conf.d0.disable_ipv6=0')
  // The address of the namespace itself went with it.
  spaces.ip('d', 'addr add 2001:db8:f::1/64 dev d0 nodad')
  t.equal((await a.send('PUT', `${url}?dryRun=true`, six)).statusCode, 200)
  t.equal((await a.send('PUT', url, six)).statusCode, 201)
})

t.test('a table of our name that belongs to another program', async t => {
  const other = await ownTable()
  t.teardown(() => end(other))
  const a = await start(t)
  t.equal((await sameRefusal(t, a, web)).code, 'HOST_FAILED')
  await end(other)
  t.equal((await a.send('PUT', `${url}?dryRun=true`, web)).statusCode, 200)
  t.equal((await a.send('PUT', url, web)).statusCode, 201)
})

t.test('a host without nft', async t => {
  const missing: Run = (file, args, input) =>
    file === 'nft' && args[0] !== 'list' && input?.includes('add element')
      ? Promise.reject(new CommandError('nft is not installed', { missing: true }))
      : run(file, args, input)
  const a = await start(t, 'packet-ring', missing)
  t.equal((await sameRefusal(t, a, web)).code, 'HOST_FAILED')
})

t.test('what the host can take is planned, and the host stays as it is', async t => {
  const a = await start(t)
  t.equal((await a.send('PUT', '/v1/virtual-services/dns', six)).statusCode, 201)
  const before = await machine()
  const rule = { mark: 7, addressFamily: 'ipv4', protocol: 'udp', destinationPorts: ['53'] }
  const marked = { fwmark: 7, addressFamily: 'ipv4', realServers: { a: { address: '10.0.0.1' } } }
  const trials = [
    await a.send('PUT', `${url}?dryRun=true`, web),
    await a.send('PATCH', '/v1/virtual-services/dns?dryRun=true', { scheduler: 'rr' }),
    await a.send('DELETE', '/v1/virtual-services/dns?dryRun=true'),
    await a.send('PUT', '/v1/mark-rules/voice?dryRun=true', rule),
    await a.send('PATCH', '/v1/config?dryRun=true', {
      ...{ markRules: { voice: rule }, virtualServices: { web, marked } },
      settings: { ftpPorts: [21, 80] },
    }),
  ]
  for (const trial of trials) t.equal(trial.statusCode, 200, trial.body)
  t.equal(await machine(), before)
  t.equal((await a.send('PUT', '/v1/mark-rules/voice', rule)).statusCode, 201)
  t.equal((await a.send('PUT', '/v1/virtual-services/marked', marked)).statusCode, 201)
  const held = await machine()
  const other = { ...rule, destinationPorts: ['5060'] }
  const trial = await a.send('PUT', '/v1/mark-rules/voice?dryRun=true', other)
  t.equal(trial.statusCode, 200, trial.body)
  t.equal(await machine(), held)
})

/** An interactive nft that keeps a table of our name to itself, for as long as it runs. */
async function ownTable(): Promise<ChildProcess> {
  const child = spawn('ip', ['netns', 'exec', spaces.name('d'), 'nft', '-i'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.write('add table inet sluice { flags owner; }\nlist tables\n')
  for await (const line of createInterface({ input: child.stdout }))
    if (line.startsWith('table inet sluice')) break
  return child
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill()
  await exited
}
