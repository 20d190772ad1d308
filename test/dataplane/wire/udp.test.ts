import t from 'tap'
import * as udp from '../../../dataplane/wire/udp.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const v = new DataView(fromHex(SCAPY.UDP4).buffer)

t.test('reads the fields that scapy wrote', async t => {
  t.equal(udp.srcPort(v, 20), 5353)
  t.equal(udp.dstPort(v, 20), 53)
  t.equal(udp.length(v, 20), 13)
  t.equal(udp.checksum(v, 20), 0xbaa5)
})

t.test('setters rebuild that header over rubbish', async t => {
  const bytes = new Uint8Array(10).fill(0xa5)
  const w = new DataView(bytes.buffer)
  udp.setSrcPort(w, 1, 5353)
  udp.setDstPort(w, 1, 53)
  udp.setLength(w, 1, 13)
  udp.setChecksum(w, 1, 0xbaa5)
  t.equal(toHex(bytes), `a5${SCAPY.UDP4.slice(40, 56)}a5`)
})

t.test('a datagram that is cut short or claims too little is not valid', async t => {
  for (let end = 20; end < 33; end++) t.notOk(udp.isValid(v, 20, end), `${end}`)
  t.ok(udp.isValid(v, 20, 33))
  udp.setLength(v, 20, 7)
  t.notOk(udp.isValid(v, 20, 33))
})
