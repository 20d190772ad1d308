import t from 'tap'
import { deriveWeight, restingWeight } from '../../../server/documents/effective-weight.js'
import type { ServerStanding } from '../../../server/policy/standing.js'
import type { DrainRecord } from '../../../server/repo/records.js'
import type { ServerConfig } from '../../../server/schemas/real-server.js'

const since = '2030-01-01T00:00:00.000Z'
const startedAt = '2030-01-02T00:00:00.000Z'
const drain: DrainRecord = {
  ...{ deadlineSeconds: 60, onDeadline: 'keep', startedAt, requestedAt: startedAt },
  deadlineAt: '2030-01-02T00:01:00.000Z',
  ...{ connectionsAtStart: 0, endedAt: null, connectionsReset: null },
}

/** Every combination of the inputs, and what the scheduler is to see. */
const cases: readonly [
  weight: number,
  adminState: ServerConfig['adminState'],
  drained: boolean,
  effective: number,
  reasons: string[],
][] = [
  [3, 'enabled', false, 3, []],
  [3, 'enabled', true, 0, ['DRAIN']],
  [3, 'draining', false, 0, ['ADMIN_DRAINING']],
  [3, 'draining', true, 0, ['ADMIN_DRAINING', 'DRAIN']],
  [3, 'disabled', false, 0, ['ADMIN_DISABLED']],
  [0, 'enabled', false, 0, ['WEIGHT_ZERO']],
  [0, 'enabled', true, 0, ['DRAIN', 'WEIGHT_ZERO']],
  [0, 'draining', false, 0, ['ADMIN_DRAINING', 'WEIGHT_ZERO']],
  [2147483647, 'enabled', false, 2147483647, []],
]

for (const [weight, adminState, drained, effective, codes] of cases) {
  t.test(`weight ${weight}, ${adminState}${drained ? ', drained' : ''}: ${effective}`, async t => {
    const config = { weight, adminState } as ServerConfig
    const server = { config, stateSince: since, ...(drained ? { drain } : {}) }
    const { weight: derived, reasons } = deriveWeight(server, 0)
    t.equal(derived, effective)
    const moments: Record<string, string> = { DRAIN: startedAt }
    t.strictSame(
      reasons,
      codes.map(code => ({ code, since: moments[code] ?? since })),
    )
    t.equal(config.weight, weight, 'what was configured stays')
  })
}

const standing = (given: Partial<ServerStanding>): ServerStanding => ({
  ...{ health: undefined, usable: true, open: null, closed: null, taking: true },
  ...{ present: true, ramp: null },
  ...given,
})
const ramp = { startedAt, startMs: 1000, durationMs: 10_000, startShare: 0.1 }

/** What health and policy say, at 6 s on the monotonic clock: a ramp is half way then. */
const standings: readonly [name: string, ServerStanding, effective: number, reasons: object[]][] = [
  ['up', standing({ health: { state: 'up', since, detail: null } }), 20, []],
  [
    'unknown',
    standing({ health: { state: 'unknown', since, detail: null } }),
    20,
    [{ code: 'HEALTH_UNKNOWN', since }],
  ],
  [
    'down',
    standing({ health: { state: 'down', since, detail: 'refused' } }),
    0,
    [{ code: 'HEALTH_DOWN', since, detail: 'refused' }],
  ],
  [
    'down, but nobody else could',
    standing({
      health: { state: 'down', since, detail: null },
      open: { code: 'FAIL_OPEN', since: startedAt },
    }),
    20,
    [
      { code: 'HEALTH_DOWN', since },
      { code: 'FAIL_OPEN', since: startedAt },
    ],
  ],
  ['standby', standing({ closed: { code: 'STANDBY', since } }), 0, [{ code: 'STANDBY', since }]],
  ['half way up', standing({ ramp }), 11, [{ code: 'SLOW_START', since: startedAt }]],
  ['all the way up', standing({ ramp: { ...ramp, durationMs: 5000 } }), 20, []],
]

for (const [name, given, effective, reasons] of standings) {
  t.test(name, async t => {
    const config = { weight: 20, adminState: 'enabled' } as ServerConfig
    const server = { config, stateSince: since, standing: given }
    t.strictSame(deriveWeight(server, 6000), { weight: effective, reasons })
    t.equal(restingWeight(server), given.ramp ? 20 : effective, 'ramps are the dataplane’s')
  })
}
