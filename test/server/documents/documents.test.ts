import t from 'tap'
import { startAppliance, web, type Appliance } from '../fixtures/appliance.js'

/** One document, and every fault that has to be reported: pointer and code. */
type Case = readonly [name: string, change: object, faults: readonly string[]]

const six = { address: '2001:db8::10', realServers: {} }
const a = { address: '10.0.0.1' }

const services: readonly Case[] = [
  ['an unknown field', { shceduler: 'rr' }, ['/shceduler UNKNOWN_FIELD']],
  ['a bad address', { address: '198.51.100.256' }, ['/address INVALID_ADDRESS']],
  ['a multicast address', { address: '224.0.0.1' }, ['/address INVALID_ADDRESS']],
  ['an address with a zone', { address: 'fe80::1%eth0' }, ['/address INVALID_ADDRESS']],
  ['a port above the range', { port: 65536 }, ['/port OUT_OF_RANGE']],
  ['a port as text', { port: '80' }, ['/port WRONG_TYPE']],
  ['a fraction of a port', { port: 80.5 }, ['/port WRONG_TYPE']],
  ['a missing address', { address: undefined }, ['/address MISSING_FIELD']],
  [
    'nothing at all',
    { address: undefined, port: undefined, protocol: undefined },
    ['/address MISSING_FIELD', '/protocol MISSING_FIELD', '/port MISSING_FIELD'],
  ],
  ['an unknown protocol', { protocol: 'icmp' }, ['/protocol INVALID_VALUE']],
  ['an unknown scheduler', { scheduler: 'wrrr' }, ['/scheduler INVALID_VALUE']],
  [
    'a flag of another scheduler',
    { schedulerFlags: ['sh-port'] },
    ['/schedulerFlags FLAG_MISMATCH'],
  ],
  ['an unknown flag', { schedulerFlags: ['x'] }, ['/schedulerFlags/0 INVALID_VALUE']],
  ['port 0 without persistence', { port: 0 }, ['/port PORT_ZERO_NEEDS_PERSISTENCE']],
  ['one packet over TCP', { onePacket: true }, ['/onePacket ONE_PACKET_NEEDS_UDP']],
  ['null for a field', { persistence: null }, ['/persistence WRONG_TYPE']],
  [
    'faulty persistence',
    { persistence: { timeoutSeconds: 0, netmask: '255.255', x: 1 } },
    [
      '/persistence/timeoutSeconds OUT_OF_RANGE',
      '/persistence/netmask INVALID_NETMASK',
      '/persistence/x UNKNOWN_FIELD',
    ],
  ],
  [
    'a prefix length on IPv4',
    { persistence: { prefixLength: 24 } },
    ['/persistence/prefixLength CONFLICTING_FIELDS'],
  ],
  [
    'a netmask on IPv6',
    { ...six, persistence: { netmask: '255.255.255.0' } },
    ['/persistence/netmask CONFLICTING_FIELDS'],
  ],
  [
    'a prefix length that is none',
    { ...six, persistence: { prefixLength: 129 } },
    ['/persistence/prefixLength OUT_OF_RANGE'],
  ],
  [
    'a timeout over 31 days',
    { persistence: { timeoutSeconds: 2678401 } },
    ['/persistence/timeoutSeconds OUT_OF_RANGE'],
  ],
  [
    'two places for an engine',
    { persistence: {}, persistenceEngine: 'sip' },
    ['/persistenceEngine CONFLICTING_FIELDS'],
  ],
  ['an unknown engine', { persistenceEngine: 'x' }, ['/persistenceEngine INVALID_VALUE']],
  ['another name than in the path', { name: 'other' }, ['/name CONFLICTING_FIELDS']],
  ['an impossible interface', { interface: 'eth 0' }, ['/interface INVALID_VALUE']],
  [
    'bad labels',
    { labels: { _x: 'y', ok: 1 } },
    ['/labels/_x INVALID_LABEL', '/labels/ok WRONG_TYPE'],
  ],
  ['a family beside an address', { addressFamily: 'ipv4' }, ['/addressFamily CONFLICTING_FIELDS']],
  [
    'a mark beside an address',
    { fwmark: 1 },
    [
      '/address CONFLICTING_FIELDS',
      '/protocol CONFLICTING_FIELDS',
      '/port CONFLICTING_FIELDS',
      '/addressFamily MISSING_FIELD',
    ],
  ],
  [
    'a server with a bad name',
    { realServers: { 'a/b~c': a } },
    ['/realServers/a~1b~0c INVALID_NAME'],
  ],
  [
    'a server called constructor is fine, its fields are checked',
    { realServers: { constructor: {} } },
    ['/realServers/constructor/address MISSING_FIELD'],
  ],
  [
    'two servers at one address',
    { realServers: { a, b: { ...a, port: 80 } } },
    ['/realServers/b/address REAL_SERVER_EXISTS'],
  ],
  ['servers that are a list', { realServers: [] }, ['/realServers WRONG_TYPE']],
  ['a policy with an unknown field', { policy: { qorum: {} } }, ['/policy/qorum UNKNOWN_FIELD']],
  [
    'a quorum that is lost when it is gained',
    { policy: { quorum: { up: 2, down: 3 } } },
    ['/policy/quorum/down THRESHOLD_ORDER'],
  ],
  [
    'sorry without a server for it',
    { policy: { allDown: 'sorry' } },
    ['/policy/sorryServer MISSING_FIELD'],
  ],
  [
    'a sorry server that is never asked',
    { policy: { allDown: 'reject', sorryServer: { address: '10.0.0.9' } } },
    ['/policy/allDown CONFLICTING_FIELDS'],
  ],
  [
    'a sorry server that cannot be one',
    { policy: { sorryServer: { address: '2001:db8::9', forwarding: 'dr', port: 81 } } },
    ['/policy/sorryServer/address FAMILY_MISMATCH', '/policy/sorryServer/port PORT_MISMATCH'],
  ],
  [
    'a sorry server that is a real server, too',
    { policy: { sorryServer: { address: '10.0.0.1' } }, realServers: { a } },
    ['/realServers/a/address REAL_SERVER_EXISTS'],
  ],
  [
    'an address to withdraw that is not ours',
    { manageAddress: false, policy: { allDown: 'withdraw' } },
    ['/policy/allDown CONFLICTING_FIELDS'],
  ],
  [
    'bounds of a slow start',
    { policy: { slowStart: { seconds: 0, startPercent: 101 } } },
    ['/policy/slowStart/seconds OUT_OF_RANGE', '/policy/slowStart/startPercent OUT_OF_RANGE'],
  ],
  [
    'faults everywhere, all at once',
    { port: -1, x: 0, realServers: { a: { address: '::1', weight: -1, y: 0 } } },
    [
      '/port OUT_OF_RANGE',
      '/x UNKNOWN_FIELD',
      '/realServers/a/address FAMILY_MISMATCH',
      '/realServers/a/weight OUT_OF_RANGE',
      '/realServers/a/y UNKNOWN_FIELD',
    ],
  ],
]

