import t from 'tap'
import * as tcp from '../../../dataplane/wire/tcp.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const viewOf = (hex: string) => new DataView(fromHex(hex).buffer)

t.test('reads the fields that scapy wrote', async t => {
  const v = viewOf(SCAPY.TCP4)
  t.equal(tcp.srcPort(v, 20), 31337)
  t.equal(tcp.dstPort(v, 20), 80)
  t.equal(tcp.seq(v, 20), 0xfedcba98 | 0)
  t.equal(tcp.ack(v, 20), 0x01020304)
  t.equal(tcp.headerLength(v, 20), 20)
  t.equal(tcp.flags(v, 20), tcp.PSH | tcp.ACK)
  t.equal(tcp.offsetFlags(v, 20), 0x5018)
  t.equal(tcp.window(v, 20), 64240)
  t.equal(tcp.checksum(v, 20), 0xc5f6)
  t.equal(tcp.urgent(v, 20), 7)
  t.equal(tcp.headerLength(viewOf(SCAPY.TCP4_OPTIONS), 36), 28)
})

t.test('setters rebuild that header over rubbish', async t => {
  const bytes = new Uint8Array(22).fill(0xa5)
  const v = new DataView(bytes.buffer)
  tcp.setSrcPort(v, 1, 31337)
  tcp.setDstPort(v, 1, 80)
  tcp.setSeq(v, 1, 0xfedcba98)
  tcp.setAck(v, 1, 0x01020304)
  tcp.setOffsetFlags(v, 1, 0x5000)
  tcp.setFlags(v, 1, tcp.PSH | tcp.ACK)
  tcp.setWindow(v, 1, 64240)
  tcp.setChecksum(v, 1, 0xc5f6)
  tcp.setUrgent(v, 1, 7)
  t.equal(toHex(bytes), `a5${SCAPY.TCP4.slice(40, 80)}a5`)
})

t.test('a header that is cut short or shorter than itself is not valid', async t => {
  const v = viewOf(SCAPY.TCP4_OPTIONS)
  for (let end = 36; end < v.byteLength; end++) t.notOk(tcp.isValid(v, 36, end), `${end}`)
  t.ok(tcp.isValid(v, 36, v.byteLength))
  tcp.setOffsetFlags(v, 36, 0x4002)
  t.notOk(tcp.isValid(v, 36, v.byteLength), 'data offset 4')
})
