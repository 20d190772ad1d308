import t from 'tap'
import * as ipv4 from '../../../dataplane/wire/ipv4.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const viewOf = (hex: string) => new DataView(fromHex(hex).buffer)

t.test('reads the fields that scapy wrote', async t => {
  const v = viewOf(SCAPY.TCP4)
  t.equal(ipv4.version(v, 0), 4)
  t.equal(ipv4.headerLength(v, 0), 20)
  t.equal(ipv4.tos(v, 0), 0x10)
  t.equal(ipv4.totalLength(v, 0), v.byteLength)
  t.equal(ipv4.identification(v, 0), 0x1234)
  t.equal(ipv4.flagsOffset(v, 0), ipv4.DF)
  t.ok(ipv4.dontFragment(v, 0))
  t.notOk(ipv4.isFragment(v, 0))
  t.equal(ipv4.ttl(v, 0), 63)
  t.equal(ipv4.protocol(v, 0), 6)
  t.equal(ipv4.ttlProtocol(v, 0), (63 << 8) | 6)
  t.equal(ipv4.checksum(v, 0), 0x3d49)
  t.equal(ipv4.src(v, 0), 0xc0000209 | 0)
  t.equal(ipv4.dst(v, 0), 0xc6336401 | 0)
  t.equal(ipv4.headerLength(viewOf(SCAPY.TCP4_OPTIONS), 0), 36)
})

t.test('setters rebuild that header over rubbish', async t => {
  const bytes = new Uint8Array(24).fill(0xa5)
  const v = new DataView(bytes.buffer)
  ipv4.setVersionIhl(v, 2, 0x45)
  ipv4.setTos(v, 2, 0x10)
  ipv4.setTotalLength(v, 2, 45)
  ipv4.setIdentification(v, 2, 0x1234)
  ipv4.setFlagsOffset(v, 2, ipv4.DF)
  ipv4.setTtl(v, 2, 63)
  ipv4.setProtocol(v, 2, 6)
  ipv4.setChecksum(v, 2, 0x3d49)
  ipv4.setSrc(v, 2, 0xc0000209)
  ipv4.setDst(v, 2, 0xc6336401)
  t.equal(toHex(bytes), `a5a5${SCAPY.TCP4.slice(0, 40)}a5a5`)
})

t.test('fragment fields', async t => {
  const v = viewOf(SCAPY.TCP4)
  ipv4.setFlagsOffset(v, 0, ipv4.MF | 185)
  t.equal(ipv4.fragmentOffset(v, 0), 1480)
  t.ok(ipv4.isFragment(v, 0))
  ipv4.setFlagsOffset(v, 0, 1)
  t.ok(ipv4.isFragment(v, 0), 'the last fragment is one too')
})

t.test('what is not a whole sane header is not valid', async t => {
  const v = viewOf(SCAPY.TCP4_OPTIONS)
  t.ok(ipv4.isValid(v, 0, v.byteLength))
  for (let end = 0; end < v.byteLength; end++) t.notOk(ipv4.isValid(v, 0, end), `${end} octets`)
  for (const first of [0x55, 0x44, 0x60, 0x40]) {
    const wrong = viewOf(SCAPY.TCP4)
    ipv4.setVersionIhl(wrong, 0, first)
    t.notOk(ipv4.isValid(wrong, 0, wrong.byteLength), `first octet ${first.toString(16)}`)
  }
  const short = viewOf(SCAPY.TCP4)
  ipv4.setTotalLength(short, 0, 19)
  t.notOk(ipv4.isValid(short, 0, short.byteLength), 'total length below the header')
})
