// Examples of RFC 9110 section 12.5.1 and what follows from its text.
import t from 'tap'
import { preferred } from '../../../server/http/accept.js'

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

t.test('a version tells forms apart', async t => {
  const offered = ['text/plain;version=2', 'text/plain;version=1', 'text/css'] as const
  for (const [accept, expected] of [
    ['text/plain', offered[0]],
    ['text/plain;version=1', offered[1]],
    ['text/plain; Version=1; charset=utf-8', offered[1]],
    ['text/plain;version=1;q=0.2, text/plain;version=2;q=0.1', offered[1]],
    ['text/plain;version=3, text/css;q=0.1', offered[2]],
    ['text/plain;version=3, text/*;q=0.5, text/css;q=0.1', offered[0]],
    ['text/plain;version=1;q=0, */*', offered[0]],
  ] as const)
    t.equal(preferred(accept, offered), expected, accept)
})
