import t from 'tap'
import * as ethernet from '../../../dataplane/wire/ethernet.js'
import * as gre from '../../../dataplane/wire/gre.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const v = new DataView(fromHex(SCAPY.GRE4).buffer)

t.test('reads the header that scapy wrote', async t => {
  t.equal(gre.flags(v, 20), gre.CHECKSUM | gre.KEY)
  t.equal(gre.protocolType(v, 20), ethernet.IPV4)
  t.equal(gre.headerLength(v, 20), 12)
  t.equal(v.getUint8(32), 0x45, 'the inner packet is behind it')
  for (let end = 20; end < 32; end++) t.notOk(gre.isValid(v, 20, end), `${end}`)
  t.ok(gre.isValid(v, 20, 32))
})

t.test('setters write the octets of RFC 2784', async t => {
  const bytes = new Uint8Array(8).fill(0xa5)
  const w = new DataView(bytes.buffer)
  gre.setFlags(w, 0, gre.CHECKSUM)
  gre.setProtocolType(w, 0, ethernet.IPV6)
  gre.setChecksum(w, 0, 0x1234)
  t.equal(toHex(bytes), '800086dd1234a5a5')
  gre.setFlags(w, 0, gre.SEQUENCE)
  t.equal(gre.headerLength(w, 0), 8)
  gre.setFlags(w, 0, 1)
  t.notOk(gre.isValid(w, 0, 8), 'version 1 is PPTP')
})
