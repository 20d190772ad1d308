import t from 'tap'
import { RETRY_AFTER_MAX_MS, retryAfterMs } from '../../../server/webhooks/retry-after.js'

// The example of RFC 9110 section 5.6.7, 37 seconds before.
const NOW = Date.UTC(1994, 10, 6, 8, 49, 0)

t.test('seconds and dates, never too long', async t => {
  const cases: [string | undefined, number | null][] = [
    ['120', 120_000],
    [' 0 ', 0],
    ['999999999', RETRY_AFTER_MAX_MS],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 37_000],
    ['Sun, 06 Nov 1994 08:48:37 GMT', 0],
    ['Fri, 31 Dec 1999 23:59:59 GMT', RETRY_AFTER_MAX_MS],
    [undefined, null],
    ...['', '-1', '1.5', '1e3', '0x10', 'soon', '1994-11-06', 'Sun, 99 Nov 1994 08:49:37 GMT'].map(
      (text): [string, null] => [text, null],
    ),
    ['9'.repeat(400), null],
  ]
  for (const [text, ms] of cases) t.equal(retryAfterMs(text, NOW), ms, String(text).slice(0, 40))
})