const servers: readonly Case[] = [
  ['no address', {}, ['/address MISSING_FIELD']],
  ['the other family', { address: '2001:db8::1' }, ['/address FAMILY_MISMATCH']],
  ['no unicast address', { address: '0.0.0.0' }, ['/address INVALID_ADDRESS']],
  ['the broadcast address', { address: '255.255.255.255' }, ['/address INVALID_ADDRESS']],
  ['a mistyped field', { ...a, wieght: 1 }, ['/wieght UNKNOWN_FIELD']],
  ['a weight beyond 31 bits', { ...a, weight: 2147483648 }, ['/weight OUT_OF_RANGE']],
  ['a negative weight', { ...a, weight: -1 }, ['/weight OUT_OF_RANGE']],
  ['a port beyond 16 bits', { ...a, port: 99999 }, ['/port OUT_OF_RANGE']],
  [
    'thresholds the wrong way round',
    { ...a, upperThreshold: 5, lowerThreshold: 6 },
    ['/lowerThreshold THRESHOLD_ORDER'],
  ],
  ['a lower threshold alone', { ...a, lowerThreshold: 6 }, ['/lowerThreshold THRESHOLD_ORDER']],
  ['another port with dr', { ...a, forwarding: 'dr', port: 8080 }, ['/port PORT_MISMATCH']],
  ['a tunnel with masq', { ...a, tunnel: { type: 'gre' } }, ['/tunnel CONFLICTING_FIELDS']],
  [
    'a gue tunnel without a port',
    { ...a, forwarding: 'tunnel', tunnel: { type: 'gue' } },
    ['/tunnel/port MISSING_FIELD'],
  ],
  [
    'tunnel options that do not go together',
    { ...a, forwarding: 'tunnel', tunnel: { type: 'ipip', port: 1, checksum: 'remote' } },
    ['/tunnel/port CONFLICTING_FIELDS', '/tunnel/checksum CONFLICTING_FIELDS'],
  ],
  [
    'gre with a port and a remote checksum',
    { ...a, forwarding: 'tunnel', tunnel: { type: 'gre', port: 1, checksum: 'remote' } },
    ['/tunnel/port CONFLICTING_FIELDS', '/tunnel/checksum CONFLICTING_FIELDS'],
  ],
  [
    'gue on port 0',
    { ...a, forwarding: 'tunnel', tunnel: { type: 'gue', port: 0 } },
    ['/tunnel/port OUT_OF_RANGE'],
  ],
  [
    'an unknown tunnel, whose other options cannot be judged',
    { ...a, forwarding: 'tunnel', tunnel: { type: 'vxlan', port: 4789, checksum: 'remote' } },
    ['/tunnel/type INVALID_VALUE'],
  ],
  ['another port with local', { ...a, forwarding: 'local', port: 81 }, ['/port PORT_MISMATCH']],
  ['another port in a tunnel', { ...a, forwarding: 'tunnel', port: 81 }, ['/port PORT_MISMATCH']],
  [
    'the other family by dr',
    { address: '2001:db8::1', forwarding: 'dr' },
    ['/address FAMILY_MISMATCH'],
  ],
  ['a negative priority', { ...a, priority: -1 }, ['/priority OUT_OF_RANGE']],
  ['an unknown state', { ...a, adminState: 'down' }, ['/adminState INVALID_VALUE']],
  ['another name', { ...a, name: 'b' }, ['/name CONFLICTING_FIELDS']],
]

