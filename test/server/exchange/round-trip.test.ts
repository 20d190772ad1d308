/** Export and import are each other's inverse for what a format can say, and nothing is too odd. */
import fc from 'fast-check'
import t from 'tap'
import { exportIpvsadm } from '../../../server/exchange/ipvsadm-export.js'
import { importIpvsadm } from '../../../server/exchange/ipvsadm-import.js'
import { exportKeepalived } from '../../../server/exchange/keepalived-export.js'
import { importKeepalived } from '../../../server/exchange/keepalived-import.js'
import { seed } from '../fixtures/seed.js'
import { complaints } from './keepalived-program.js'
import { configurationOf, type Documents } from './records.js'

const octet = fc.integer({ min: 1, max: 254 })
const four = fc.tuple(octet, octet).map(([a, b]) => `10.0.${a}.${b}`)
const six = fc.integer({ min: 1, max: 65535 }).map(n => `2001:db8::${n.toString(16)}`)
const some = fc.nat(2147483647)
const tunnel = fc.constantFrom(
  { type: 'ipip' },
  { type: 'gre', checksum: 'none' },
  { type: 'gre', checksum: 'checksum' },
  { type: 'gue', port: 6080, checksum: 'remote' },
)

const serverOf = (address: fc.Arbitrary<string>, port: number | null) =>
  fc
    .record({
      address,
      port: fc.integer({ min: 1, max: 65535 }),
      weight: some,
      limits: fc.tuple(some, some),
      forwarding: fc.constantFrom('masq', 'dr', 'tunnel'),
      tunnel,
    })
    .map(({ limits, tunnel, port: own, ...rest }) => ({
      ...rest,
      port: rest.forwarding === 'masq' && port !== 0 ? own : (port ?? 0),
      upperThreshold: Math.max(...limits),
      lowerThreshold: Math.min(...limits),
      ...(rest.forwarding === 'tunnel' ? { tunnel } : {}),
    }))

const schedule = fc.constantFrom(
  ...[{ scheduler: 'rr' }, { scheduler: 'wlc', schedulerFlags: ['flag-1', 'flag-3'] }],
  ...[{ scheduler: 'sh', schedulerFlags: ['sh-fallback', 'sh-port'] }],
  ...[{ scheduler: 'mh', schedulerFlags: ['mh-port'] }],
)

const service = fc
  .record({
    isSix: fc.boolean(),
    isMark: fc.boolean(),
    mark: fc.integer({ min: 1, max: 4294967295 }),
    protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
    port: fc.constantFrom(0, 80, 65535),
    persistent: fc.option(
      fc.record({ timeoutSeconds: fc.integer({ min: 1, max: 2678400 }), engine: fc.boolean() }),
    ),
    mask: fc.constantFrom(1, 24, 32),
    schedule,
    address: fc.tuple(four, six),
  })
  .chain(each => {
    const { isSix, isMark, persistent, mask, schedule, protocol } = each
    const port = isMark ? null : persistent === null ? 80 : each.port
    const family = isSix ? six : four
    const netmask = { 1: '128.0.0.0', 24: '255.255.255.0', 32: '255.255.255.255' }[mask]
    const head = isMark
      ? { fwmark: each.mark, addressFamily: isSix ? 'ipv6' : 'ipv4' }
      : { protocol, address: each.address[isSix ? 1 : 0], port }
    const persistence = persistent && {
      timeoutSeconds: persistent.timeoutSeconds,
      ...(isSix ? { prefixLength: mask } : { netmask }),
      ...(persistent.engine ? { engine: 'sip' } : {}),
    }
    const servers = fc.uniqueArray(serverOf(family, port), {
      ...{ minLength: 1, maxLength: 4 },
      selector: ({ address, port }) => `${address} ${port}`,
    })
    return servers.map(list => ({
      ...{ ...head, ...schedule },
      ...(persistence === null ? {} : { persistence }),
      onePacket: isMark || protocol === 'udp',
      realServers: Object.fromEntries(list.map((server, i) => [`s${i}`, server])),
    }))
  })

const keyOf = (each: object) =>
  'fwmark' in each
    ? `${String(each.fwmark)} ${'addressFamily' in each ? String(each.addressFamily) : ''}`
    : JSON.stringify({ ...each, realServers: 0, schedule: 0 }).slice(0, 80)
