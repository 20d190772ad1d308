// RFC 9112's own examples, in pieces of every size, and what a hostile server may send instead.
import t from 'tap'
import { HEAD_OCTETS_MAX, HttpReader } from '../../../../server/health/probes/http-reader.js'

interface Read {
  status?: number
  headers?: Record<string, string>
  body?: string
  whole?: boolean
  fault?: string
}

/** What comes out of an answer that arrives in pieces of that many octets. */
function read(text: string, piece = text.length, { max = 1000, headOnly = false } = {}): Read {
  const got: Read = {}
  const reader = new HttpReader({
    ...{ headOnly, bodyOctetsMax: max },
    onHead: ({ status, headers }) => {
      Object.assign(got, { status, headers: Object.fromEntries(headers) })
      return true
    },
    onBody: (body, whole) => Object.assign(got, { body: body.toString('latin1'), whole }),
    onFault: (reason, detail) => {
      got.fault = `${reason}: ${detail}`
    },
  })
  const octets = Buffer.from(text, 'latin1')
  for (let at = 0; at < octets.length; at += piece) reader.push(octets.subarray(at, at + piece))
  reader.end()
  return got
}

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`

const answers: readonly (readonly [what: string, text: string, want: Read])[] = [
  ['a length', `${OK}Content-Length: 5\r\n\r\nhello`, { status: 200, body: 'hello', whole: true }],
  ['more than its length', `${OK}Content-Length: 5\r\n\r\nhello, you`, { body: 'hello' }],
  ['until the end', `${OK}\r\nhello`, { status: 200, body: 'hello', whole: true }],
  ['HTTP/1.0', 'HTTP/1.0 404 Not Found\r\n\r\ngone', { status: 404, body: 'gone' }],
  ['no reason phrase', 'HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n', { status: 503, body: '' }],
  [
    'chunks, an extension, a trailer (RFC 9112 section 7.1)',
    `${CHUNKED}4\r\nWiki\r\n5;a=b\r\npedia\r\n0\r\nExpires: never\r\n\r\n`,
    { body: 'Wikipedia', whole: true },
  ],
  [
    'interim answers',
    `HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${OK}\r\nlast`,
    { status: 200, body: 'last' },
  ],
  ['no body by its status', 'HTTP/1.1 204 No Content\r\nX: y\r\n\r\n', { status: 204, body: '' }],
  [
    'headers twice, in odd shapes',
    `${OK}A:1\r\na: \t2 \r\nContent-Length: 0\r\n\r\n`,
    { headers: { a: '1, 2', 'content-length': '0' } },
  ],
]
for (const [what, text, want] of answers)
  t.test(what, async t => {
    for (const piece of [1, 2, 3, 5, 8, 13, 21, 34, text.length]) t.match(read(text, piece), want)
  })

t.test('a HEAD request has no body', async t => {
  t.match(read(`${OK}Content-Length: 500\r\n\r\n`, 7, { headOnly: true }), {
    body: '',
    whole: true,
  })
})

t.test('a body is cut where reading ends', async t => {
  const long = 'x'.repeat(2000)
  for (const text of [`${OK}\r\n${long}`, `${CHUNKED}7d0\r\n${long}\r\n0\r\n\r\n`])
    for (const piece of [1, 100, 5000]) {
      const { body, whole } = read(text, piece)
      t.equal(body!.length, 1000)
      t.equal(whole, false)
    }
})

const faults: readonly (readonly [what: string, text: string, fault: RegExp])[] = [
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', /^protocol: The answer is not HTTP/],
  ['a future version', 'HTTP/2 200\r\n\r\n', /^protocol: .*status line/],
  ['an odd status', 'HTTP/1.1 0200 OK\r\n\r\n', /^protocol: .*status line/],
  ['a space before the colon', `${OK}A : b\r\n\r\n`, /^protocol: A line among the headers/],
  ['a folded line', `${OK}A: b\r\n c\r\n\r\n`, /^protocol: A line among the headers/],
  [
    'a negative length',
    `${OK}Content-Length: -1\r\n\r\n`,
    /^protocol: Content-Length is no number/,
  ],
  ['two lengths', `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, /Content-Length is no/],
  [
    'both framings',
    `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    /^protocol: .*both a length/,
  ],
  ['another coding', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`, /^protocol: .*not chunked/],
  ['a size that is none', `${CHUNKED}0x5\r\nhello\r\n`, /^protocol: The size of a chunk/],
  ['a huge size', `${CHUNKED}fffffffff\r\nhello`, /^protocol: The size of a chunk/],
  ['a chunk too long', `${CHUNKED}2\r\nhello\r\n`, /^protocol: A chunk is longer/],
  ['an endless size line', `${CHUNKED}${'0'.repeat(5000)}`, /^protocol: A line between the chunks/],
  ['an endless trailer', `${CHUNKED}0\r\n${'a: b\r\n'.repeat(1000)}`, /^oversize: The trailer/],
  ['nothing', '', /^closed: .*before its answer was whole/],
  ['half a head', `${OK}A: b`, /^closed: .*before its answer was whole/],
  ['half a body', `${OK}Content-Length: 5\r\n\r\nhel`, /^closed: .*within the body/],
  ['half a chunk', `${CHUNKED}5\r\nhel`, /^closed: .*within the body/],
  [
    'an endless line of headers',
    `${OK}A: ${'b'.repeat(HEAD_OCTETS_MAX)}`,
    /^oversize: The headers are longer/,
  ],
  ['endless headers', `${OK}${'A: b\r\n'.repeat(HEAD_OCTETS_MAX / 6)}`, /^oversize: The headers/],
  [
    'endless interim answers',
    'HTTP/1.1 100 Continue\r\n\r\n'.repeat(HEAD_OCTETS_MAX / 20),
    /^oversize: The headers/,
  ],
  [
    'nothing but framing',
    `${CHUNKED}${`1;${'x'.repeat(4000)}\r\ny\r\n`.repeat(40)}`,
    /^oversize: The answer is mostly framing/,
  ],
]
for (const [what, text, fault] of faults)
  t.test(what, async t => {
    for (const piece of [3, 1400, 65_536]) {
      const got = read(text, piece)
      t.match(got.fault, fault)
      t.equal(got.body, undefined)
    }
  })
