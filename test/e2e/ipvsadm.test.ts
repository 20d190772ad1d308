// `sluice ipvsadm` against a running appliance: what ipvsadm 1.31 printed and how it ended.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { API, call, mustCall } from '../lab/api.js'
import { inUrl, serverAddress, VIP } from '../lab/cast.js'
import { fetchMany } from '../lab/curl.js'
import { ROOT, SLUICE } from '../lab/root.js'
import type { Output } from '../lab/run.js'
import { Sluice } from '../lab/sluice.js'
import { endStage, setStage } from './stage.js'

const SERVICES = '/v1/virtual-services'
const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/ipvsadm', name), 'utf8')

const stage = await setStage(t, (lab, director) => Sluice.start(lab, director), { servers: 1 })
const { lab, topology } = stage
const { director, client } = topology

/** Quick enough for a hundred runs: one process each, as a script would start it. */
function ipvsadm(line: string, input = ''): Promise<Output> {
  const words = line === '' ? [] : line.split(' ')
  const api = `http://${API}`
  const command = [process.execPath, SLUICE, 'ipvsadm', '--api', api, ...words]
  return director.run(['env', '-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE', ...command], {
    input,
  })
}

async function must(line: string, input = ''): Promise<string> {
  const { code, stdout, stderr } = await ipvsadm(line, input)
  if (code !== 0 || stderr !== '') throw new Error(`ipvsadm ${line}: exit ${code}: ${stderr}`)
  return stdout
}

/** Samples by command line. */
const samples = new Map(
  fixture('listings.txt')
    .split(/^# ipvsadm /m)
    .slice(1)
    .map(block => {
      const end = block.indexOf('\n')
      return [block.slice(0, end), block.slice(end + 1).replace(/\n+$/, '\n')]
    }),
)

t.test('traffic shows in the tables of connections and counters', async t => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const vip = `${inUrl(VIP[family])}:80`
    const server = `${inUrl(serverAddress('a', family))}:8080`
    await must(`-A -t ${vip} -s rr`)
    await must(`-a -t ${vip} -r ${server} -m`)
    const fetched = await fetchMany(lab, client, `http://${vip}/`, { times: 3 })
    t.match(fetched, [{ server: 'a' }, { server: 'a' }, { server: 'a' }])
    const line = new RegExp(`^TCP \\d\\d:\\d\\d  [A-Z_]+ +\\S+ +${escape(vip)} +${escape(server)}$`)
    const all = (await must('-Lnc')).split('\n')
    t.strictSame(all.slice(0, 2), [
      'IPVS connection entries',
      'pro expire state       source             virtual            destination',
    ])
    t.equal(all.filter(each => line.test(each)).length, 3, 'three connections')
    const cells = async () => (await must(`-L -n --stats -t ${vip}`)).split('\n')[2]!.split(/ +/)
    t.equal((await until(cells, found => found[2] === '3'))[2], '3', 'three in the counters')
    await must('-Z')
    t.strictSame((await cells()).slice(2), ['0', '0', '0', '0', '0'], 'zero again')
  }
  await must('-C')
})

t.test('a saved table is restored and listed as ipvsadm lists it', async t => {
  const saved = samples.get('-Sn')!
  t.equal(await must('-R', `\n${saved}\n`), '')
  t.equal(await must('-S -n'), saved)
  const idle = (text: string) =>
    text
      .replaceAll(/\d+ +\d+ +$/gm, '0          0         ')
      // Only old kernels turn a server of their own address into a local one.
      .replaceAll('Local  ', 'Route  ')
  for (const args of ['-Ln', '-Ln --tun-info', '-Ln --persistent-conn']) {
    // The samples of columns show the first two services.
    const sample = idle(samples.get(args)!)
    t.equal((await must(args)).slice(0, sample.length), sample, args)
  }
  t.equal(await must(''), await must('-L'))
  const titles = samples.get('-Ln')!.split('\n').slice(1, 3)
  t.equal(
    await must('-Ln -f 9 -6'),
    [...titles, 'FWM  9 IPv6 lc', ''].join('\n'),
    'one service has no line of the version',
  )
})

t.test('--nosort gives the order of the kernel, newest real server first', async t => {
  const dests = (await must('-Ln --nosort -t 192.0.2.10:80')).split('\n').slice(3, -1)
  t.strictSame(
    dests.map(line => line.split(/ +/)[2]),
    ['10.0.0.3:80', '10.0.0.2:80', '10.0.0.1:8080'],
  )
})

