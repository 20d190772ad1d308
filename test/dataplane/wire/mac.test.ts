import t from 'tap'
import * as mac from '../../../dataplane/wire/mac.js'

t.test('there and back', async t => {
  for (const text of [
    '02:00:00:00:01:fe',
    'ff:ff:ff:ff:ff:ff',
    '00:00:00:00:00:00',
    '01:23:45:67:89:ab',
  ]) {
    const parsed = mac.parse(text)
    t.ok(parsed, text)
    t.equal(mac.format(parsed!.high, parsed!.low), text)
  }
  t.strictSame(mac.parse('02:AB:cd:EF:01:02'), { high: 0x02ab, low: 0xcdef0102 | 0 })
})

t.test('anything else is null', async t => {
  const wrong = ['', '02:00:00:00:00', '02:00:00:00:00:0', '02-00-00-00-00-01', '02:00:00:00:00:0g']
  for (const text of [...wrong, '02:00:00:00:00:001', '020:0:00:00:00:01', ' 2:00:00:00:00:01']) {
    t.equal(mac.parse(text), null, text)
  }
})
