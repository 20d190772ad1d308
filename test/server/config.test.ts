import t from 'tap'
import {
  API_VARIABLE,
  ConfigError,
  parseListen,
  readConfig,
  SETTINGS,
  urlOf,
} from '../../server/config.js'

const faultsOf = (flags: Record<string, string | string[]>, env: Record<string, string> = {}) => {
  try {
    readConfig(flags, env)
    return []
  } catch (error) {
    return (error as ConfigError).faults
  }
}

t.test('nothing given: what the help says', async t => {
  t.strictSame(readConfig({}, { PATH: '/bin' }), {
    listen: { kind: 'tcp', host: '127.0.0.1', port: 7480 },
    database: './sluice.db',
    interfaces: [],
    driver: 'packet-ring',
    logLevel: 'info',
    connsMax: 4194304,
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
  }
  t.match(readConfig({}, env), {
    listen: { kind: 'tcp', host: '::1', port: 81 },
    interfaces: ['eth0', 'eth1'],
    driver: 'raw-socket',
    logLevel: 'info',
    database: '/var/lib/sluice.db',
    connsMax: 2048,
  })
  const flags = { listen: 'unix:/run/s.sock', interface: ['lan0'], driver: 'packet-ring' }
  t.match(readConfig(flags, env), {
    listen: { kind: 'unix', path: '/run/s.sock' },
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
    `SLUICE_WHATEVER_ELSE_THIS_IS: unknown environment variable; known ones are ${[...SETTINGS.map(s => s.env), API_VARIABLE].join(', ')}`,
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
    ['127.0.0.1:7480', { kind: 'tcp', host: '127.0.0.1', port: 7480 }, 'http://127.0.0.1:7480'],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }, 'http://localhost:0'],
    ['[2001:db8::1]:80', { kind: 'tcp', host: '2001:db8::1', port: 80 }, 'http://[2001:db8::1]:80'],
    ['unix:/run/a b.sock', { kind: 'unix', path: '/run/a b.sock' }, 'unix:/run/a b.sock'],
  ] as const
  for (const [text, wanted, url] of good) {
    t.strictSame(parseListen(text), wanted)
    t.equal(urlOf(parseListen(text)), url)
  }
  const bad: [string, RegExp][] = [
    ['7480', /expected host:port/],
    [':7480', /0\.0\.0\.0:7480 means every address/],
    ['::1:80', /brackets/],
    ['[127.0.0.1]:80', /not an IPv6 address/],
    ['host:65536', /above 65535/],
    ['a b:80', /not a host name/],
    ['unix:relative', /absolute path/],
    [`unix:/${'x'.repeat(120)}`, /107 octets/],
  ]
  for (const [text, message] of bad) t.throws(() => parseListen(text), { message }, text)
})
