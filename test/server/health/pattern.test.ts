import t from 'tap'
import {
  faultOfPattern,
  matcherOf,
  PATTERN_LENGTH_MAX,
  PATTERN_OCTETS_MAX,
} from '../../../server/health/pattern.js'
import type { Match } from '../../../server/health/check-spec.js'

const found = (match: Match, answer: string | Buffer) =>
  matcherOf(match).matches(Buffer.from(answer as string))

t.test('text, octets and patterns', async t => {
  t.ok(found({ kind: 'text', text: 'grün' }, 'alles grün hier'))
  t.notOk(found({ kind: 'text', text: 'grün' }, 'alles gruen'))
  t.ok(found({ kind: 'hex', hex: '00ff' }, Buffer.from([1, 0, 255, 2])))
  t.notOk(found({ kind: 'hex', hex: '00ff' }, Buffer.from([0, 1, 255])))
  for (const [pattern, yes, no] of [
    ['^HTTP', 'HTTP', ' HTTP'],
    ['"status": *"(ok|warn)"', '{"status":  "warn"}', '{"status": "fail"}'],
    ['[0-9]{3} ready$', '120 ready', '12 ready'],
    ['a.c', 'abc', 'a\nc'],
    ['\\bup\\b', 'it is up.', 'it is upset'],
  ] as const) {
    t.ok(found({ kind: 'pattern', pattern }, yes), `${pattern} is in ${yes}`)
    t.notOk(found({ kind: 'pattern', pattern }, no), `${pattern} is not in ${no}`)
  }
})

t.test('what has no linear time is refused with a reason', async t => {
  for (const pattern of ['(a)\\1', '(?=a)b', '(?<!a)b', 'a{1,1000}'])
    t.match(faultOfPattern(pattern), /linear time/, pattern)
  t.match(faultOfPattern('(a'), /Unterminated group/)
  t.match(faultOfPattern('a'.repeat(PATTERN_LENGTH_MAX + 1)), /257 characters, more than 256/)
  t.equal(faultOfPattern('^(a+)+$'), null)
  t.throws(() => matcherOf({ kind: 'pattern', pattern: '(a)\\1' }), /linear time/)
})

t.test('what hangs a backtracking engine for ever ends here', async t => {
  const answer = Buffer.from(`${'a'.repeat(PATTERN_OCTETS_MAX - 1)}b`)
  for (const pattern of ['^(a+)+$', '(a|a)*$c', '(a*)*c', '(.*.*.*)=', '^(([a-z])+.)+[A-Z]$'])
    t.equal(matcherOf({ kind: 'pattern', pattern }).matches(answer), false, pattern)
})

t.test('what is linear but takes minutes is broken off, and the next search is well', async t => {
  const answer = Buffer.from(`${'a'.repeat(PATTERN_OCTETS_MAX - 1)}b`)
  const startMs = performance.now()
  for (const pattern of ['(?:.?){16}'.repeat(25) + '\\n', '(a*)*'.repeat(40) + 'c'])
    t.equal(matcherOf({ kind: 'pattern', pattern }).matches(answer), null, pattern)
  // The first alone takes two minutes where nothing else runs.
  t.ok(performance.now() - startMs < 30_000, 'soon')
  const hard = matcherOf({ kind: 'pattern', pattern: '(a*)*'.repeat(40) + 'c' })
  t.equal(hard.matches(answer), null, 'again')
  t.equal(hard.matches(Buffer.from('c')), true, 'the same on an easy answer')
  t.equal(matcherOf({ kind: 'pattern', pattern: 'a+b' }).matches(answer), true)
})