t.test('names are derived, and are those of the API', async t => {
  const { items } = (await mustCall(director, 'GET', SERVICES)) as {
    items: { name: string; realServers: object }[]
  }
  t.strictSame(
    items.map(({ name, realServers }) => [name, Object.keys(realServers).sort()]),
    [
      ['fwm-7', ['10-0-0-9-0']],
      ['fwm-9-ipv6', []],
      ['sctp-192-0-2-10-2905', []],
      ['tcp-192-0-2-10-80', ['10-0-0-1-8080', '10-0-0-2-80', '10-0-0-3-80']],
      ['tcp-192-0-2-11-443', ['192-0-2-1-443']],
      ['tcp-192-0-2-12-0', ['10-0-0-7-0']],
      ['tcp-2001-db8--80-80', ['10-0-0-5-80', '2001-db8--a0a0-8080']],
      ['udp-192-0-2-10-5060', ['10-0-0-4-5060']],
    ],
  )
  await must('-C')
  t.match(await mustCall(director, 'GET', SERVICES), { items: [] })
})

// Recorded of a kernel: -S prints an engine always, -Ln only with persistence.
t.test('a persistence engine with and without persistence', async t => {
  const saved = async () => (await must('-Sn')).trim()
  await must('-A -u 192.0.2.99:5060 -s rr --pe sip')
  t.equal(await saved(), '-A -u 192.0.2.99:5060 -s rr --pe sip')
  t.notMatch(await must('-Ln'), 'pe sip')
  await must('-E -u 192.0.2.99:5060 -s rr -p 60 --pe sip')
  t.equal(await saved(), '-A -u 192.0.2.99:5060 -s rr -p 60 --pe sip')
  await must('-E -u 192.0.2.99:5060 -s rr --pe sip')
  t.equal(await saved(), '-A -u 192.0.2.99:5060 -s rr --pe sip')
  await must('-E -u 192.0.2.99:5060 -s rr')
  t.equal(await saved(), '-A -u 192.0.2.99:5060 -s rr')
  await must('-C')
})

t.test('services of other names are found by address, port and protocol', async t => {
  const [name, address] = ['web', '192.0.2.77']
  const realServers = {
    a: { address: '10.0.0.1', port: 80, labels: { rack: '1' } },
    b: { address: '10.0.0.2', port: 80, adminState: 'draining' },
    c: { address: '10.0.0.3', port: 80, adminState: 'disabled' },
  }
  const document = { protocol: 'tcp', address, port: 80, labels: { env: 'test' }, realServers }
  await mustCall(director, 'PUT', `${SERVICES}/${name}`, { ...document, persistence: {} })
  const list = async () => (await must(`-Ln -t ${address}:80`)).split('\n').slice(2, -1)
  t.strictSame(await list(), [
    `TCP  ${address}:80 wlc persistent 360`,
    '  -> 10.0.0.1:80                  Masq    1      0          0         ',
    '  -> 10.0.0.2:80                  Masq    0      0          0         ',
  ])
  await must(`-E -t ${address}:80 -s wrr`)
  await must(`-e -t ${address}:80 -r 10.0.0.1:80 -m -w 7 -x 9`)
  await must(`-a -t ${address}:80 -r 10.0.0.3:80 -m -w 3`)
  await must(`-a -t ${address}:80 -r 10.0.0.4 -i --tun-type gue --tun-port 6080`)
  await must(`-e -t ${address}:80 -r 10.0.0.4 -i --tun-type gre --tun-csum`)
  await must(`-d -t ${address}:80 -r 10.0.0.2:80`)
  const after = await mustCall(director, 'GET', `${SERVICES}/${name}`)
  t.match(after, {
    labels: { env: 'test' },
    scheduler: 'wrr',
    persistence: undefined,
    realServers: {
      a: { weight: 7, upperThreshold: 9, labels: { rack: '1' } },
      b: undefined,
      c: { weight: 3, adminState: 'enabled' },
      '10-0-0-4-80': { forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } },
    },
  })
  t.match(await ipvsadm(`-A -t ${address}:80`), { code: 255, stderr: 'Service already exists\n' })
  // A name of ours that belongs to somebody else.
  await mustCall(director, 'PUT', `${SERVICES}/tcp-192-0-2-78-80`, { ...document, port: 81 })
  await must('-A -t 192.0.2.78:80')
  t.match(await call(director, 'GET', `${SERVICES}/tcp-192-0-2-78-80-2`), { status: 200 })
  await must(`-D -t ${address}:80`)
  t.match(await call(director, 'GET', `${SERVICES}/${name}`), { status: 404 })
  await must('-C')
})

