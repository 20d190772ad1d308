import { pino } from 'pino'
import t from 'tap'
import type { HostService } from '../../../server/dataplane/host-state.js'
import { LinuxHost } from '../../../server/host/host-control.js'
import { MemoryJournal } from '../../../server/host/journal.js'
import { Steering } from '../../../server/host/steering.js'
import { Namespaces } from './namespaces.js'

const spaces = new Namespaces('host')
t.teardown(() => spaces.close())
spaces.link('d', 'd0', 'p', 'p0')
spaces.ip('d', 'addr add 192.0.2.1/24 dev d0', 'addr add 2001:db8:1::1/64 dev d0 nodad')
const run = spaces.run('d')
const logger = pino({ level: 'silent' })
const make = (driver: 'packet-ring' | 'raw-socket' = 'packet-ring') =>
  new LinuxHost({ driver, interfaces: ['d0'], journal: new MemoryJournal(), logger, run })

const service = (changes: Partial<HostService> = {}): HostService => ({
  name: 'web',
  key: { family: 'ipv4', protocol: 'tcp', address: '192.0.2.80', port: 80 },
  manageAddress: true,
  dests: [{ address: '10.0.0.1', port: 8080, protocol: 'tcp' }],
  forwardings: ['masq'],
  ...changes,
})
const table = () => run('nft', ['list', 'table', 'inet', 'sluice'])
const hasVip = async (address: string) => (await run('ip', ['addr', 'show'])).includes(address)

t.test('what a service needs comes before it and goes after it', async t => {
  const host = make()
  await host.start()
  const web = service()
  const dns = service({
    name: 'dns',
    key: { family: 'ipv4', protocol: 'udp', address: '192.0.2.80', port: 53 },
    dests: [{ address: '10.0.0.1', port: 53, protocol: 'udp' }],
  })
  t.strictSame(await host.beforeApply([web, dns]), [{ address: '192.0.2.80', interface: 'd0' }])
  t.strictSame(await host.beforeApply([web, dns]), [], 'again: nothing to do')
  t.match(await table(), '192.0.2.80 . udp . 53')

  const moved = service({ dests: [{ address: '10.0.0.2', port: 8080, protocol: 'tcp' }] })
  await host.beforeApply([moved, dns])
  t.match(
    await table(),
    /10\.0\.0\.1 \. tcp \. 8080[^]*10\.0\.0\.2 \. tcp \. 8080|10\.0\.0\.2[^]*10\.0\.0\.1/,
  )
  await host.afterApply([moved, dns])
  t.notMatch(await table(), '10.0.0.1 . tcp . 8080')
  t.match(await table(), '10.0.0.2 . tcp . 8080')

  await host.release([moved])
  t.equal(await hasVip('192.0.2.80/32'), true, 'another service still wants it')
  await host.release([moved])
  t.equal(await hasVip('192.0.2.80/32'), true, 'what went is not let go of twice')
  await host.afterApply([])
  t.equal(await hasVip('192.0.2.80/32'), false)
  t.notMatch(await table(), /192\.0\.2\.80|10\.0\.0/)
  await host.stop()
  await t.rejects(table())
})

t.test('what connections still use stays guarded until they are gone', async t => {
  let connected = true
  const host = new LinuxHost({
    ...{ driver: 'packet-ring', interfaces: ['d0'], journal: new MemoryJournal(), logger, run },
    stillHeld: async endpoints => endpoints.map(({ role }) => connected && role === 'real'),
  })
  await host.start()
  await host.beforeApply([service()])
  await host.afterApply([])
  t.notMatch(await table(), '192.0.2.80 . tcp . 80', 'nobody is connected to this one')
  t.match(await table(), '10.0.0.1 . tcp . 8080')
  await host.verify()
  t.match(await table(), '10.0.0.1 . tcp . 8080')
  connected = false
  await host.verify()
  t.notMatch(await table(), '10.0.0.1 . tcp . 8080')
  await host.stop()
})

