import t from 'tap'
import * as ipv6 from '../../../dataplane/wire/ipv6.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const viewOf = (hex: string) => new DataView(fromHex(hex).buffer)

t.test('reads the fields that scapy wrote', async t => {
  const v = viewOf(SCAPY.TCP6)
  t.equal(ipv6.version(v, 0), 6)
  t.equal(ipv6.trafficClass(v, 0), 0xb9)
  t.equal(ipv6.flowLabel(v, 0), 0xabcde)
  t.equal(ipv6.payloadLength(v, 0), 20)
  t.equal(ipv6.nextHeader(v, 0), 6)
  t.equal(ipv6.hopLimit(v, 0), 55)
  t.strictSame(
    [ipv6.src0(v, 0), ipv6.src1(v, 0), ipv6.src2(v, 0), ipv6.src3(v, 0)],
    [0x20010db8, 0, 0, 9],
  )
  t.strictSame(
    [ipv6.dst0(v, 0), ipv6.dst1(v, 0), ipv6.dst2(v, 0), ipv6.dst3(v, 0)],
    [0x20010db8, 0x00010000, 0, 0x80],
  )
})

t.test('setters rebuild that header over rubbish', async t => {
  const bytes = new Uint8Array(44).fill(0xa5)
  const v = new DataView(bytes.buffer)
  ipv6.setFirstWord(v, 2, 0, 0xabcde)
  ipv6.setTrafficClass(v, 2, 0xb9)
  ipv6.setPayloadLength(v, 2, 20)
  ipv6.setNextHeader(v, 2, 6)
  ipv6.setHopLimit(v, 2, 55)
  ipv6.setSrc(v, 2, 0x20010db8, 0, 0, 9)
  ipv6.setDst(v, 2, 0x20010db8, 0x00010000, 0, 0x80)
  t.equal(toHex(bytes), `a5a5${SCAPY.TCP6.slice(0, 80)}a5a5`)
})

t.test('a packet that is cut short is not valid', async t => {
  const v = viewOf(SCAPY.TCP6)
  t.ok(ipv6.isValid(v, 0, v.byteLength))
  for (let end = 0; end < v.byteLength; end++) t.notOk(ipv6.isValid(v, 0, end), `${end} octets`)
  v.setUint8(0, 0x40)
  t.notOk(ipv6.isValid(v, 0, v.byteLength), 'version 4')
})
