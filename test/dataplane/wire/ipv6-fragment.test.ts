import t from 'tap'
import * as fragment from '../../../dataplane/wire/ipv6-fragment.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const v = new DataView(fromHex(SCAPY.FRAGMENT6).buffer)

t.test('reads the header that scapy wrote', async t => {
  t.equal(fragment.nextHeader(v, 40), 17)
  t.equal(fragment.fragmentOffset(v, 40), 185 * 8)
  t.ok(fragment.moreFragments(v, 40))
  t.equal(fragment.offsetFlags(v, 40), (185 << 3) | fragment.MORE)
  t.equal(fragment.identification(v, 40), 0x89abcdef | 0)
  t.ok(fragment.isValid(v, 40, 48))
  t.notOk(fragment.isValid(v, 40, 47))
})

t.test('writes the same header over rubbish', async t => {
  const bytes = new Uint8Array(10).fill(0xa5)
  fragment.write(new DataView(bytes.buffer), 1, 17, 1480 | fragment.MORE, 0x89abcdef)
  t.equal(toHex(bytes), `a5${SCAPY.FRAGMENT6.slice(80, 96)}a5`)
})
