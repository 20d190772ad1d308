import t from 'tap'
import { HealthBook, type HealthState } from '../../../server/health/health-book.js'
import { standingOf, type Standing } from '../../../server/policy/standing.js'
import type { ServiceRecord } from '../../../server/repo/records.js'
import { DEFAULT_POLICY, type PolicyConfig } from '../../../server/schemas/policy.js'
import type { ServerConfig } from '../../../server/schemas/real-server.js'

const at = (seconds: number) => new Date(Date.UTC(2030, 0, 1) + seconds * 1000).toISOString()
const meta = { uid: 'u', revision: 1, createdAt: at(0), updatedAt: at(0) }

type Servers = Record<string, Partial<ServerConfig>>

function service(servers: Servers, policy: Partial<PolicyConfig>): ServiceRecord {
  return {
    ...{ name: 'web', meta, position: 1, family: 'ipv4' as const },
    config: { policy: { ...DEFAULT_POLICY, ...policy } } as ServiceRecord['config'],
    servers: Object.entries(servers).map(([name, config], position) => ({
      ...{ name, meta, position, stateSince: at(0) },
      config: { weight: 1, adminState: 'enabled', ...config } as ServerConfig,
    })),
  }
}

/** A service over time: each step says what becomes known, and answers how it stands then. */
function story(servers: Servers, policy: Partial<PolicyConfig> = {}) {
  const health = new HealthBook()
  let standing: Standing | null = null
  let seconds = 0
  let record = service(servers, policy)
  return {
    edit: (changed: Servers, changedPolicy: Partial<PolicyConfig> = policy) => {
      record = service(changed, changedPolicy)
    },
    step: (states: Record<string, HealthState> = {}, after = 1): Standing => {
      seconds += after
      const since = at(seconds)
      for (const [name, state] of Object.entries(states))
        health.set('web', name, { state, since, detail: null })
      standing = standingOf(record, standing, { health, now: since, nowMs: seconds * 1000 })
      return standing
    },
  }
}

const taking = ({ servers }: Standing): string =>
  [...servers].flatMap(([name, { taking }]) => (taking ? [name] : [])).join('')
const present = ({ servers }: Standing): string =>
  [...servers].flatMap(([name, { present }]) => (present ? [name] : [])).join('')

t.test('who is down takes nothing and is out of the dataplane, or inhibited', async t => {
  for (const inhibitOnFailure of [false, true]) {
    const { step } = story({ a: {}, b: {} }, { inhibitOnFailure })
    t.equal(taking(step({ a: 'unknown', b: 'up' })), 'ab', 'the benefit of the doubt')
    const down = step({ a: 'down' })
    t.equal(taking(down), 'b')
    t.equal(present(down), inhibitOnFailure ? 'ab' : 'b')
    t.equal(taking(step({ a: 'up' })), 'ab')
  }
})

// keepalived.conf(5): quorum 3, hysteresis 1; gained at 3+1, lost below 3-1.
t.test('a quorum is lost and gained with hysteresis, by the sum of weights', async t => {
  const { step } = story({ a: { weight: 2 }, b: {}, c: {} }, { quorum: { up: 4, down: 2 } })
  t.equal(step().quorum.held, true, 'weights 2, 1, 1')
  const third = step({ b: 'down', c: 'down' })
  t.equal(third.quorum.held, true, '2 is not less than 2')
  const lost = step({ a: 'down', b: 'up' })
  t.strictSame(lost.quorum, { held: false, since: at(3) }, '1 is')
  t.strictSame(step({ a: 'up' }).quorum, { held: false, since: at(3) }, '3 is not yet 4')
  t.strictSame(step({ c: 'up' }).quorum, { held: true, since: at(5) })
})

t.test('with nobody at all, a quorum is lost whatever its lower bound', async t => {
  const { step } = story({ a: {} }, { quorum: { up: 1, down: 1 } })
  t.equal(step().quorum.held, true)
  t.equal(step({ a: 'down' }).quorum.held, false)
})