const configuration = fc
  .uniqueArray(service, { minLength: 1, maxLength: 6, selector: keyOf })
  .map(list => ({
    virtualServices: Object.fromEntries(list.map((each, i) => [`v${i}`, each])),
    settings: { timeouts: { tcpSeconds: 7200, tcpFinSeconds: 30, udpSeconds: 60 } },
  }))

/** Configurations without the names, which are told as lost. */
const bare = (documents: Documents) =>
  configurationOf(documents).services.map(({ config, servers }) => ({
    config,
    servers: servers.map(({ config }) => config),
  }))

/** What keepalived says beyond what it has to say of services without weight. */
function unwarned(said: string, weightless: number): string[] {
  const lines = said === '' ? [] : said.split('\n')
  const isWarning = (line: string) => /quorum 1 .* exceeds total weight .* 0, reducing/.test(line)
  const rest = lines.filter(line => !isWarning(line) && !/hysteresis 0 >= quorum 0/.test(line))
  const warnings = lines.filter(isWarning).length
  return warnings === weightless ? rest : [`${warnings} instead of ${weightless}`, ...lines]
}

const runs = { seed: seed(t), numRuns: 60 }

t.test('ipvsadm: what comes back is what was there', async t => {
  const property = fc.asyncProperty(configuration, async documents => {
    const { text } = await exportIpvsadm(configurationOf(documents))
    const { document, summary } = await importIpvsadm(text)
    if (summary.changed + summary.ignored + summary.refused > 0) throw new Error(text)
    t.strictSame(bare(document), bare(documents))
    t.strictSame(document.settings, documents.settings)
  })
  await fc.assert(property, runs)
})

t.test(
  'keepalived: what comes back is what was there, and keepalived has no complaint',
  async t => {
    const property = fc.asyncProperty(configuration, async documents => {
      const { text, losses } = await exportKeepalived(configurationOf(documents))
      const { document, summary } = await importKeepalived(text)
      if (summary.changed + summary.ignored + summary.refused > 0) throw new Error(text)
      t.strictSame(bare(document), bare(documents))
      t.strictSame(document.settings, documents.settings)
      const weightless = losses.filter(({ reason }) => reason.startsWith('Its weights add up to 0'))
      t.strictSame(unwarned(complaints(text), weightless.length), [], text)
    })
    await fc.assert(property, { ...runs, numRuns: 25 })
  },
)

const word = fc.constantFrom(
  ...[
    '-A',
    '-a',
    '-t',
    '-r',
    '-f',
    '-6',
    '-p',
    '--set',
    '-C',
    '-D',
    '-M',
    '-b',
    '1',
    '192.0.2.1:80',
  ],
  ...['virtual_server', 'real_server', 'group', 'virtual_server_group', '{', '}', '"', "'", '\\'],
  ...[
    '~SEQ(A,1,3)',
    '~LST({A,B},{1,2})',
    '$A=',
    '$A',
    '${A}',
    '${A',
    '@x',
    '@^x',
    '@x\u00a0y',
    '!',
    '#',
  ],
  ...[
    '10.0.0.1-9',
    '2001:db8::/126',
    'fwmark',
    'persistence_granularity',
    '255.0.0.0',
    '__proto__',
  ],
  ...[
    'constructor',
    'lvs_sched',
    'weight',
    'ops',
    '\u0000',
    '\u2028',
    '🦥',
    '80',
    'real_server 10.0.0.1 80 {',
  ],
)
const blank = fc.constantFrom(' ', '\n', '\t', '\r\n', '')
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.array(fc.tuple(word, blank), { maxLength: 120 }).map(parts => parts.flat().join('')),
)

t.test('no text is too odd', async t => {
  const property = fc.asyncProperty(hostile, async text => {
    const lines = text.split('\n').length
    for (const read of [importIpvsadm, importKeepalived]) {
      const { report, document } = await read(text)
      t.ok(report.every(({ line, column }) => line >= 1 && line <= lines && column >= 1))
      configurationOf(document)
    }
  })
  await fc.assert(property, { ...runs, numRuns: 1500 })
})
