import t from 'tap'
import * as checksum from '../../../dataplane/wire/checksum.js'
import * as icmpv6 from '../../../dataplane/wire/icmpv6.js'
import * as ndp from '../../../dataplane/wire/ndp.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const read = () => new DataView(fromHex(SCAPY.ADVERTISEMENT).buffer)

t.test('reads the advertisement that scapy wrote', async t => {
  const v = read()
  t.ok(ndp.isValid(v, 40, v.byteLength))
  t.equal(ndp.flags(v, 40), ndp.OVERRIDE)
  t.strictSame(
    [ndp.target0(v, 40), ndp.target1(v, 40), ndp.target2(v, 40), ndp.target3(v, 40)],
    [0x20010db8, 0, 0, 0x80],
  )
  const at = ndp.linkLayerAt(v, 40, v.byteLength, ndp.TARGET_LINK_LAYER)
  t.equal(v.getUint16(at), 0x0200)
  t.equal(v.getInt32(at + 2), 0x000001fe)
  t.equal(ndp.linkLayerAt(v, 40, v.byteLength, ndp.SOURCE_LINK_LAYER), 0)
})

t.test('writes the same advertisement, checksum included', async t => {
  const v = read()
  new Uint8Array(v.buffer).fill(0xa5, 40)
  ndp.writeAdvertisement(v, 40, {
    flags: ndp.OVERRIDE,
    w0: 0x20010db8,
    w1: 0,
    w2: 0,
    w3: 0x80,
    macHigh: 0x0200,
    macLow: 0x000001fe,
  })
  const pseudo = checksum.pseudo6(v, 0, 58, ndp.LENGTH)
  icmpv6.setChecksum(v, 40, checksum.compute(v, 40, v.byteLength, pseudo))
  t.equal(toHex(new Uint8Array(v.buffer)), SCAPY.ADVERTISEMENT)
})

t.test('short messages and bad option lengths are not read past', async t => {
  const v = read()
  for (let end = 40; end < 64; end++) t.notOk(ndp.isValid(v, 40, end), `${end}`)
  for (let end = 64; end < 72; end++) {
    t.equal(ndp.linkLayerAt(v, 40, end, ndp.TARGET_LINK_LAYER), 0, `option within ${end}`)
  }
  v.setUint8(65, 0)
  t.equal(ndp.linkLayerAt(v, 40, 72, ndp.TARGET_LINK_LAYER), 0, 'length 0')
})
