import t from 'tap'
import { resolve } from 'node:path'
import {
  API_VARIABLE,
  ConfigError,
  readConfig,
  SETTINGS,
  TOKEN_VARIABLE,
  type Flags,
} from '../../server/config.js'
import { parseListen, urlOf } from '../../server/listen/listen-address.js'

const faultsOf = (flags: Flags, env: Record<string, string> = {}) => {
  try {
    readConfig(flags, env)
    return []
  } catch (error) {
    return (error as ConfigError).faults
  }
}

t.test('nothing given: what the help says', async t => {
  t.strictSame(readConfig({}, { PATH: '/bin' }), {
    listen: [{ kind: 'tcp', host: '127.0.0.1', port: 7480, tls: false }],
    database: './sluice.db',
    adminSocket: resolve('sluice.db.sock'),
    tlsCert: '',
    tlsKey: '',
    tlsClientCa: '',
    noAuth: false,
    allowAnyone: false,
    allowPlaintext: false,
    interfaces: [],
    driver: 'packet-ring',
    logLevel: 'info',
    connsMax: 4194304,
    requestsPerMinute: 600000,
    workers: 1,
    busyPollUs: 100,
    checkCommands: null,
    checkFiles: null,
    serviceProbes: false,
    notifyCommands: null,
  })
})

t.test('the environment counts, a flag wins over it, an empty variable is none', async t => {
  const env = {
    SLUICE_LISTEN: '[::1]:81',
    SLUICE_INTERFACE: 'eth0, eth1',
    SLUICE_DRIVER: 'raw-socket',
    SLUICE_LOG_LEVEL: '',
    SLUICE_DATABASE: '/var/lib/sluice.db',
    SLUICE_CONNECTIONS_MAX: '2048',
    SLUICE_NO_AUTH: '1',
  }
  t.match(readConfig({}, env), {
    listen: [{ kind: 'tcp', host: '::1', port: 81 }],
    noAuth: true,
    adminSocket: '/var/lib/sluice.db.sock',
    interfaces: ['eth0', 'eth1'],
    driver: 'raw-socket',
    logLevel: 'info',
    database: '/var/lib/sluice.db',
    connsMax: 2048,
  })
  const flags = {
    listen: ['unix:/run/s.sock', 'http://localhost:80'],
    'admin-socket': 'off',
    interface: ['lan0'],
    driver: 'packet-ring',
  }
  t.match(readConfig(flags, env), {
    listen: [
      { kind: 'unix', path: '/run/s.sock' },
      { kind: 'tcp', host: 'localhost' },
    ],
    adminSocket: null,
    interfaces: ['lan0'],
    driver: 'packet-ring',
  })
})

t.test('every fault is told at once, each with its place', async t => {
  const faults = faultsOf(
    { listen: '1.2.3:80', 'log-level': 'inof', interface: ['eth0', 'eth0'] },
    { SLUICE_DRIVR: 'x', SLUICE_CONNECTIONS_MAX: '12', SLUICE_WHATEVER_ELSE_THIS_IS: '1' },
  )
  t.strictSame(faults, [
    'SLUICE_DRIVR: unknown environment variable; did you mean SLUICE_DRIVER?',
    `SLUICE_WHATEVER_ELSE_THIS_IS: unknown environment variable; known ones are ${[...SETTINGS.map(s => s.env), API_VARIABLE, TOKEN_VARIABLE].join(', ')}`,
    "--listen: '1.2.3' is not an IPv4 address",
    '--interface: interface eth0 is named twice',
    "--log-level: 'inof' is not known; did you mean info?",
    "SLUICE_CONNECTIONS_MAX: '12' is not a count from 1024 to 134217728",
  ])
  for (const name of ['a/b', 'a b', 'sixteen-octets-x', '..', 'a:1', ''])
    t.match(faultsOf({ interface: [name] }), [/--interface: .* cannot be the name/], `'${name}'`)
})

t.test('addresses to listen on', async t => {
  const good = [
    [
      '127.0.0.1:7480',
      { kind: 'tcp', host: '127.0.0.1', port: 7480, tls: false },
      'http://127.0.0.1:7480',
    ],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0, tls: false }, 'http://localhost:0'],
    [
      '[2001:db8::1]:80',
      { kind: 'tcp', host: '2001:db8::1', port: 80, tls: false },
      'http://[2001:db8::1]:80',
    ],
    ['https://[::]:443', { kind: 'tcp', host: '::', port: 443, tls: true }, 'https://[::]:443'],
    ['unix:/run/a b.sock', { kind: 'unix', path: '/run/a b.sock' }, 'unix:/run/a b.sock'],
  ] as const
  for (const [text, wanted, url] of good) {
    t.strictSame(parseListen(text, false), wanted)
    t.equal(urlOf(parseListen(text, false)), url)
  }
  const bad: [string, RegExp][] = [
    ['7480', /expected host:port/],
    [':7480', /0\.0\.0\.0:7480 means every address/],
    ['::1:80', /brackets/],
    ['[127.0.0.1]:80', /not an IPv6 address/],
    ['host:65536', /above 65535/],
    ['a b:80', /not a host name/],
    ['ftp://a:80', /brackets/],
    ['unix:relative', /absolute path/],
    [`unix:/${'x'.repeat(120)}`, /107 octets/],
  ]
  for (const [text, message] of bad) t.throws(() => parseListen(text, false), { message }, text)
})

