import t from 'tap'
import type { CheckState } from '../../../server/health/check-spec.js'
import { verdictOf } from '../../../server/health/verdict.js'

const NAMES: Readonly<Record<string, CheckState>> = { U: 'up', D: 'down', '?': 'unknown' }
const verdict = (states: string, required: number) =>
  verdictOf(
    [...states].map(letter => NAMES[letter]!),
    required,
  )

t.test('N of M', async t => {
  const cases: readonly (readonly [states: string, required: number, want: CheckState])[] = [
    ['U', 1, 'up'],
    ['D', 1, 'down'],
    ['?', 1, 'unknown'],
    ['UD', 1, 'up'],
    ['UD', 2, 'down'],
    ['U?', 1, 'up'],
    ['U?', 2, 'unknown'],
    ['D?', 2, 'down'],
    ['D?', 1, 'unknown'],
    ['UUD', 2, 'up'],
    ['U?D', 2, 'unknown'],
    ['UDD', 2, 'down'],
  ]
  for (const [states, required, want] of cases)
    t.equal(verdict(states, required), want, `${required} of ${states} is ${want}`)
})
