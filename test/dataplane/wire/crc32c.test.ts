import t from 'tap'
import * as crc32c from '../../../dataplane/wire/crc32c.js'
import { slowCrc32c } from '../../fixtures/packets.js'
import { Random } from '../../fixtures/seed.js'

const crc = (bytes: Uint8Array) => crc32c.compute(new DataView(bytes.buffer), 0, bytes.length) >>> 0

t.test('the check value of the catalogue of CRC algorithms, and RFC 3720 appendix B.4', async t => {
  t.equal(crc(new TextEncoder().encode('123456789')), 0xe3069283)
  t.equal(crc(new Uint8Array(32)), 0x8a9136aa)
  t.equal(crc(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
  t.equal(crc(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e)
  t.equal(crc(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c)
  t.equal(crc(new Uint8Array()), 0)
})

t.test('eight octets a step equals one bit a step, at any length and alignment', async t => {
  const random = Random.of(t)
  const bytes = random.bytes(400)
  const v = new DataView(bytes.buffer)
  for (let i = 0; i < 200; i++) {
    const at = random.integer(0, 20)
    const end = at + random.integer(0, 300)
    const expected = slowCrc32c(bytes.subarray(at, end))
    if (crc32c.compute(v, at, end) !== expected) t.fail(`[${at}, ${end})`)
  }
  const state = crc32c.update(crc32c.INITIAL, v, 0, 7)
  t.equal(crc32c.zeros4(state), crc32c.update(state, new DataView(new ArrayBuffer(4)), 0, 4))
})