t.test('timeouts', async t => {
  t.equal(await must('-L --timeout'), 'Timeout (tcp tcpfin udp): 900 120 300\n')
  await must('--set 1000 0 50')
  t.equal(await must('-L --timeout'), 'Timeout (tcp tcpfin udp): 1000 120 50\n')
  await must('--set 900 0 300')
})

t.test(
  'a restore goes on after what the kernel refuses, and ends at what makes no sense',
  async t => {
    const lines = [
      'ipvsadm -A -t 192.0.2.20:80 -s rr',
      '-A -t 192.0.2.20:80 -s rr',
      '-a -t 192.0.2.20:80 -r 10.0.0.1:80 -m',
    ]
    t.match(await ipvsadm('-R', lines.join('\n')), { code: 0, stderr: 'Service already exists\n' })
    const bad = '-A -t 192.0.2.21:80 -s rr\n-A -t 192.0.2.22:0\n-A -t 192.0.2.23:80\n'
    const outcome = await ipvsadm('-R', bad)
    t.match(outcome, { code: 2, stderr: 'Zero port specified for non-persistent service\n' })
    t.equal(
      await must('-Sn'),
      '-A -t 192.0.2.20:80 -s rr\n-a -t 192.0.2.20:80 -r 10.0.0.1:80 -m -w 1\n-A -t 192.0.2.21:80 -s rr\n',
    )
    await must('-C')
  },
)

t.test('messages and exit statuses', async t => {
  interface Row {
    args: string
    out: string
    exit: number
  }
  const rows = JSON.parse(fixture('messages.json')) as Row[]
  const refused = (args: string, out: string): Row => ({ args, out, exit: 255 })
  const prepare = '-A -t 1.2.3.4:80 -s rr\n-A -t 10.0.0.100:80 -s rr\n'
  const more = [
    refused('-A -t 1.2.3.4:80', 'Service already exists'),
    refused('-A -t 1.2.3.4:80 -s nosuch', 'Service already exists'),
    refused('-A -t 1.2.3.5:80 -s nosuch', 'Scheduler or persistence engine not found'),
    refused('-A -u 1.2.3.5:80 -p --pe nosuch', 'Scheduler or persistence engine not found'),
    refused('-E -t 1.2.3.5:80 -s nosuch', 'No such service'),
    refused('-E -t 1.2.3.4:80 -s nosuch', 'Scheduler or persistence engine not found'),
    refused('-D -t 1.2.3.5:80', 'No such service'),
    refused('-Z -t 1.2.3.5:80', 'No such service'),
    { args: '-L -n -t 1.2.3.5:80', out: 'No such service', exit: 1 },
    refused('-a -t 1.2.3.5:80 -r 10.0.0.1', 'Service not defined'),
    refused('-e -t 1.2.3.4:80 -r 10.0.0.9', 'No such destination'),
    refused('-d -t 1.2.3.4:80 -r 10.0.0.9', 'No such destination'),
    refused(
      '-a -t 1.2.3.4:80 -r 224.0.0.1',
      'Invalid operation.  Possibly wrong module version, address not unicast, ...',
    ),
    refused('--start-daemon master', 'Synchronisation of connections is not there yet'),
    refused('--stop-daemon backup', 'Synchronisation of connections is not there yet'),
  ]
  await must('-R', prepare)
  for (const { args, out, exit } of [...rows, ...more]) {
    const { code, stdout, stderr } = await ipvsadm(args)
    t.strictSame(
      { code, stderr, stdout },
      { code: exit, stderr: out && `${out}\n`, stdout: '' },
      args,
    )
    if (exit === 0) {
      await must('-C')
      await must('-R', prepare)
    }
  }
  t.strictSame(await ipvsadm('-L --daemon'), { code: 0, stdout: '', stderr: '' })
  await must('-a -t 1.2.3.4:80 -r 10.0.0.1 -m')
  t.match(await ipvsadm('-a -t 1.2.3.4:80 -r 10.0.0.1 -m -w 5'), {
    code: 255,
    stderr: 'Destination already exists\n',
  })
  t.match(await ipvsadm('-h'), { code: 0, stderr: '', stdout: /^ipvsadm v1\.31/ })
  t.match(await ipvsadm('--version'), { code: 0, stderr: '', stdout: /^ipvsadm v1\.31.*\n$/ })
})

endStage(t, stage)

const escape = (text: string) => text.replaceAll(/[[\].]/g, '\\$&')

/** Counters follow within the two seconds of an estimation. */
async function until<T>(read: () => Promise<T>, done: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 5000
  let value = await read()
  while (!done(value) && Date.now() < deadline) value = await read()
  return value
}
