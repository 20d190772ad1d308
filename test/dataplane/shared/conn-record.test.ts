import koffi from 'koffi'
import t from 'tap'
import { octetsFor, WORDS, wordsOf } from '../../../dataplane/shared/conn-record.js'

/** Large enough that the allocator takes whole pages for it, as it does for a real table. */
const RECORDS = 1 << 20

t.test('a record lies in two cache lines, not in three', async t => {
  const words = wordsOf(new SharedArrayBuffer(octetsFor(RECORDS)))
  t.equal(words.length, RECORDS * WORDS, 'room for exactly those records')
  t.equal(Number(BigInt(koffi.address(words)) % 128n), 0)
})
