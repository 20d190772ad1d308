import t from 'tap'
import * as sctp from '../../../dataplane/wire/sctp.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const viewOf = (hex: string) => new DataView(fromHex(hex).buffer)

t.test('reads the fields and chunks that scapy wrote', async t => {
  const v = viewOf(SCAPY.SCTP4)
  t.equal(sctp.srcPort(v, 20), 2905)
  t.equal(sctp.dstPort(v, 20), 3868)
  t.equal(sctp.verificationTag(v, 20), 0xdeadbeef | 0)
  const first = sctp.firstChunk(v, 20, v.byteLength)
  t.equal(sctp.chunkType(v, first), sctp.COOKIE_ACK)
  t.equal(sctp.chunkLength(v, first), 4)
  const second = sctp.nextChunk(v, first, v.byteLength)
  t.equal(sctp.chunkType(v, second), sctp.DATA)
  t.equal(sctp.chunkFlags(v, second), 0)
  t.equal(sctp.chunkLength(v, second), 19, 'without its padding')
  t.equal(sctp.nextChunk(v, second, v.byteLength), -1)
  const init = viewOf(SCAPY.SCTP4_INIT)
  t.equal(sctp.chunkType(init, 32), sctp.INIT)
  t.equal(sctp.initiateTag(init, 32), 0xcafef00d | 0)
})

t.test('agrees with scapy about the checksum', async t => {
  for (const hex of [SCAPY.SCTP4, SCAPY.SCTP4_INIT]) {
    const v = viewOf(hex)
    t.ok(sctp.hasGoodChecksum(v, 20, v.byteLength))
    const crc = sctp.computeChecksum(v, 20, v.byteLength)
    sctp.setChecksum(v, 20, 0)
    t.notOk(sctp.hasGoodChecksum(v, 20, v.byteLength))
    sctp.setChecksum(v, 20, crc)
    t.equal(toHex(new Uint8Array(v.buffer)), hex)
  }
})

t.test('setters rebuild the header over rubbish', async t => {
  const bytes = new Uint8Array(18).fill(0xa5)
  const v = new DataView(bytes.buffer)
  sctp.setSrcPort(v, 1, 2905)
  sctp.setDstPort(v, 1, 3868)
  sctp.setVerificationTag(v, 1, 0xdeadbeef)
  sctp.setChecksum(v, 1, sctp.checksum(viewOf(SCAPY.SCTP4), 20))
  sctp.writeChunk(v, 13, sctp.COOKIE_ACK, 0, 4)
  t.equal(toHex(bytes), `a5${SCAPY.SCTP4.slice(40, 72)}a5`)
})

t.test('chunks that are cut short or have no length end the walk', async t => {
  const v = viewOf(SCAPY.SCTP4_INIT)
  for (let end = 20; end < v.byteLength; end++) {
    t.equal(sctp.isValid(v, 20, end), end >= 32, `${end}`)
    t.equal(sctp.firstChunk(v, 20, end), -1, `chunk within ${end}`)
  }
  t.equal(sctp.firstChunk(v, 20, v.byteLength), 32)
  v.setUint16(34, 3)
  t.equal(sctp.firstChunk(v, 20, v.byteLength), -1)
})
