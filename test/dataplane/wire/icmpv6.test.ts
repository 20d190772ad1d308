import t from 'tap'
import * as icmpv6 from '../../../dataplane/wire/icmpv6.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

t.test('reads the fields that scapy wrote', async t => {
  const v = new DataView(fromHex(SCAPY.ICMPV6_TOO_BIG).buffer)
  t.equal(icmpv6.type(v, 40), icmpv6.PACKET_TOO_BIG)
  t.equal(icmpv6.code(v, 40), 0)
  t.equal(icmpv6.mtu(v, 40), 1280)
  t.equal(icmpv6.rest(v, 40), 1280)
  t.ok(icmpv6.isError(icmpv6.type(v, 40)))
  t.notOk(icmpv6.isError(icmpv6.ECHO))
})

t.test('setters rebuild the header over rubbish', async t => {
  const bytes = new Uint8Array(10).fill(0xa5)
  const v = new DataView(bytes.buffer)
  const source = new DataView(fromHex(SCAPY.ICMPV6_TOO_BIG).buffer)
  icmpv6.setType(v, 1, icmpv6.PACKET_TOO_BIG)
  icmpv6.setCode(v, 1, 0)
  icmpv6.setChecksum(v, 1, icmpv6.checksum(source, 40))
  icmpv6.setRest(v, 1, 1280)
  t.equal(toHex(bytes), `a5${SCAPY.ICMPV6_TOO_BIG.slice(80, 96)}a5`)
  t.notOk(icmpv6.isValid(v, 1, 8))
  t.ok(icmpv6.isValid(v, 1, 9))
})
