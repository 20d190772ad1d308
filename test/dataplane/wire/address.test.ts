import t from 'tap'
import { isIP } from 'node:net'
import * as address from '../../../dataplane/wire/address.js'
import { scapy } from '../../fixtures/scapy.js'
import { Random } from '../../fixtures/seed.js'

const text = (a: address.Address) => address.format(a.family, a.w0, a.w1, a.w2, a.w3)

t.test('what RFC 5952 recommends', async t => {
  // Section 2's many forms of one address, then the cases of sections 4 and 5.
  const cases: readonly [given: string, canonical: string][] = [
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8::1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:0:1::1', '2001:db8::1:0:0:1'],
    ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8::', '2001:db8::'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['0:0:0:0:0:ffff:c000:0201', '::ffff:192.0.2.1'],
    ['64:ff9b::198.51.100.1', '64:ff9b::c633:6401'],
    ['ABCD:EF01:2345:6789:ABCD:EF01:2345:6789', 'abcd:ef01:2345:6789:abcd:ef01:2345:6789'],
    ['198.51.100.1', '198.51.100.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['0.0.0.0', '0.0.0.0'],
  ]
  for (const [given, canonical] of cases) {
    const parsed = address.parse(given)
    t.ok(parsed, given)
    t.equal(text(parsed!), canonical)
  }
})

t.test('words are signed and in order', async t => {
  t.strictSame(address.parse('198.51.100.1'), {
    family: 4,
    w0: 0xc6336401 | 0,
    w1: 0,
    w2: 0,
    w3: 0,
  })
  t.strictSame(address.parse('2001:db8:1:2:3:4:ffff:fffe'), {
    family: 6,
    w0: 0x20010db8,
    w1: 0x00010002,
    w2: 0x00030004,
    w3: -2,
  })
  t.equal(address.family('::1'), 6)
  t.equal(address.family('1.2.3.4'), 4)
  t.equal(address.family('localhost'), 0)
})

t.test('what is no address is null', async t => {
  const wrong = [
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.04',
    '1..2.3',
    '1.2.3.',
    '.1.2.3',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '0x1.2.3.4',
    '-1.2.3.4',
    '1e1.2.3.4',
    '+1.2.3.4',
    '１.2.3.4',
  ]
  wrong.push(
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    'g::',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '1:2:3:4::5:6:7:8',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '::1.2.3',
    '::1.2.3.256',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:1.2.3.4',
    'fe80::1%eth0',
    '::1/64',
    '[::1]',
    '::1.2.3.4:5',
  )
  for (const bad of wrong) {
    t.equal(address.parse(bad), null, JSON.stringify(bad))
    if (!bad.includes('%')) t.equal(isIP(bad), 0, 'node:net agrees')
  }
})

t.test("Python's ipaddress writes and reads the same", async t => {
  const random = Random.of(t)
  const words = () =>
    [0, 1, 2, 3].map(() => random.pick([0, 0, 1, 0xffff, 0x10000, random.word()]) | 0)
  const all = Array.from({ length: 400 }, words)
  const script = `
import ipaddress
answer([[str(ipaddress.IPv4Address(w[0] & 0xffffffff)),
  ipaddress.IPv6Address(b''.join((x & 0xffffffff).to_bytes(4, 'big') for x in w)).compressed,
  ipaddress.IPv6Address(b''.join((x & 0xffffffff).to_bytes(4, 'big') for x in w)).exploded] for w in given])`
  const answers = scapy(script, all) as string[][]
  for (const [i, w] of all.entries()) {
    const [w0, w1, w2, w3] = w as [number, number, number, number]
    const [four, six, exploded] = answers[i]!
    t.equal(address.format4(w0), four)
    // Python writes mapped addresses in hexadecimal; RFC 5952 section 5 has them dotted.
    if (!(w0 === 0 && w1 === 0 && w2 === 0xffff)) t.equal(address.format6(w0, w1, w2, w3), six)
    t.strictSame(address.parse(exploded!), { family: 6, w0, w1, w2, w3 })
    t.strictSame(address.parse(address.format6(w0, w1, w2, w3)), { family: 6, w0, w1, w2, w3 })
    t.equal(address.parse4(four!), w0)
  }
})

t.test('prefixes and masks', async t => {
  t.strictSame(address.parsePrefix('10.0.0.0/24'), {
    family: 4,
    w0: 0x0a000000,
    w1: 0,
    w2: 0,
    w3: 0,
    prefixLength: 24,
  })
  t.equal(address.parsePrefix('10.0.0.1')?.prefixLength, 32)
  t.equal(address.parsePrefix('::1')?.prefixLength, 128)
  for (const bad of [
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/ 8',
    '10.0.0.0/-1',
    '/8',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
  ]) {
    t.equal(address.parsePrefix(bad), null, bad)
  }
  t.strictSame(
    [0, 1, 2, 3].map(i => address.maskWord(40, i)),
    [-1, 0xff000000 | 0, 0, 0],
  )
  t.strictSame(
    [0, 32, 64, 128].map(n => address.maskWord(n, 1)),
    [0, 0, -1, -1],
  )
  const inside = (prefix: string, ip: string) => {
    const a = address.parse(ip)!
    return address.inPrefix(address.parsePrefix(prefix)!, a.family, a.w0, a.w1, a.w2, a.w3)
  }
  t.ok(inside('198.51.100.0/23', '198.51.101.255'))
  t.notOk(inside('198.51.100.0/23', '198.51.102.0'))
  t.ok(inside('0.0.0.0/0', '255.1.2.3'))
  t.notOk(inside('0.0.0.0/0', '::'), 'families differ')
  t.ok(inside('2001:db8:ff00::/40', '2001:db8:ffff::1'))
  t.notOk(inside('2001:db8:ff00::/40', '2001:db8:fe00::1'))
  t.notOk(inside('2001:db8::1/128', '2001:db8::2'))
  t.equal(address.maskLength(address.parse4('255.255.255.0')!), 24)
  t.equal(address.maskLength(0), 0)
  t.equal(address.maskLength(-1), 32)
  t.equal(address.maskLength(address.parse4('255.0.255.0')!), -1)
})
