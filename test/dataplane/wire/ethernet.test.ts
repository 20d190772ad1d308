import t from 'tap'
import * as ethernet from '../../../dataplane/wire/ethernet.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const FRAME = fromHex(SCAPY.ARP_FRAME)

t.test('reads a frame that scapy made', async t => {
  const v = new DataView(FRAME.buffer)
  t.equal(ethernet.dstHigh(v, 0), 0xffff)
  t.equal(ethernet.dstLow(v, 0), -1)
  t.equal(ethernet.srcHigh(v, 0), 0x0200)
  t.equal(ethernet.srcLow(v, 0), 0x000001fe)
  t.equal(ethernet.etherType(v, 0), ethernet.ARP)
})

t.test('writes the same header and nothing around it', async t => {
  const bytes = new Uint8Array(20).fill(0xa5)
  ethernet.write(new DataView(bytes.buffer), 3, 0xffff, -1, 0x0200, 0x000001fe, ethernet.ARP)
  t.equal(toHex(bytes), `a5a5a5${toHex(FRAME.subarray(0, 14))}a5a5a5`)
})

t.test('a header that is cut short is not valid', async t => {
  const v = new DataView(FRAME.buffer)
  for (let end = 0; end < 14; end++) t.notOk(ethernet.isValid(v, 0, end), `${end} octets`)
  t.ok(ethernet.isValid(v, 0, 14))
})
