import fc from 'fast-check'
import t from 'tap'
import { faultOf } from '../../../server/http/json-text.js'
import { seed } from '../fixtures/seed.js'

const cases: readonly [text: string, line: number, column: number, detail: RegExp][] = [
  ['', 1, 1, /value, but the text ends/],
  ['{"a": 1,}', 1, 9, /field name/],
  ['{\n  "a": tru\n}', 2, 8, /Expected a value/],
  ['{"a" 1}', 1, 6, /':'/],
  ['[1 2]', 1, 4, /',' or ']'/],
  ['{"a": 1} x', 1, 10, /end of the document/],
  ['{"a": "b', 1, 7, /not closed/],
  ['{"a": "\\x"}', 1, 8, /escape/],
  ['{"a": "\t"}', 1, 8, /Control characters/],
  ['[01]', 1, 2, /Expected a value/],
  ["{'a': 1}", 1, 2, /double quotes/],
  ['[1,\r\n 2,\r\n nul]', 3, 2, /Expected a value/],
  ['[NaN]', 1, 2, /Expected a value/],
]
for (const [text, line, column, detail] of cases) {
  t.test(`${JSON.stringify(text)} is wrong at ${line}:${column}`, async t => {
    t.match(faultOf(text), { kind: 'syntax', line, column, detail })
    t.throws(() => JSON.parse(text) as unknown, 'and JSON.parse agrees')
  })
}

t.test('a field that appears twice is found where it does', async t => {
  const fault = faultOf('{"a": {"x": 1},\n "b": {"x": 1, "\\u0078": 2}}')
  t.match(fault, { kind: 'duplicate', line: 2, column: 16, name: 'x' })
  t.equal(faultOf('{"a": {"x": 1}, "b": {"x": 1}}'), null, 'not in two objects')
})

t.test('deep nesting is refused before anything recurses into it', async t => {
  t.match(faultOf('['.repeat(100_000)), { kind: 'syntax', detail: /deeper/ })
  t.equal(faultOf('['.repeat(20) + ']'.repeat(20)), null)
})

t.test('a megabyte of string is no trouble', async t => {
  t.equal(faultOf(JSON.stringify('é\\"\n'.repeat(250_000))), null)
})

const parses = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

t.test('accepts exactly what JSON.parse accepts', async t => {
  const broken = fc
    .tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.constantFrom(...'{}[]",:\\0-1.eE+ntu \n\u00e9'))
    .map(([text, at, mark]) => {
      const place = at % (text.length + 1)
      return text.slice(0, place) + mark + text.slice(place + (at % 2))
    })
  const accepts = fc.property(fc.oneof(fc.json({ maxDepth: 4 }), broken, fc.string()), text => {
    const fault = faultOf(text)
    return fault?.kind === 'duplicate' || (fault === null) === parses(text)
  })
  fc.assert(accepts, { seed: seed(t), numRuns: 3000 })
})