type TestLike = Pick<typeof t, 'strictSame' | 'equal'>

interface Answer {
  code: string
  status: number
  errors: { pointer: string; code: string; hint?: string }[]
}

async function refused(appliance: Appliance, t: TestLike, url: string, body: object) {
  const before = snapshot(appliance)
  const response = await appliance.send('PUT', url, body)
  t.strictSame(snapshot(appliance), before, 'nothing is stored, applied or prepared')
  t.equal(response.headers['content-type'], 'application/problem+json')
  return response.json<Answer>()
}

const snapshot = ({ control, dataplane, host }: Appliance) => ({
  revision: control.revision(),
  services: control.services.list({}, { limit: 1000, labels: [] }),
  table: dataplane.table(),
  ops: dataplane.log.length,
  addresses: host.addresses(),
})

const text = ({ errors }: Answer) => errors.map(({ pointer, code }) => `${pointer} ${code}`).sort()

t.test('a service with', async t => {
  const appliance = await startAppliance()
  t.teardown(() => appliance.close())
  for (const [name, change, faults] of services) {
    t.test(name, async t => {
      const body = { ...web, realServers: {}, ...change }
      const answer = await refused(appliance, t, '/v1/virtual-services/web', body)
      t.strictSame(text(answer), [...faults].sort())
      const conflict = faults.length === 1 && faults[0]!.endsWith('REAL_SERVER_EXISTS')
      t.equal(answer.status, conflict ? 409 : 422)
    })
  }
})

t.test('a real server with', async t => {
  const appliance = await startAppliance()
  t.teardown(() => appliance.close())
  await appliance.send('PUT', '/v1/virtual-services/web', { ...web, realServers: {} })
  for (const [name, body, faults] of servers) {
    t.test(name, async t => {
      const url = '/v1/virtual-services/web/real-servers/a'
      const answer = await refused(appliance, t, url, body)
      t.strictSame(text(answer), [...faults].sort())
      t.equal(answer.status, 422)
    })
  }
})

