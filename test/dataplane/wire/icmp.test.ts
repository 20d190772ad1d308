import t from 'tap'
import * as icmp from '../../../dataplane/wire/icmp.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

t.test('reads the fields that scapy wrote', async t => {
  const echo = new DataView(fromHex(SCAPY.ICMP4_ECHO).buffer)
  t.equal(icmp.type(echo, 20), icmp.ECHO)
  t.equal(icmp.code(echo, 20), 0)
  t.equal(icmp.checksum(echo, 20), 0xe5fb)
  t.equal(icmp.identifier(echo, 20), 0x1111)
  t.equal(icmp.sequence(echo, 20), 0x2222)
  t.equal(icmp.rest(echo, 20), 0x11112222)
  const tooBig = new DataView(fromHex(SCAPY.ICMP4_TOO_BIG).buffer)
  t.equal(icmp.type(tooBig, 20), icmp.UNREACHABLE)
  t.equal(icmp.code(tooBig, 20), icmp.FRAGMENTATION_NEEDED)
  t.equal(icmp.nextHopMtu(tooBig, 20), 1400)
})

t.test('setters rebuild the header over rubbish', async t => {
  const bytes = new Uint8Array(10).fill(0xa5)
  const v = new DataView(bytes.buffer)
  icmp.setType(v, 1, icmp.ECHO)
  icmp.setCode(v, 1, 0)
  icmp.setChecksum(v, 1, 0xe5fb)
  icmp.setRest(v, 1, 0x11112222)
  t.equal(toHex(bytes), `a5${SCAPY.ICMP4_ECHO.slice(40, 56)}a5`)
  t.notOk(icmp.isValid(v, 1, 8))
  t.ok(icmp.isValid(v, 1, 9))
})

t.test('errors and queries as RFC 1122 section 3.2.2 lists them', async t => {
  const types = Array.from({ length: 20 }, (_, type) => type)
  t.strictSame(types.filter(icmp.isError), [3, 4, 5, 11, 12])
  t.strictSame(types.filter(icmp.isQuery), [0, 8, 13, 14])
})
