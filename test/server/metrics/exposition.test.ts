import t from 'tap'
import {
  Exposition,
  labelsText,
  numberText,
  type Family,
} from '../../../server/metrics/exposition.js'
import { Histogram } from '../../../server/metrics/histogram.js'
import { OctetWriter, textOf } from '../../../server/metrics/octet-writer.js'

const requests: Family = { name: 'test_requests', type: 'counter', help: 'So "many".' }
const size: Family = { name: 'test_size_bytes', type: 'gauge', help: 'Octets.' }
const build: Family = { name: 'test_build', type: 'info', help: 'Which.' }

function write(format: 'prometheus' | 'openmetrics'): string {
  const out = new Exposition(format, 1700000000.5)
  out.each(requests, [
    [labelsText({ path: 'a\\b"c\nd' }), 1027],
    ['', 3],
  ])
  out.single(size, Infinity)
  out.single(build, 1, labelsText({ version: '1.0' }))
  const times = new Histogram('test_seconds', 'Times.', [0.5, 2])
  for (const value of [0.1, 0.5, 0.6, 3]) times.observe(value, 'k', { of: 'k' })
  times.collect(out)
  return out.octets().toString()
}

// What the two specifications say of the same four families: the label escapes of both, "_total" as
// part of the sample in one and of the name in the other, units, "_created", canonical bounds, the end.
t.test('Prometheus text 0.0.4', async t => {
  t.strictSame(write('prometheus').split('\n'), [
    "# HELP test_requests_total So 'many'.",
    '# TYPE test_requests_total counter',
    'test_requests_total{path="a\\\\b\\"c\\nd"} 1027',
    'test_requests_total 3',
    '# HELP test_size_bytes Octets.',
    '# TYPE test_size_bytes gauge',
    'test_size_bytes +Inf',
    '# HELP test_build_info Which.',
    '# TYPE test_build_info gauge',
    'test_build_info{version="1.0"} 1',
    '# HELP test_seconds Times.',
    '# TYPE test_seconds histogram',
    'test_seconds_bucket{of="k",le="0.5"} 2',
    'test_seconds_bucket{of="k",le="2.0"} 3',
    'test_seconds_bucket{of="k",le="+Inf"} 4',
    'test_seconds_sum{of="k"} 4.2',
    'test_seconds_count{of="k"} 4',
    '',
  ])
})

t.test('OpenMetrics 1.0', async t => {
  t.strictSame(write('openmetrics').split('\n'), [
    "# HELP test_requests So 'many'.",
    '# TYPE test_requests counter',
    'test_requests_total{path="a\\\\b\\"c\\nd"} 1027',
    'test_requests_created{path="a\\\\b\\"c\\nd"} 1700000000.5',
    'test_requests_total 3',
    'test_requests_created 1700000000.5',
    '# HELP test_size_bytes Octets.',
    '# TYPE test_size_bytes gauge',
    '# UNIT test_size_bytes bytes',
    'test_size_bytes +Inf',
    '# HELP test_build Which.',
    '# TYPE test_build info',
    'test_build_info{version="1.0"} 1',
    '# HELP test_seconds Times.',
    '# TYPE test_seconds histogram',
    '# UNIT test_seconds seconds',
    'test_seconds_bucket{of="k",le="0.5"} 2',
    'test_seconds_bucket{of="k",le="2.0"} 3',
    'test_seconds_bucket{of="k",le="+Inf"} 4',
    'test_seconds_sum{of="k"} 4.2',
    'test_seconds_count{of="k"} 4',
    'test_seconds_created{of="k"} 1700000000.5',
    '# EOF',
    '',
  ])
})

t.test('numbers are written as String writes them', async t => {
  const values = [0, 1, 9, 10, 99, 100, 999_999_999, 1e9, 1e9 + 1, 2 ** 31, 2 ** 32, 4_294_967_295]
  values.push(1e12, 123_456_789_012_345, 10 ** 15, 2 ** 53 - 1, -1, -1e9, -2_147_483_649)
  values.push(0.5, 1e21, 1 / 3)
  const words = ['', 'a', 'ab', 'abc', 'abcd', 'abcde']
  const out = new OctetWriter(1)
  const expected: string[] = []
  // More than the writer begins with, so that it grows.
  for (let round = 0; round < 200; round++)
    for (const [i, value] of values.entries()) {
      const word = words[i % words.length]!
      out.line(textOf(word), textOf(`{é="${i}"} `), value)
      expected.push(`${word}{é="${i}"} ${String(value)}\n`)
    }
  t.equal(out.octets().toString(), expected.join(''))
  t.strictSame([NaN, -Infinity, 1.5].map(numberText), ['NaN', '-Inf', '1.5'])
})

t.test('a histogram bounds how many series it tells apart', async t => {
  const times = new Histogram('test_seconds', 'Times.', [1])
  for (let i = 0; i < 6000; i++) times.observe(0.1, String(i), { of: String(i) })
  times.forget('0')
  const out = new Exposition('prometheus', 0)
  times.collect(out)
  const text = out.octets().toString()
  t.match(text, 'test_seconds_count{of="other"} 1000\n')
  t.notMatch(text, 'of="0"')
})
