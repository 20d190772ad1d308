/** What no client of good will sends: values, texts, headers, bytes. A seed says which. */
import type { Random } from '../fixtures/random.js'

export const pick = <T>(random: Random, all: readonly T[]): T => all[random(all.length)]!
export const chance = (random: Random, percent: number): boolean => random(100) < percent

const deep = (depth: number, leaf: unknown): unknown =>
  depth === 0 ? leaf : { a: [deep(depth - 1, leaf)] }

export const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, -0, 1, 0.5, 65535, 65536, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, -1e308],
  ...['', ' ', 'a', 'A', '-', 'web', '0', '1', 'null', 'true', 'NaN', '1e9', '0x10', '10.0.0.1'],
  ...['0.0.0.0', '255.255.255.255', '10.0.0.256', '010.0.0.1', '::', '::1', 'fe80::1%eth0'],
  ...['::ffff:10.0.0.1', '2001:db8::/129', '10.0.0.0/33', '10.0.0.1/24', '1.2.3.4:99999'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '../../etc/passwd', '%00', '$ref'],
  ...["' OR 1=1 --", '"; DROP TABLE virtual_services; --', '<script>', '${7*7}', '{{7*7}}'],
  ...['\u0000', '\u0001\u001b[2J', '\u202e', '\ud800', '\ufeff', '😀'.repeat(40), 'é', 'e\u0301'],
  ...['x'.repeat(64), 'x'.repeat(5000), '9'.repeat(400), 'a-'.repeat(31), '1-10000', '10-1'],
  ...[[], {}, [[]], [null], [{}], { a: 1 }, { length: 1 }, { constructor: { prototype: {} } }],
  ...[deep(20, 1), deep(300, null), Array.from({ length: 2000 }, () => 0)],
  Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, i])),
]

/** For paths, queries and cursors; as they stand behind percent-encoding. */
export const TEXTS: readonly string[] = [
  ...VALUES.filter(each => typeof each === 'string'),
  ...['%', '%zz', '%ff', '..', '.', '/', '//', '?', '#', '&a=b', '[]', ';', '\n', '\r\n', '+'],
  ...['eyJhIjoxfQ', 'bnVsbA', 'AAAA', '-1', '1.5', '99999999999999999999', '00', '1,2', 'web,x'],
  ...['created', '-name', '--name', 'text/plain', '2030-01-01T00:00:00Z', '2030-13-45T99:99:99Z'],
  ...['realServer', 'ipvsadm', 'keepalived', 'full', 'declared', 'replace', 'merge', '1970-01-01'],
]

/** Header values are octets to Node: what is beyond them it does not send. */
export const HEADERS: Readonly<Record<string, readonly string[]>> = {
  accept: [
    '',
    '*/*',
    'text/html',
    'application/yaml',
    'text/plain;q=x',
    'a'.repeat(3000),
    ',,,',
    'x/y/z',
  ],
  'if-match': [
    '*',
    '"0"',
    '"1", "2"',
    'W/"1"',
    '"',
    '""',
    'x',
    '"' + 'a'.repeat(4000) + '"',
    '"\xff"',
    ',',
  ],
  'if-none-match': ['*', '"1"', 'W/"1"', '"', ',,', '\x80'],
  'idempotency-key': ['', 'a', 'x'.repeat(255), 'x'.repeat(256), '\xff\xfe', '__proto__'],
  'config-message': ['', 'x'.repeat(512), 'x'.repeat(513), '\xe9', '%', '\t'],
  'x-request-id': ['', 'x'.repeat(2000), '\xff', 'a b', '{"a":1}'],
  'last-event-id': ['0', '-1', '99999999999', 'x', '1e3', ''],
  'content-encoding': ['gzip', 'br', 'identity', 'x'],
  authorization: ['Bearer', 'Bearer x', 'Basic YTpi', 'bearer sluice_' + 'x'.repeat(500), '\xff'],
  origin: ['null', 'http://evil.example'],
  'x-forwarded-for': ['127.0.0.1', '::1'],
  'x-http-method-override': ['DELETE'],
  cookie: ['a=b', '__proto__=x'],
  range: ['bytes=0-1'],
}

export const MEDIA_TYPES: readonly string[] = [
  ...['application/json', 'application/yaml', 'application/merge-patch+json', 'text/plain'],
  ...['application/json; charset=utf-16', 'application/x-www-form-urlencoded', 'text/yaml', 'x'],
  ...['multipart/form-data; boundary=x', 'application/octet-stream', 'application/json;charset="'],
]

/** Texts that are trouble for whoever reads JSON or YAML. */
export const BODIES: readonly (string | Buffer)[] = [
  ...[
    '',
    ' ',
    '{',
    '}',
    '[',
    '{"a":',
    'nul',
    'undefined',
    "{'a':1}",
    '{"a":1,}',
    '[1 2]',
    '"',
    '1',
  ],
  ...['{"a":1,"a":2}', '{"__proto__":{"x":1}}', '\ufeff{}', '{}\u0000', '1e999', '-', '{}{}'],
  ...['['.repeat(20_000), '{"a":'.repeat(20_000), '"' + '\\u0000'.repeat(1000) + '"', '"\\ud800"'],
  ...['a: [', 'a: b: c', '\ta: 1', '- a\nb: 1', 'a: &x [*x]', '&a [*a]', '*nobody', '<<: 1'],
  ...[
    'a: !!js/function x',
    '!!binary "="',
    '!<tag:x> y',
    '%YAML 9.9\n---\na',
    '--- a\n--- b',
    '? [a]\n: b',
  ],
  ...['a: 2001-01-01', 'yes: no', 'a: .nan', 'a: 0o17', 'virtualServices: {web: null}', '~: ~'],
  `a: &a [x]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [${'*a, '.repeat(20)}*a]`).join('\n')}`,
  ...[
    '-A -t',
    '-A -t 1.2.3.4:99999',
    '-a -t 1.1.1.1:1',
    '\u0000',
    'virtual_server {',
    '}}}}',
    '{'.repeat(9999),
  ],
  ...[
    'virtual_server 1.2.3.4 80 {\nreal_server',
    'include /etc/passwd',
    '$A=$A\n$A',
    '~SEQ(a,1,999999999)',
  ],
  ...[Buffer.from([0xff, 0xfe, 0x7b]), Buffer.from([0xc3, 0x28]), Buffer.from([0xed, 0xa0, 0x80])],
]

/** What is not even HTTP. */
export const WIRE: readonly string[] = [
  '\r\n\r\n',
  'GET\r\n\r\n',
  'GET / HTTP/9.9\r\n\r\n',
  'GET /v1/config HTTP/1.1\r\n\r\n',
  'GET /v1/config HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'G@T /v1/config HTTP/1.1\r\nHost: a\r\n\r\n',
  'TRACE /v1/config HTTP/1.1\r\nHost: a\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  `GET /${'a'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(5000)}\r\n`,
  'PUT /v1/config HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{}',
  'PUT /v1/config HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n{}',
  'PUT /v1/config HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'PUT /v1/config HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
  'PUT /v1/config HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n',
  'GET /v1/config HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n',
  'GET /v1/config HTTP/1.1\r\nHost: a\r\nExpect: x\r\nConnection: close\r\n\r\n',
  'GET /v1/events HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
]
