import t from 'tap'
import type { Config } from '../../../server/config.js'
import { CommandError } from '../../../server/host/command.js'
import { examine, formatReport, type Host } from '../../../server/host/doctor.js'
import { Namespaces } from './namespaces.js'

// Interfaces and settings are those of a namespace; the rest of the host is as each test wants it.
const spaces = new Namespaces('doc')
t.teardown(() => spaces.close())
spaces.link('d', 'd0', 'p', 'p0')
spaces.ip(
  'd',
  'addr add 192.0.2.1/24 dev d0',
  'link add br0 type bridge',
  'link add m0 type veth peer name m1',
  'link set m0 master br0 up',
  'link set m1 up',
  'link set br0 up',
  'link add nothing0 type ifb',
  'link set nothing0 up',
  'link add down0 type veth peer name down1',
)
const CAPABILITIES = (mask: string) => `CapEff:\t${mask}\nCapAmb:\t0000000000000000\n`
const FULL = '000001ffffffffff'

const THP = '/sys/kernel/mm/transparent_hugepage/enabled'
const FILES: Record<string, string> = {
  '/proc/self/status': CAPABILITIES(FULL),
  '/proc/self/limits':
    'Max open files            1048576              1048576              files\n',
  [THP]: 'always [madvise] never\n',
}

const host = (changes: Partial<Host> & { settings?: Record<string, string> } = {}): Host => ({
  run: spaces.run('d'),
  sysctls: {
    get: name => ({ 'net/ipv4/ip_forward': '1', ...changes.settings })[name] ?? '0',
    set: () => t.fail('a report changes nothing'),
  },
  read: file => FILES[file] ?? null,
  uid: 0,
  openDriver: async () => undefined,
  runningInstance: async () => undefined,
  ...changes,
})
const RING: Pick<Config, 'driver' | 'interfaces'> = { driver: 'packet-ring', interfaces: [] }
const find = async (check: string, of: Host, config = RING) =>
  (await examine(config, of)).findings.filter(each => each.check === check)

t.test('a good host: all is well, and the interfaces are those that carry traffic', async t => {
  const report = await examine(RING, host())
  t.equal(report.severity, 'ok', formatReport(report))
  t.strictSame(report.interfaces.sort(), ['br0', 'd0', 'm1'], 'no bridge member, sink or down one')
  t.equal(formatReport(report, 'warning'), '')
})

t.test('rights', async t => {
  const without = (mask: string, uid: number) =>
    find('privileges', host({ uid, read: () => CAPABILITIES(mask) }))
  t.match(await without('0000000000000000', 1000), [
    { severity: 'fatal', remedy: 'sudo sluice serve', message: /CAP_NET_ADMIN and CAP_NET_RAW/ },
  ])
  t.match(await without(FULL, 1000), [{ severity: 'fatal', message: /ambient/ }])
  t.match(await without('000001ffffffdfff', 0), [
    { severity: 'fatal', message: /as root without CAP_NET_RAW;/, remedy: /cap-add/ },
  ])
})

t.test('what is merely lost: capabilities, huge pages, descriptors', async t => {
  const given = (changes: Record<string, string>) =>
    host({ read: file => ({ ...FILES, ...changes })[file] ?? null })
  const without = (...bits: bigint[]) => {
    const mask = bits.reduce((all, bit) => all & ~(1n << bit), BigInt(`0x${FULL}`))
    return given({ '/proc/self/status': CAPABILITIES(mask.toString(16)) })
  }
  t.match(await find('tunnels', without(39n, 21n)), [
    { severity: 'hint', message: /without CAP_BPF: tunnelled/, remedy: /--cap-add BPF/ },
  ])
  t.strictSame(await find('tunnels', without(39n)), [], 'CAP_SYS_ADMIN includes it')
  t.match(await find('priority', without(23n)), [
    { severity: 'hint', message: /without CAP_SYS_NICE/ },
  ])
  t.equal((await examine(RING, without(23n))).severity, 'hint', 'it runs nevertheless')
  t.match(await find('huge pages', given({ [THP]: 'always madvise [never]\n' })), [
    { severity: 'hint', message: /switched off/, remedy: `echo madvise > ${THP}` },
  ])
  const limits = 'Max open files            1024                 1048576              files\n'
  t.match(await find('limits', given({ '/proc/self/limits': limits })), [
    { severity: 'hint', message: /only 1024/ },
  ])
})

