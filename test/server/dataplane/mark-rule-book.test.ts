import t from 'tap'
import { MarkRuleBook } from '../../../server/dataplane/mark-rule-book.js'
import { readMarkRule } from '../../../server/documents/mark-rule-document.js'
import type { MarkRuleRecord } from '../../../server/repo/records.js'

function record(mark: number): MarkRuleRecord {
  const at = '2030-01-01T00:00:00.000Z'
  const config = readMarkRule('voice', { mark, addressFamily: 'ipv4', protocol: 'udp' }, () => null)
  return { name: 'voice', config, meta: { uid: 'u', revision: 1, createdAt: at, updatedAt: at } }
}

t.test(
  'what is planned is the very object that is put in force, whatever is tried meanwhile',
  t => {
    const book = new MarkRuleBook()
    const before = record(7)
    book.load([before])
    const change = [{ before, after: record(8) }]
    const planned = book.rules(change)
    t.match(book.imagined([{ before, after: record(9) }]), [{ mark: 9 }])
    t.equal(book.imagined(change), planned, 'the same rules are the same object')
    t.equal(book.rules(change), planned)
    book.apply(change)
    t.equal(book.rules(), planned)
    t.equal(book.imagined(), planned)
    t.end()
  },
)
