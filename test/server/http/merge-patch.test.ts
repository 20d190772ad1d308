import t from 'tap'
import { mergePatch } from '../../../server/http/merge-patch.js'

// The example test cases of RFC 7396, appendix A, in its order: original, patch, result.
const cases: readonly [unknown, unknown, unknown][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]

for (const [original, patch, result] of cases) {
  t.test(`${JSON.stringify(original)} patched with ${JSON.stringify(patch)}`, async t => {
    const kept = structuredClone(original)
    t.strictSame(mergePatch(original, patch), result)
    t.strictSame(original, kept, 'the original is not touched')
  })
}

t.test('members named like properties of Object.prototype are data', async t => {
  const patch = JSON.parse('{"constructor": {"x": 1}, "__proto__": {"y": 2}}') as unknown
  const merged = mergePatch({}, patch) as object
  t.strictSame(Object.keys(merged), ['constructor', '__proto__'])
  t.equal(JSON.stringify(merged), '{"constructor":{"x":1},"__proto__":{"y":2}}')
  t.equal(Object.getPrototypeOf(merged), Object.prototype)
})