t.test('tools that are missing or do not work', async t => {
  const missing = host({
    run: (file, args, input) =>
      file === 'nft'
        ? Promise.reject(new CommandError('nft is not installed', { missing: true }))
        : spaces.run('d')(file, args, input),
  })
  t.match(await find('nft', missing), [
    { severity: 'fatal', message: 'nft is not installed', remedy: 'apt-get install nftables' },
  ])
  const nothing = host({
    run: () => Promise.reject(new CommandError('ip is not installed', { missing: true })),
  })
  const report = await examine(RING, nothing)
  t.match(
    report.findings.find(each => each.check === 'ip'),
    { severity: 'fatal', remedy: 'apt-get install iproute2' },
  )
  t.equal(report.severity, 'fatal')
})

t.test('interfaces that cannot be used', async t => {
  const of = (...interfaces: string[]) => find('interfaces', host(), { ...RING, interfaces })
  t.match(await of('d0'), [{ severity: 'ok' }])
  t.match(await of('d00'), [
    { severity: 'fatal', message: /no interface d00/, remedy: '--interface d0' },
  ])
  t.match(await of('down0'), [{ severity: 'fatal', remedy: 'ip link set down0 up' }])
  t.match(await of('m0'), [{ severity: 'fatal', message: 'm0 belongs to br0; use br0' }])
  t.match(await of('lo'), [{ severity: 'fatal', message: 'lo is not an Ethernet interface' }])
})

t.test('the driver, and another Sluice', async t => {
  const openDriver = () => Promise.reject(new Error("Cannot find module 'koffi'\nRequire stack"))
  t.match(await find('driver', host({ openDriver })), [
    { severity: 'fatal', message: /Cannot find module 'koffi'$/, remedy: /npm rebuild/ },
  ])
  t.match(await find('instance', host({ runningInstance: async () => 4711 })), [
    { severity: 'fatal', message: /process 4711/, remedy: 'kill 4711' },
  ])
})

t.test('kernel settings', async t => {
  const off = host({ settings: { 'net/ipv4/ip_forward': '0' } })
  t.match(await find('ip_forward', off), [
    { severity: 'warning', remedy: 'sysctl -w net.ipv4.ip_forward=1' },
  ])
  const strict = host({ settings: { 'net/ipv4/conf/all/rp_filter': '1' } })
  t.match(await find('rp_filter', strict), [{ severity: 'ok', message: /not subject/ }])
  const raw = { driver: 'raw-socket' as const, interfaces: ['d0'] }
  t.match(await find('rp_filter', strict, raw), [
    { severity: 'warning', remedy: 'sysctl -w net.ipv4.conf.d0.rp_filter=2' },
  ])
  const loose = { 'net/ipv4/conf/all/rp_filter': '2', 'net/ipv4/conf/d0/rp_filter': '1' }
  t.match(await find('rp_filter', host({ settings: loose }), raw), [{ severity: 'ok' }])
  const redirects = host({ settings: { 'net/ipv4/conf/d0/send_redirects': '1' } })
  t.match(await find('redirects', redirects), [
    {
      severity: 'hint',
      remedy: 'sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.d0.send_redirects=0',
    },
  ])
  const ipvs = 'IP Virtual Server version 1.2.1\nTCP  C0A80001:0050 rr\n  -> 0A000001:0050\n'
  const read = (file: string) => (file === '/proc/net/ip_vs' ? ipvs : CAPABILITIES(FULL))
  t.match(await find('ipvs', host({ read })), [{ severity: 'warning', remedy: 'ipvsadm --clear' }])
})
