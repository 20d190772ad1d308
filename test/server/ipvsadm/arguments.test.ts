/** What command lines mean: popt's ways of writing options, defaults, and what depends on order. */
import t from 'tap'
import { parse } from '../../../server/ipvsadm/arguments.js'
import { Failure } from '../../../server/ipvsadm/failure.js'
import { NAMELESS } from '../../fixtures/ipvsadm/sample-table.js'

const read = (line: string, names = NAMELESS) => parse(line.split(' '), names)
const reason = (line: string) =>
  read(line).then(
    () => 'accepted',
    (error: unknown) => (error instanceof Failure ? error.message.trim() : String(error)),
  )

t.test('the ways of writing an option', async t => {
  const plain = await read('-A -t 192.0.2.1:80 -s rr -p 300')
  for (const line of [
    '-A -t192.0.2.1:80 -srr -p300',
    '-A -t=192.0.2.1:80 -s=rr -p=300',
    '--add-service --tcp-service=192.0.2.1:80 --scheduler rr --persistent=300',
    '-At 192.0.2.1:80 --scheduler=rr --persistent 300',
    '-Ap 300 -s rr -t 192.0.2.1:80',
  ]) {
    t.strictSame(await read(line), plain, line)
  }
  t.equal(await reason('-A --tcp 192.0.2.1:80'), '--tcp: unknown option', 'no abbreviations')
  t.equal(await reason('-L --numeric=1'), '--numeric=1: option does not take an argument')
  t.equal(await reason('-L -- -n'), 'unexpected argument -n')
  t.equal(await reason('-L -nq'), '-nq: unknown option')
})

t.test('-p takes the next word unless it looks like an option', async t => {
  const withDefault = await read('-A -t 192.0.2.1:80 -p -s rr')
  t.match(withDefault, { service: { persistence: { timeoutS: 360, netmask: '255.255.255.255' } } })
  t.match(await read('-A -t 192.0.2.1:80 -s rr -p'), {
    service: { persistence: { timeoutS: 360 } },
  })
})

t.test('what is not given', async t => {
  t.match(await read('-A -t 192.0.2.1:80'), {
    service: { scheduler: 'wlc', persistence: null, engine: '', onePacket: false },
  })
  t.match(await read('-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m'), {
    dest: { port: 8080, weight: 1, upperThreshold: 0, lowerThreshold: 0, forwarding: 'masq' },
  })
  t.match(await read('-a -t 192.0.2.1:80 -r 10.0.0.1:8080'), {
    dest: { port: 80, forwarding: 'dr' },
  })
  t.match(await read('--start-daemon master'), {
    daemon: { role: 'master', interface: 'eth0', syncId: 0 },
  })
  t.strictSame(await parse([], NAMELESS), await read('-L --sort'))
})

t.test('what depends on order', async t => {
  t.match(await read('-a -t 192.0.2.1:80 -r 10.0.0.1 -m'), { dest: { port: 80 } })
  t.match(await read('-a -r 10.0.0.1 -t 192.0.2.1:80 -m'), { dest: { port: 0 } })
  t.match(await read('-A -t [2001:db8::1]:80 -p -M 64'), {
    service: { persistence: { netmask: 64 } },
  })
  t.equal(
    await reason('-A -M 64x -t [2001:db8::1]:80 -p'),
    'illegal virtual server persistent mask specified',
  )
  t.match(await read('-A -f 9 -6'), { service: { key: { family: 6, fwmark: 9 } } })
  t.equal(await reason('-A -6 -f 9'), '-6 used before -f')
  const flags = await read('-A -t 192.0.2.1:80 -b mh-port -s mh')
  t.match(flags, { service: { schedulerFlags: 2 } })
})

t.test('addresses', async t => {
  const key = async (text: string) => {
    const line = await read(`-D -t ${text}`)
    return 'key' in line && line.key !== null ? `${line.key.address} ${line.key.port}` : ''
  }
  t.equal(await key('[2001:DB8:0::80]:443'), '2001:db8::80 443')
  t.equal(await key('2001:db8::80'), '2001:db8::80 0')
  t.equal(await key('10.1:80'), '10.0.0.1 80')
  t.equal(await key('0x0a.010.0.1:80'), '10.8.0.1 80')
  // Brackets mean nothing around anything else (parse_service): the port is looked for within.
  t.equal(await key('[192.0.2.1]:80'), '192.0.2.1 0')
  t.equal(await key('[192.0.2.1:81]:80'), '192.0.2.1 81')
  for (const bad of ['80', '[2001:db8::80:443', '256.0.0.1:80', '1.2.3.4:', '1.2.3.4:-1']) {
    t.equal(await reason(`-D -t ${bad}`), 'illegal virtual server address[:port] specified', bad)
  }
})

t.test('names of hosts and ports', async t => {
  const names = {
    ...NAMELESS,
    address: async (host: string) => (host === 'www' ? '192.0.2.9' : null),
    port: async (name: string, protocol: string) =>
      name === 'domain' && protocol === 'udp' ? 53 : null,
  }
  t.match(await read('-D -u www:domain', names), { key: { address: '192.0.2.9', port: 53 } })
  await t.rejects(read('-D -t www:domain', names), { message: /^illegal virtual server/ })
})

t.test('numbers', async t => {
  t.match(await read('-A -f +7'), { service: { key: { fwmark: 7 } } })
  t.match(await read('-A -f 4294967295'), { service: { key: { fwmark: 4294967295 } } })
  for (const weight of ['', '1x', '0x10', '1.5', '99999999999999999999']) {
    t.equal(
      await parse(['-a', '-t', '192.0.2.1:80', '-r', '10.0.0.1', '-w', weight], NAMELESS).then(
        () => 'accepted',
        (error: Failure) => error.message,
      ),
      'illegal weight specified\n',
      weight,
    )
  }
})
