// What the journal is told of slow starts.
import t from 'tap'
import type { Occurrence } from '../../../server/journal/journal.js'
import { RampEvents } from '../../../server/policy/ramp-events.js'
import type { Ramp, ServerStanding, Standing } from '../../../server/policy/standing.js'
import type { StandingChange } from '../../../server/policy/standings.js'
import type { ServiceRecord } from '../../../server/repo/records.js'
import { ManualTimers } from '../../fixtures/manual-timers.js'

const service = { name: 'web', meta: { uid: '1' } } as ServiceRecord
const ramp = (startMs: number): Ramp => ({
  ...{ startedAt: `at ${startMs}`, startMs, durationMs: 30_000, startShare: 0.1 },
})
const standing = (a: Ramp | null): Standing => ({
  ...{ quorum: { held: true, since: '' }, fallback: null, priority: 0, knowsAll: true },
  servers: new Map([['a', { ramp: a } as ServerStanding]]),
})
const moved = (before: Standing | null, after: Standing | null): StandingChange[] => [
  { service, before, after },
]

function stage() {
  const timers = new ManualTimers()
  const told: string[] = []
  const record = ({ type, name, outcome, detail }: Occurrence) =>
    told.push(`${type} ${name} ${outcome} ${JSON.stringify(detail)}`)
  const events = new RampEvents({
    ...{ record, nowMs: () => timers.now() },
    after: (delayMs, work) => timers.after(delayMs, work),
  })
  return { timers, told, events }
}
const BEGAN = 'realServer.slowStartBegan web/a done {"seconds":30}'
const ENDED = 'realServer.slowStartEnded web/a done {"seconds":30}'

t.test('it begins and ends', async t => {
  const { timers, told, events } = stage()
  events.follow(moved(standing(null), standing(ramp(0))))
  t.strictSame(told, [BEGAN])
  timers.advance(10_000)
  events.follow(moved(standing(ramp(0)), standing(ramp(0))))
  t.strictSame(told, [BEGAN], 'once')
  timers.advance(19_999)
  t.equal(told.length, 1)
  timers.advance(1)
  t.strictSame(told, [BEGAN, ENDED])
  events.follow(moved(standing(ramp(0)), standing(ramp(0))))
  events.follow(moved(standing(ramp(0)), standing(null)))
  t.equal(told.length, 2, 'what is over is over')
})

t.test('it is broken off, and begins again', async t => {
  const { timers, told, events } = stage()
  events.follow(moved(standing(null), standing(ramp(0))))
  timers.advance(5000)
  events.follow(moved(standing(ramp(0)), standing(null)))
  t.match(told[1], /^realServer\.slowStartEnded web\/a failed/)
  timers.advance(5000)
  events.follow(moved(standing(null), standing(ramp(10_000))))
  timers.advance(30_000)
  t.strictSame(told.slice(2), [BEGAN, ENDED])
})

t.test('a restart goes on with it; a deletion ends it in silence; so does the end', async t => {
  const { timers, told, events } = stage()
  timers.advance(20_000)
  events.follow(moved(standing(ramp(0)), standing(ramp(0))))
  t.strictSame(told, [], 'its beginning was told before')
  timers.advance(10_000)
  t.strictSame(told, [ENDED])
  events.follow(moved(standing(null), standing(ramp(30_000))))
  events.follow(moved(standing(ramp(30_000)), null))
  t.equal(timers.count, 0)
  events.follow(moved(standing(null), standing(ramp(30_000))))
  events.stop()
  timers.advance(60_000)
  t.strictSame(told, [ENDED, BEGAN, BEGAN])
})