t.test('hints name what was probably meant', async t => {
  const appliance = await startAppliance()
  t.teardown(() => appliance.close())
  const body = { ...web, shceduler: 'rr', scheduler: 'wrrr' }
  const { errors } = await refused(appliance, t, '/v1/virtual-services/web', body)
  t.match(
    errors.map(({ hint }) => hint),
    ["Did you mean 'wrr'?", "Did you mean 'scheduler'?"],
  )
})

// Semantics 1.5: the kernel keeps an engine's name with or without persistence, and prints it.
t.test('a persistence engine without persistence is kept, and moves with it', async t => {
  const appliance = await startAppliance()
  t.teardown(() => appliance.close())
  const path = '/v1/virtual-services/sip'
  const service = { protocol: 'udp', address: '198.51.100.1', port: 5060 }
  const created = await appliance.send('PUT', path, { ...service, persistenceEngine: 'sip' })
  t.equal(created.statusCode, 201, created.body)
  t.match(created.json(), { persistenceEngine: 'sip' })
  t.notOk('persistence' in created.json())
  const persistent = await appliance.send('PATCH', path, {
    persistence: { engine: 'sip' },
    persistenceEngine: null,
  })
  t.match(persistent.json(), { persistence: { engine: 'sip', timeoutSeconds: 360 } })
  t.notOk('persistenceEngine' in persistent.json())
  const plain = await appliance.send('PATCH', path, { persistence: null })
  t.equal(plain.statusCode, 200, plain.body)
  t.notMatch(plain.body, 'sip"}', 'gone with its persistence')
  t.notOk('persistenceEngine' in plain.json())
})

t.test('services by mark', async t => {
  const appliance = await startAppliance()
  t.teardown(() => appliance.close())
  const put = (name: string, body: object) =>
    appliance.send('PUT', `/v1/virtual-services/${name}`, body)
  const mark = { fwmark: 4294967295, addressFamily: 'ipv4', onePacket: true }
  const created = await put('m', {
    ...mark,
    persistence: {},
    realServers: {
      a: { address: '10.0.0.1' },
      b: { address: '10.0.0.2', port: 8080 },
      c: { address: '10.0.0.3', port: 1, forwarding: 'dr' },
      d: { address: '2001:db8::4', forwarding: 'tunnel', tunnel: { type: 'gre' } },
      e: { address: '127.0.0.1', forwarding: 'local' },
    },
  })
  t.equal(created.statusCode, 201, created.body)
  t.match(created.json(), {
    fwmark: 4294967295,
    addressFamily: 'ipv4',
    persistence: { netmask: '255.255.255.255' },
    realServers: {
      a: { port: 0, forwarding: 'masq' },
      b: { port: 8080 },
      d: { tunnel: { type: 'gre', checksum: 'none' } },
    },
  })
  t.notMatch(created.json(), { address: /./ })
  t.strictSame(appliance.host.addresses(), [], 'no address to put anywhere')
  const same = await put('m', created.json())
  t.equal(same.body, created.body)
  t.equal(same.headers['config-revision'], '1')
  const six = await put('m6', { ...mark, addressFamily: 'ipv6' })
  t.equal(six.statusCode, 201, 'the other family may have the same mark')
  t.match((await put('twin', mark)).json(), {
    status: 409,
    errors: [{ pointer: '/fwmark', code: 'SERVICE_EXISTS' }],
  })
  const found = await appliance.send('GET', '/v1/virtual-services?fwmark=4294967295')
  t.equal(found.json<{ items: [] }>().items.length, 2)
  const base: object = { fwmark: 7 }
  for (const [change, fault] of [
    [{ fwmark: 0 }, '/fwmark OUT_OF_RANGE'],
    [{ fwmark: 4294967296 }, '/fwmark OUT_OF_RANGE'],
    [{ interface: 'eth0' }, '/interface CONFLICTING_FIELDS'],
    [{ realServers: { a: { address: '2001:db8::1' } } }, '/realServers/a/address FAMILY_MISMATCH'],
  ] as const) {
    const answer = (await put('other', { ...mark, ...base, ...change })).json<Answer>()
    t.strictSame(text(answer), [fault])
  }
})