t.test('what reaches beyond this host needs TLS and tokens, or somebody who insists', async t => {
  const wide = { listen: '0.0.0.0:7480' }
  const plain = /^--listen: http:\/\/0\.0\.0\.0:7480 would carry tokens in the clear/
  const open = /^--no-auth: everybody who reaches http/
  t.match(faultsOf(wide), [plain])
  t.strictSame(faultsOf({ ...wide, 'allow-plaintext': true }), [])
  t.match(faultsOf({ ...wide, 'no-auth': true }), [plain, open])
  t.match(faultsOf({ ...wide, 'no-auth': true, 'allow-plaintext': true }), [open])
  const all = { 'no-auth': true, 'allow-plaintext': true, 'allow-anyone': true }
  t.strictSame(faultsOf({ ...wide, ...all }), [])
  t.match(faultsOf({ listen: 'lb.example.net:80' }), [/in the clear/], 'a name may mean anything')
  for (const listen of ['127.9.9.9:1', '[::1]:1', 'localhost:1', 'unix:/run/a'])
    t.strictSame(faultsOf({ listen, 'no-auth': true }), [], listen)
  const tls = { 'tls-cert': 'c.pem', 'tls-key': 'k.pem' }
  t.strictSame(
    faultsOf({ ...wide, ...tls }),
    [],
    'a certificate is used where nothing else is said',
  )
  t.match(faultsOf({ listen: 'http://0.0.0.0:80', ...tls }), [/in the clear/])
  t.match(faultsOf({ listen: 'https://127.0.0.1:1' }), [/needs --tls-cert and --tls-key/])
  t.match(faultsOf({ 'tls-cert': 'c' }), [/needs --tls-key/])
  t.match(faultsOf({ 'tls-key': 'k', 'tls-client-ca': 'a' }), [
    /needs --tls-cert/,
    /--tls-client-ca/,
  ])
  t.match(faultsOf({ listen: ['[::1]:1', '[::1]:1'] }), [/listened on twice/])
  t.match(faultsOf({ 'allow-plaintext': true }, { SLUICE_NO_AUTH: 'maybe' }), [/neither 1 nor 0/])
  t.match(faultsOf({ database: `/${'x'.repeat(110)}` }), [/--admin-socket: .* at most 107 octets/])
  t.strictSame(faultsOf({ database: `/${'x'.repeat(110)}`, 'admin-socket': '/run/a' }), [])
  t.match(readConfig({ database: ':memory:' }, {}), { adminSocket: null })
})

t.test('folders of health checks: they are there, or there are none', async t => {
  const folder = t.testdir({ file: '' })
  t.equal(readConfig({ 'check-commands': folder }, {}).checkCommands, folder)
  t.equal(readConfig({}, { SLUICE_CHECK_FILES: folder }).checkFiles, folder)
  for (const none of [`${folder}/none`, `${folder}/file`])
    t.throws(() => readConfig({ 'check-files': none }, {}), /--check-files: there is no folder/)
})

t.test('busy polling: microseconds, or none', async t => {
  t.equal(readConfig({ 'busy-poll-us': '0' }, {}).busyPollUs, 0)
  t.equal(readConfig({}, { SLUICE_BUSY_POLL_US: '10000' }).busyPollUs, 10_000)
  for (const text of ['-1', '10001', '0.5', 'on'])
    t.throws(() => readConfig({ 'busy-poll-us': text }, {}), {
      message: /--busy-poll-us: .*from 0 to/,
    })
})

t.test('workers: a bounded number, and one only where the driver has one', async t => {
  t.equal(readConfig({ workers: '2' }, {}).workers, 2)
  t.equal(readConfig({}, { SLUICE_WORKERS: '16' }).workers, 16)
  for (const workers of ['0', '17', 'two', '-1'])
    t.throws(() => readConfig({ workers }, {}), { message: /--workers: .*from 1 to 16/ }, workers)
  t.throws(() => readConfig({ workers: '2', driver: 'raw-socket' }, {}), {
    message: /--workers: the raw-socket driver has one worker/,
  })
})