t.test('what operators take away does not count either', async t => {
  const { step, edit } = story({ a: {}, b: {} }, { quorum: { up: 2, down: 2 } })
  t.equal(step().quorum.held, true)
  for (const change of [{ weight: 0 }, { adminState: 'draining' }, { adminState: 'disabled' }]) {
    edit({ a: {}, b: change as Partial<ServerConfig> })
    t.equal(step().quorum.held, false, JSON.stringify(change))
    edit({ a: {}, b: {} })
    t.equal(step().quorum.held, true)
  }
})

const sorryServer = { address: '10.0.0.9', port: 80, forwarding: 'masq', inhibit: false } as const

t.test('what holds while the quorum is lost', async t => {
  const quorum = { up: 2, down: 2 }
  const cases: [Partial<PolicyConfig>, string | null, string, string | undefined][] = [
    [{}, null, 'a', undefined],
    [{ sorryServer }, 'sorry', '', 'SORRY_SERVER'],
    [{ allDown: 'reject' }, 'reject', '', 'REJECTING'],
    [{ allDown: 'withdraw' }, 'withdraw', '', 'WITHDRAWN'],
    [{ allDown: 'failOpen' }, 'failOpen', 'ab', undefined],
  ]
  for (const [policy, fallback, who, closed] of cases) {
    const { step } = story({ a: {}, b: {}, c: { adminState: 'draining' } }, { quorum, ...policy })
    t.equal(step().fallback, null)
    const lost = step({ b: 'down' })
    t.equal(lost.fallback?.code ?? null, fallback)
    t.equal(taking(lost), who)
    t.equal(lost.servers.get('a')?.closed?.code, closed)
    t.equal(lost.servers.get('b')?.open?.code, fallback === 'failOpen' ? 'FAIL_OPEN' : undefined)
    const back = step({ b: 'up' })
    t.equal(back.fallback, null)
    t.equal(taking(back), 'ab')
  }
})

t.test('lower priorities take over group by group, and give back', async t => {
  const servers = {
    ...{ a: { priority: 20 }, b: { priority: 20 } },
    ...{ c: { priority: 10 }, d: {} },
  }
  const { step } = story(servers, { minimumActive: 2 })
  t.equal(taking(step()), 'ab')
  t.strictSame(step().servers.get('c')?.closed, { code: 'STANDBY', since: at(1) })
  const joined = step({ a: 'down' })
  t.equal(taking(joined), 'bc', 'the next group joins, the last one is not needed')
  t.equal(joined.priority, 10)
  t.equal(taking(step({ c: 'down' })), 'bd')
  t.equal(taking(step({ b: 'down' })), 'd', 'fewer than the minimum, but all that there are')
  t.equal(taking(step({ a: 'up', b: 'up' })), 'ab')
})

t.test('a ramp begins when a server returns or is new, not when nothing was known', async t => {
  const slowStart = { seconds: 10, startPercent: 20 }
  const { step, edit } = story({ a: {}, b: {} }, { slowStart })
  const ramps = ({ servers }: Standing) =>
    [...servers].flatMap(([name, { ramp }]) => (ramp === null ? [] : [`${name}@${ramp.startMs}`]))
  t.strictSame(ramps(step()), [], 'at the start nobody is a newcomer')
  step({ a: 'down' })
  t.strictSame(ramps(step({ a: 'up' })), ['a@3000'])
  t.strictSame(ramps(step({ b: 'up' })), ['a@3000'], 'known to be up is no return')
  edit({ a: {}, b: {}, c: {} })
  t.strictSame(ramps(step()), ['a@3000', 'c@5000'], 'added')
  edit({ a: {}, b: { adminState: 'draining' }, c: {} })
  step()
  edit({ a: {}, b: {}, c: {} })
  t.strictSame(ramps(step()), ['a@3000', 'b@7000', 'c@5000'], 'back from being drained')
  t.strictSame(ramps(step({ c: 'down' })), ['a@3000', 'b@7000'])
  t.strictSame(ramps(step({}, 20_000)), [], 'long over')
  edit({ a: {}, b: {}, c: {} }, {})
  t.strictSame(ramps(step({ c: 'up' })), [], 'without slow start')
})
