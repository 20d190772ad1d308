import fc from 'fast-check'
import { domainToASCII } from 'node:url'
import t from 'tap'
import { isLinkLocal6, notUsable, parseAddress } from '../../server/ip-address.js'
import { seed } from './fixtures/seed.js'

// Examples of RFC 5952, with the section they are from.
const rfc5952: readonly [section: string, text: string, wanted: string][] = [
  ['1', '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['1', '2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['1', '2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
  ['2.1', '2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001', '2001:db8:aaaa:bbbb:cccc:dddd:eeee:1'],
  ['2.2', '2001:db8:0:0:0::1', '2001:db8::1'],
  ['2.2', '2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2.3', '2001:DB8:AAAA:BBBB:CCCC:DDDD:EEEE:AAAA', '2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa'],
  ['4.2.2', '2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['4.2.2', '2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['4.2.3', '2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['5', '0:0:0:0:0:ffff:192.0.2.1', '::ffff:192.0.2.1'],
  ['5', '::ffff:c000:201', '::ffff:192.0.2.1'],
]
for (const [section, text, wanted] of rfc5952) {
  t.test(`RFC 5952 section ${section}: ${text}`, async t => {
    t.strictSame(parseAddress(text), { family: 'ipv6', text: wanted })
  })
}

t.test('agrees with the URL parser on every other IPv6 address', async t => {
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
  const address = fc.array(group, { minLength: 8, maxLength: 8 })
  const agrees = fc.property(address, groups => {
    const text = groups.map(each => each.toString(16).padStart(4, '0').toUpperCase()).join(':')
    const found = parseAddress(text)!.text
    // WHATWG URL writes RFC 5952 except for the dotted end of mapped addresses.
    const wanted = domainToASCII(`[${text}]`).slice(1, -1)
    return found === wanted || found.startsWith('::ffff:')
  })
  fc.assert(agrees, { seed: seed(t), numRuns: 2000 })
})

t.test('what is no address', async t => {
  for (const text of ['', '1.2.3', '1.2.3.256', '01.2.3.4', '1.2.3.4/24', '::1%eth0', ':::', 'web'])
    t.equal(parseAddress(text), null, text)
})

t.test('addresses that nobody can have', async t => {
  const unusable = ['0.0.0.0', '0.1.2.3', '224.0.0.1', '239.1.1.1', '255.255.255.255']
  for (const text of [...unusable, '::', 'ff02::1', '::ffff:10.0.0.1'])
    t.type(notUsable(parseAddress(text)!), 'string', text)
  for (const text of ['127.0.0.1', '10.0.0.1', '240.0.0.1', '2001:db8::1', '::1'])
    t.equal(notUsable(parseAddress(text)!), null, text)
  t.ok(isLinkLocal6(parseAddress('fe80::1')!))
  t.ok(isLinkLocal6(parseAddress('febf::1')!))
  t.notOk(isLinkLocal6(parseAddress('fec0::1')!))
})