t.test('every method and every tunnel', async t => {
  const appliance = await startAppliance()
  t.teardown(() => appliance.close())
  const tunnel = (options: object | undefined, address: string) => ({
    address,
    forwarding: 'tunnel',
    ...(options === undefined ? {} : { tunnel: options }),
  })
  const realServers = {
    dr: { address: '10.0.0.1', forwarding: 'dr' },
    own: { address: '198.51.100.10', forwarding: 'local' },
    plain: tunnel(undefined, '10.0.0.2'),
    sit: tunnel({ type: 'ipip' }, '2001:db8::1'),
    gre: tunnel({ type: 'gre', checksum: 'checksum' }, '10.0.0.3'),
    gue: tunnel({ type: 'gue', port: 6080, checksum: 'remote' }, '10.0.0.4'),
  }
  const body = { ...web, realServers }
  const created = await appliance.send('PUT', '/v1/virtual-services/web', body)
  t.equal(created.statusCode, 201, created.body)
  t.match(created.json(), {
    realServers: {
      plain: { tunnel: { type: 'ipip', checksum: 'none' } },
      gue: { tunnel: { type: 'gue', port: 6080, checksum: 'remote' } },
    },
  })
  const dests = [...appliance.dataplane.services.values()].flatMap(({ dests }) => [
    ...[...dests.values()].map(({ dest }) => dest),
  ])
  t.strictSame(
    dests.map(({ address, forwarding, tunnel }) => [address, forwarding, tunnel]),
    [
      ['10.0.0.1', 'dr', null],
      ['198.51.100.10', 'local', null],
      ['10.0.0.2', 'tunnel', { type: 'ipip', checksum: 'none', port: 0 }],
      ['2001:db8::1', 'tunnel', { type: 'ipip', checksum: 'none', port: 0 }],
      ['10.0.0.3', 'tunnel', { type: 'gre', checksum: 'checksum', port: 0 }],
      ['10.0.0.4', 'tunnel', { type: 'gue', checksum: 'remote', port: 6080 }],
    ],
  )
  t.strictSame(appliance.host.guarded(), [], 'only NAT has answers that pass here')
  const moved = await appliance.send('PATCH', '/v1/virtual-services/web/real-servers/gue', {
    forwarding: 'masq',
    tunnel: null,
  })
  t.equal(moved.statusCode, 200)
  t.notMatch(moved.json(), { tunnel: {} })
})

t.test('everything that is valid is accepted', async t => {
  const appliance = await startAppliance()
  t.teardown(() => appliance.close())
  const accept = async (name: string, change: object) => {
    const body = { ...web, port: 1000 + Number(name.slice(1)), ...change }
    const response = await appliance.send('PUT', `/v1/virtual-services/${name}`, body)
    t.equal(response.statusCode, 201, `${JSON.stringify(change)}: ${response.body.slice(0, 300)}`)
    return response.json<object>()
  }
  const schedulers = 'rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos'.split(' ')
  for (const [i, scheduler] of schedulers.entries()) await accept(`s${i}`, { scheduler })
  const flags = await accept('s20', { scheduler: 'sh', schedulerFlags: ['sh-port', 'sh-fallback'] })
  t.match(flags, { schedulerFlags: ['sh-fallback', 'sh-port'] })
  await accept('s21', { protocol: 'udp', onePacket: true })
  await accept('s22', { protocol: 'sctp' })
  await accept('s23', { port: 0, address: '198.51.100.99', persistence: { timeoutSeconds: 1 } })
  // As in the kernel, a mask need not be contiguous.
  const masked = await accept('s24', { persistence: { netmask: '255.0.255.0' } })
  t.match(masked, { persistence: { netmask: '255.0.255.0', timeoutSeconds: 360 } })
  await accept('s25', { manageAddress: false, interface: 'eth0', labels: { 'a/b.c_d-e': '' } })
  const most = { weight: 2147483647, upperThreshold: 2147483647, lowerThreshold: 2147483647 }
  await accept('s26', { realServers: { a: { ...a, ...most } } })
  await accept('s27', { realServers: { constructor: a, 'x-1': { address: '127.0.0.1' } } })
})
