import t from 'tap'
import { Checker } from '../../../server/health/checker.js'
import type { RunResult } from '../../../server/health/run-result.js'
import { check } from '../../fixtures/health/checks.js'

const half = () => 0.5

/** `+` is a success, `-` a failure; what comes out is the state after each. */
function states(checker: Checker, results: string): string {
  const outcomes = [...results].map(each => (each === '+' ? 'success' : 'failure'))
  const letters = { up: 'U', down: 'D', unknown: '?' }
  return outcomes
    .map((outcome: RunResult['outcome']) => {
      checker.take(outcome)
      return letters[checker.state]
    })
    .join('')
}

t.test('rise and fall count results in a row', async t => {
  const checker = new Checker(check('tcp', { rise: 2, fall: 3 }), null, half)
  t.equal(checker.state, 'down')
  t.equal(states(checker, '+-++--+---+-++'), 'DDDUUUUUUDDDDU')
})

t.test('a check says when it changed', async t => {
  const checker = new Checker(check('tcp', { rise: 1, fall: 2 }), null, half)
  t.strictSame(
    (['success', 'success', 'failure', 'failure', 'failure'] as const).map(one =>
      checker.take(one),
    ),
    [true, false, false, true, false],
  )
})

t.test('initial states', async t => {
  const initial = (initialState: 'up' | 'down' | 'lastKnown', last: 'up' | 'down' | null) =>
    new Checker(check('tcp', { initialState, rise: 3, fall: 3 }), last, half)
  t.equal(initial('up', 'down').state, 'up')
  t.equal(initial('down', 'up').state, 'down')
  t.equal(initial('lastKnown', 'up').state, 'up')
  t.equal(initial('lastKnown', 'down').state, 'down')
  const unknown = initial('lastKnown', null)
  t.equal(unknown.state, 'unknown')
  t.equal(states(unknown, '-++-'), 'DDDD', 'the first result decides, then rise and fall count')
  t.equal(states(initial('up', null), '---'), 'UUD', 'an initial state is left as any other')
})

t.test('intervals go from start to start, retries follow the end of a failure', async t => {
  const spec = { intervalMs: 1000, jitterMs: 100, retryDelayMs: 200, fall: 3, rise: 1 }
  const checker = new Checker(check('tcp', { ...spec, initialState: 'up' }), null, half)
  checker.take('success')
  t.equal(checker.nextStartMs(10_000, 10_010), 10_550, 'the phase of the first interval, jitter')
  checker.take('success')
  t.equal(checker.nextStartMs(20_000, 20_010), 21_050, 'then whole intervals')
  t.equal(checker.nextStartMs(20_000, 29_000), 29_000, 'a run longer than its interval')
  checker.take('failure')
  t.equal(checker.nextStartMs(30_000, 30_700), 30_900, 'a retry')
  checker.take('failure')
  t.equal(checker.nextStartMs(30_000, 30_700), 30_900, 'another')
  checker.take('failure')
  t.equal(checker.state, 'down')
  t.equal(checker.nextStartMs(40_000, 40_700), 41_050, 'a check that is down has its interval')
})

t.test('many new checks start within a second and are soon spread evenly', async t => {
  const starts = Array.from({ length: 1000 }, (_, i) => {
    const randoms = [i / 1000, ((i * 7) % 1000) / 1000, 0]
    const spec = check('tcp', { intervalMs: 10_000, jitterMs: 0 })
    const checker = new Checker(spec, null, () => randoms.shift() ?? 0)
    const first = checker.firstDelayMs()
    return { first, second: checker.nextStartMs(first, first + 1) }
  })
  t.ok(Math.max(...starts.map(({ first }) => first)) < 1000)
  const perSecond = Array<number>(11).fill(0)
  for (const { second } of starts) perSecond[Math.floor(second / 1000)]!++
  t.ok(
    Math.max(...perSecond) < 130,
    `at most ${Math.max(...perSecond)} in one second, 100 in the mean`,
  )
})

t.test('a new schedule keeps the state', async t => {
  const checker = new Checker(check('tcp', { rise: 1, fall: 2 }), null, half)
  t.equal(states(checker, '+-'), 'UU')
  checker.adopt(check('tcp', { rise: 1, fall: 1 }))
  t.equal(checker.state, 'up')
  t.equal(checker.contrary, 0)
  t.equal(states(checker, '-'), 'D')
})
