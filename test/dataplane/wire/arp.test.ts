import t from 'tap'
import * as arp from '../../../dataplane/wire/arp.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const v = new DataView(fromHex(SCAPY.ARP_FRAME).buffer)
const VIP = 0xc6336401 | 0

t.test('reads the gratuitous request that scapy wrote', async t => {
  t.equal(arp.operation(v, 14), arp.REQUEST)
  t.equal(arp.senderMacHigh(v, 14), 0x0200)
  t.equal(arp.senderMacLow(v, 14), 0x000001fe)
  t.equal(arp.sender(v, 14), VIP)
  t.equal(arp.targetMacHigh(v, 14), 0)
  t.equal(arp.targetMacLow(v, 14), 0)
  t.equal(arp.target(v, 14), VIP)
})

t.test('writes the same packet over rubbish', async t => {
  const bytes = new Uint8Array(30).fill(0xa5)
  arp.write(new DataView(bytes.buffer), 1, {
    operation: arp.REQUEST,
    senderMacHigh: 0x0200,
    senderMacLow: 0x000001fe,
    sender: VIP,
    targetMacHigh: 0,
    targetMacLow: 0,
    target: VIP,
  })
  t.equal(toHex(bytes), `a5${SCAPY.ARP_FRAME.slice(28)}a5`)
})

t.test('other hardware and protocols, and short packets, are not valid', async t => {
  for (let end = 14; end < 42; end++) t.notOk(arp.isValid(v, 14, end), `${end}`)
  t.ok(arp.isValid(v, 14, 42))
  for (const at of [14, 16, 18, 19]) {
    const wrong = new DataView(fromHex(SCAPY.ARP_FRAME).buffer)
    wrong.setUint8(at, 9)
    t.notOk(arp.isValid(wrong, 14, 42), `octet ${at}`)
  }
})
