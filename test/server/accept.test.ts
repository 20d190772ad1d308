// Examples of RFC 9110 section 12.5.1 and what follows from its text.
import t from 'tap'
import { preferred } from '../../server/accept.js'

const OFFERED = ['application/json', 'application/x-ndjson', 'text/plain'] as const

t.test('the form that the client prefers', async t => {
  for (const [accept, expected] of [
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['text/plain', 'text/plain'],
    ['TEXT/PLAIN; charset=utf-8', 'text/plain'],
    ['application/x-ndjson', 'application/x-ndjson'],
    ['application/json;q=0.5, text/plain;q=0.8', 'text/plain'],
    ['text/*;q=0.3, text/plain;q=0.7, application/*;q=0.4', 'text/plain'],
    ['text/plain;q=0, */*', 'application/json'],
    ['application/*', 'application/json'],
    ['application/json;q=0, application/*', 'application/x-ndjson'],
    ['image/png', 'application/json'],
    ['text/plain;q=x', 'application/json'],
    ['text/html, application/xhtml+xml, */*;q=0.8', 'application/json'],
  ] as const)
    t.equal(preferred(accept, OFFERED), expected, accept ?? 'none')
})
