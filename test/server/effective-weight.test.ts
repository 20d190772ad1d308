import t from 'tap'
import { deriveWeight } from '../../server/effective-weight.js'
import type { DrainRecord } from '../../server/repo/records.js'
import type { ServerConfig } from '../../server/schemas/real-server.js'

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
    const { weight: derived, reasons } = deriveWeight({
      ...{ config, stateSince: since },
      ...(drained ? { drain } : {}),
    })
    t.equal(derived, effective)
    const moments: Record<string, string> = { DRAIN: startedAt }
    t.strictSame(
      reasons,
      codes.map(code => ({ code, since: moments[code] ?? since })),
    )
    t.equal(config.weight, weight, 'what was configured stays')
  })
}
