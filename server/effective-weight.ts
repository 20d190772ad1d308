/**
 * The one derivation of the weight that schedulers see. What an operator configured, what state he
 * put the server into, a drain that is under way: each is an input that only has its own say, and
 * nothing but this ever makes a weight of them. Another input (health, a slow start) is one more
 * entry of INPUTS, and whatever it looks at one more field of `Weighed`.
 */
import type { ServerRecord } from './repo/records.js'
import type { Reason } from './schemas/common.js'

/** What the inputs look at. */
export type Weighed = Pick<ServerRecord, 'config' | 'stateSince' | 'drain'>

/** An input's say: what part of the configured weight it leaves, 0 to 1, and why. */
interface Say {
  share: number
  reason: Reason
}

/** Null: nothing to say. */
type Input = (server: Weighed) => Say | null

const adminState: Input = ({ config, stateSince: since }) => {
  if (config.adminState === 'enabled') return null
  const code = config.adminState === 'disabled' ? 'ADMIN_DISABLED' : 'ADMIN_DRAINING'
  return { share: 0, reason: { code, since } }
}

const drain: Input = ({ drain }) =>
  drain === undefined ? null : { share: 0, reason: { code: 'DRAIN', since: drain.startedAt } }

const configuredWeight: Input = ({ config, stateSince: since }) =>
  config.weight > 0 ? null : { share: 0, reason: { code: 'WEIGHT_ZERO', since } }

const INPUTS: readonly Input[] = [adminState, drain, configuredWeight]

export interface Derived {
  weight: number
  /** Why it is not the configured one, or why that is 0; empty otherwise. */
  reasons: Reason[]
}

export function deriveWeight(server: Weighed): Derived {
  const says = INPUTS.map(input => input(server)).filter(say => say !== null)
  const share = says.reduce((product, say) => product * say.share, 1)
  const weight = Math.round(server.config.weight * share)
  return {
    // Who may have some connections gets at least the smallest part of them.
    weight: share > 0 && server.config.weight > 0 ? Math.max(1, weight) : weight,
    reasons: says.map(say => say.reason),
  }
}
