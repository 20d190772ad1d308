import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Problem } from '../../../server/errors.js'
import { Addresses } from '../../../server/host/addresses.js'
import { FileJournal, MemoryJournal, type Journal } from '../../../server/host/journal.js'
import { Namespaces } from './namespaces.js'

const spaces = new Namespaces('addr')
t.teardown(() => spaces.close())
spaces.link('d', 'd0', 'p', 'p0')
spaces.link('d', 'd1', 'p', 'p1')
spaces.sysctl('d', 'net.ipv6.conf.default.accept_dad=0')
spaces.ip(
  'd',
  'addr add 192.0.2.1/24 dev d0',
  'addr add 198.51.100.1/16 dev d0',
  'addr add 198.51.100.129/25 dev d1',
  'addr add 10.0.0.254/24 dev d1',
  'addr add 2001:db8:1::1/64 dev d1 nodad',
  'addr add 2001:db8:2::1/64 dev d0 nodad',
  'route add default via 10.0.0.1 metric 50',
  'route add default via 192.0.2.9 metric 100',
  'route add ::/0 via 2001:db8:2::9',
)
const run = spaces.run('d')
const interfaces = ['d0', 'd1']
const make = (journal: Journal = new MemoryJournal()) => new Addresses({ interfaces, journal, run })

/** Host addresses (/32, /128) of the namespace as `ip` lists them, with their interface. */
async function present(): Promise<string[]> {
  const text = await run('ip', ['-o', 'addr', 'show', 'scope', 'global'])
  return text
    .split('\n')
    .flatMap(
      line => /^\d+: (\w+) .* (\S+)\/(?:32|128) (.*)\\/.exec(line)?.slice(1, 3).join(' ') ?? [],
    )
    .sort()
}

/** The first interface that `address` is put on when nobody names one. */
async function placeOf(t: Test, address: string): Promise<string> {
  const addresses = make()
  const [announcement] = await addresses.add([{ address, service: 'web' }])
  t.strictSame(await present(), [`${announcement!.interface} ${address}`])
  await addresses.removeAll()
  t.strictSame(await present(), [])
  return announcement!.interface
}

t.test('an address goes where its subnet is, else where the default route goes', async t => {
  t.equal(await placeOf(t, '192.0.2.77'), 'd0')
  t.equal(await placeOf(t, '198.51.7.7'), 'd0')
  t.equal(await placeOf(t, '198.51.100.200'), 'd1', 'the smaller subnet wins')
  t.equal(await placeOf(t, '203.0.113.1'), 'd1', 'the default route of the lowest metric')
  t.equal(await placeOf(t, '2001:db8:1::80'), 'd1')
  t.equal(await placeOf(t, '2001:db8:ffff::80'), 'd0')
})

t.test('a named interface is used, or refused by name', async t => {
  const addresses = make()
  const wanted = { address: '192.0.2.77', interface: 'd1', service: 'web' }
  t.strictSame(await addresses.add([wanted]), [{ address: '192.0.2.77', interface: 'd1' }])
  const refused = addresses.add([{ address: '192.0.2.78', interface: 'd7', service: 'shop' }])
  await t.rejects(refused, { code: 'INTERFACE_NOT_FOUND', message: /'shop'.*d7.*d0, d1/ })
  t.ok(await refused.catch((error: unknown) => error instanceof Problem))
  t.strictSame(await present(), ['d1 192.0.2.77'])
  await addresses.removeAll()
})

t.test('what was there before is used and stays', async t => {
  const addresses = make()
  const wanted = ['192.0.2.1', '2001:db8:2::1', '192.0.2.50'].map(address => ({
    address,
    service: 'web',
  }))
  t.strictSame(await addresses.add(wanted), [{ address: '192.0.2.50', interface: 'd0' }])
  addresses.release(wanted)
  await addresses.trim()
  t.strictSame(await present(), [])
  const all = await run('ip', ['-o', 'addr', 'show'])
  t.match(all, '192.0.2.1/24')
  t.match(all, '2001:db8:2::1/64')
})

t.test('an address of several services goes with the last of them', async t => {
  const addresses = make()
  const wanted = { address: '2001:DB8:2::0050', service: 'web' }
  t.strictSame(await addresses.add([wanted, wanted]), [
    { address: '2001:db8:2::50', interface: 'd0' },
  ])
  t.strictSame(await addresses.add([{ ...wanted, address: '2001:db8:2::50' }]), [])
  addresses.release([wanted, wanted])
  await addresses.trim()
  t.strictSame(await present(), ['d0 2001:db8:2::50'])
  addresses.release([wanted])
  await addresses.trim()
  t.strictSame(await present(), [])
})

t.test('an IPv6 address is usable at once and no source of the host itself', async t => {
  const addresses = make()
  await addresses.add([{ address: '2001:db8:1::80', service: 'web' }])
  const text = await run('ip', ['-o', '-6', 'addr', 'show', 'dev', 'd1'])
  const line = text.split('\n').find(each => each.includes('2001:db8:1::80'))
  t.match(line, /deprecated/)
  t.notMatch(line, /tentative/)
  await addresses.removeAll()
})

t.test('a refused batch leaves nothing behind', async t => {
  const addresses = make()
  spaces.sysctl('d', 'net.ipv6.conf.d1.disable_ipv6=1')
  t.teardown(() => spaces.sysctl('d', 'net.ipv6.conf.d1.disable_ipv6=0'))
  const wanted = [
    { address: '192.0.2.60', service: 'web' },
    { address: '2001:db8:9::1', interface: 'd1', service: 'web' },
  ]
  await t.rejects(addresses.add(wanted), { message: /2001:db8:9::1 on d1.*disable_ipv6/ })
  t.strictSame(await present(), [])
  t.strictSame(await addresses.add(wanted.slice(0, 1)), [
    { address: '192.0.2.60', interface: 'd0' },
  ])
  await addresses.removeAll()
})

t.test('what others took off is put back, and taking off what is gone is no error', async t => {
  const addresses = make()
  await addresses.add([{ address: '192.0.2.61', service: 'web' }])
  t.strictSame(await addresses.repair(), [])
  await run('ip', ['addr', 'del', '192.0.2.61/32', 'dev', 'd0'])
  t.strictSame(await addresses.repair(), [{ address: '192.0.2.61', interface: 'd0' }])
  t.strictSame(await present(), ['d0 192.0.2.61'])
  await run('ip', ['addr', 'del', '192.0.2.61/32', 'dev', 'd0'])
  await addresses.removeAll()
  t.strictSame(await present(), [])
})

t.test('after a kill the next start takes over what was left', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-journal-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'sluice.db.host')
  const killed = make(new FileJournal(file))
  const [kept, dropped] = ['192.0.2.70', '2001:db8:2::70'].map(address => ({
    address,
    service: 'a',
  }))
  await killed.add([kept!, dropped!])

  const elsewhere = make(new FileJournal(file, 'another boot or namespace'))
  t.strictSame(await elsewhere.adopt(), [], 'a record of another place means nothing here')

  const next = make(new FileJournal(file))
  t.equal((await next.adopt()).length, 2)
  t.strictSame(await next.add([kept!]), [{ address: '192.0.2.70', interface: 'd0' }])
  await next.trim()
  t.strictSame(await present(), ['d0 192.0.2.70'])
  await next.removeAll()
  t.strictSame(await present(), [])
  t.strictSame(readdirSync(folder), [], 'nothing on the host: no file')
})
