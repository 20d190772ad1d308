/** RFC 791 section 3.1: the pointer counts from the option's first octet, which is 1. */
import t from 'tap'
import { hasOptions, recordRoute } from '../../../dataplane/ipvs/record-route.js'
import { parse } from '../../../dataplane/parse.js'
import * as address from '../../../dataplane/wire/address.js'
import { build, ipBytes, onesComplement } from '../../fixtures/packets.js'

const VIP = address.parse('198.51.100.1')!.w0
const VIP_OCTETS = [198, 51, 100, 1]

function withOptions(options: number[]) {
  const udp = { srcPort: 1, dstPort: 2 }
  const pkt = build({ src: '192.0.2.1', dst: '198.51.100.1', options, udp })
  t.equal(parse(pkt), 0)
  return pkt
}
const optionsOf = (pkt: ReturnType<typeof withOptions>, octets: number) => [
  ...ipBytes(pkt).slice(20, 20 + octets),
]

t.test('the next free slot is filled', async t => {
  const pkt = withOptions([1, 7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0])
  t.ok(hasOptions(pkt))
  recordRoute(pkt, VIP)
  t.strictSame(optionsOf(pkt, 12), [1, 7, 11, 8, ...VIP_OCTETS, 0, 0, 0, 0])
  t.equal(onesComplement(ipBytes(pkt).slice(0, 32)), 0, 'header checksum')
  recordRoute(pkt, VIP)
  t.strictSame(optionsOf(pkt, 12), [1, 7, 11, 12, ...VIP_OCTETS, ...VIP_OCTETS])
  recordRoute(pkt, VIP)
  t.strictSame(optionsOf(pkt, 12), [1, 7, 11, 12, ...VIP_OCTETS, ...VIP_OCTETS], 'then it is full')
})

t.test('other options and packets without any stay as they are', async t => {
  const alert = withOptions([148, 4, 0, 0])
  recordRoute(alert, VIP)
  t.strictSame(optionsOf(alert, 4), [148, 4, 0, 0])
  const plain = withOptions([])
  const before = [...ipBytes(plain)]
  t.notOk(hasOptions(plain))
  recordRoute(plain, VIP)
  t.strictSame([...ipBytes(plain)], before)
})