t.test('a service becomes FTP’s and stops being it', async t => {
  let connected = true
  const asked: string[] = []
  const host = new LinuxHost({
    ...{ driver: 'packet-ring', interfaces: ['d0'], journal: new MemoryJournal(), logger, run },
    stillHeld: async endpoints => {
      asked.push(...endpoints.map(({ role, ftp }) => `${role} ${ftp ?? false}`))
      return endpoints.map(({ ftp }) => !ftp || connected)
    },
  })
  await host.start()
  const plain = service({ dests: [{ address: '10.0.0.1', port: 8021, protocol: 'tcp' }] })
  const ftp = { ...plain, ftp: true }
  const elements = async () => {
    const text = await table()
    const has = (set: string, element: string) =>
      new RegExp(`set ${set} \\{[^}]*elements = \\{[^}]*${element}`).test(text)
    return [
      has('vip4', '192\\.0\\.2\\.80 \\. tcp \\. 80'),
      has('vip4_ftp', '192\\.0\\.2\\.80'),
      has('real4', '10\\.0\\.0\\.1 \\. tcp \\. 8020'),
      has('real4_ftp', '10\\.0\\.0\\.1'),
    ]
  }
  const change = async (desired: HostService) => {
    t.strictSame(await host.beforeApply([desired]), [], 'the address stays')
    await host.afterApply([desired])
  }
  await host.beforeApply([plain])
  t.strictSame(await elements(), [true, false, false, false])
  await change(ftp)
  t.strictSame(await elements(), [true, true, true, true])
  await change(plain)
  t.strictSame(await elements(), [true, true, true, true], 'somebody is still connected')
  t.ok(asked.includes('vip true') && asked.includes('real true'))
  connected = false
  await host.verify()
  t.strictSame(await elements(), [true, false, false, false])
  connected = true
  await change(ftp)
  await host.afterApply([])
  connected = false
  await host.verify()
  t.strictSame(await elements(), [true, false, false, false], 'others but FTP’s')
  await host.stop()
})

t.test('a refused state leaves nothing behind', async t => {
  const host = make()
  await host.start()
  const lost = service({ name: 'lost', interface: 'nowhere0' })
  await t.rejects(host.beforeApply([lost]), { code: 'INTERFACE_NOT_FOUND', message: /'lost'/ })
  await host.afterApply([])
  t.notMatch(await table(), '192.0.2.80')
  await host.stop()
})

t.test('what others took away comes back, and is announced', async t => {
  const host = make()
  await host.beforeApply([service()])
  await run('nft', ['flush', 'ruleset'])
  await run('ip', ['addr', 'del', '192.0.2.80/32', 'dev', 'd0'])
  t.strictSame(await host.verify(), [{ address: '192.0.2.80', interface: 'd0' }])
  t.match(await table(), '192.0.2.80 . tcp . 80')
  t.equal(await hasVip('192.0.2.80/32'), true)
  await host.stop()
  t.equal(await hasVip('192.0.2.80/32'), false)
})

t.test('raw-socket refuses what it cannot serve, with the reason', async t => {
  const host = make('raw-socket')
  const six = service({
    key: { family: 'ipv6', protocol: 'tcp', address: '2001:db8:1::80', port: 80 },
  })
  await t.rejects(host.beforeApply([six]), {
    code: 'NOT_SUPPORTED_YET',
    message: /raw-socket.*IPv6/,
  })
  const direct = service({ forwardings: ['dr', 'masq'] })
  await t.rejects(host.beforeApply([direct]), { message: /'dr'.*raw-socket/ })
  await t.rejects(table(), 'nothing was touched')
})

t.test('steering is put up and taken down again, also what a killed run left', async t => {
  const settings = new Map([['net/ipv4/fwmark_reflect', '7']])
  const sysctls = {
    get: (name: string) => settings.get(name) ?? null,
    set: (name: string, value: string) => void settings.set(name, value),
  }
  const journal = new MemoryJournal()
  const steering = new Steering({ journal, run, sysctls })
  await steering.install()
  t.equal(settings.get('net/ipv4/fwmark_reflect'), '1')
  const route = () => run('ip', ['route', 'get', '192.0.2.9', 'mark', '0x20000000'])
  t.match(await route(), /^local 192\.0\.2\.9 dev lo table 7480/)

  const next = new Steering({ journal, run, sysctls })
  await next.recover()
  t.equal(settings.get('net/ipv4/fwmark_reflect'), '7')
  t.match(await route(), /dev d0/)
  t.notMatch(await run('ip', ['rule']), /7480/)
  await next.uninstall()
  t.strictSame(journal.record, { addresses: [], sysctls: {} })
})
