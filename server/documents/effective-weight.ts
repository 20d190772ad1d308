/**
 * The one derivation of the weight that schedulers see. What an operator configured, what state he
 * put the server into, a drain that is under way, its health, what its service's policy makes of it,
 * a slow start: each is an input that only has its own say, and nothing but this ever makes a weight
 * of them. Another input is one more entry of INPUTS, and whatever it looks at one more field of
 * `Weighed`.
 */
import { rampShare, type ServerStanding } from '../policy/standing.js'
import type { ServerRecord } from '../repo/records.js'
import type { Reason } from '../schemas/common.js'

/** What the inputs look at. */
export type Weighed = Pick<ServerRecord, 'config' | 'stateSince'> & {
  drain?: ServerRecord['drain'] | undefined
  standing?: ServerStanding | undefined
}

/** An input's say: what part of the configured weight it leaves, 0 to 1, and why. */
interface Say {
  share: number
  reason: Reason
}

/** Null: nothing to say. `nowMs` is monotonic. */
type Input = (server: Weighed, nowMs: number) => Say | null

const adminState: Input = ({ config, stateSince: since }) => {
  if (config.adminState === 'enabled') return null
  const code = config.adminState === 'disabled' ? 'ADMIN_DISABLED' : 'ADMIN_DRAINING'
  return { share: 0, reason: { code, since } }
}

const drain: Input = ({ drain }) => {
  if (drain === undefined) return null
  const { startedAt: since, maintenance } = drain
  if (maintenance === undefined) return { share: 0, reason: { code: 'DRAIN', since } }
  const detail = `Maintenance '${maintenance}'.`
  return { share: 0, reason: { code: 'MAINTENANCE', since, detail } }
}

const configuredWeight: Input = ({ config, stateSince: since }) =>
  config.weight > 0 ? null : { share: 0, reason: { code: 'WEIGHT_ZERO', since } }

/** One of which nothing is known yet is given the benefit of the doubt. */
const health: Input = ({ standing }) => {
  const found = standing?.health
  if (found === undefined || found.state === 'up') return null
  const { since, detail } = found
  if (found.state === 'unknown') return { share: 1, reason: { code: 'HEALTH_UNKNOWN', since } }
  const reason = { code: 'HEALTH_DOWN', since, ...(detail === null ? {} : { detail }) }
  return { share: standing!.open === null ? 0 : 1, reason }
}

const failOpen: Input = ({ standing }) =>
  standing?.open ? { share: 1, reason: { ...standing.open } } : null

const closed: Input = ({ standing }) =>
  standing?.closed ? { share: 0, reason: { ...standing.closed } } : null

/** The dataplane follows the ramp by its own clock; here it is told. */
const slowStart: Input = ({ standing }, nowMs) => {
  const ramp = standing?.ramp
  const share = ramp ? rampShare(ramp, nowMs) : 1
  return share >= 1 ? null : { share, reason: { code: 'SLOW_START', since: ramp!.startedAt } }
}

const INPUTS: readonly Input[] = [adminState, drain, configuredWeight, health, failOpen, closed]

export interface Derived {
  weight: number
  /** Why it is not the configured one, or why that is 0, or may soon be; empty otherwise. */
  reasons: Reason[]
}

/** As it is at `nowMs`, a slow start included. */
export const deriveWeight = (server: Weighed, nowMs: number): Derived =>
  derive(server, [...INPUTS, slowStart], nowMs)

/** Without the slow start: what the dataplane is told, which bounds newcomers by itself. */
export const restingWeight = (server: Weighed): number => derive(server, INPUTS, 0).weight

function derive(server: Weighed, inputs: readonly Input[], nowMs: number): Derived {
  const says = inputs.map(input => input(server, nowMs)).filter(say => say !== null)
  const share = says.reduce((product, say) => product * say.share, 1)
  const weight = Math.round(server.config.weight * share)
  return {
    // Who may have some connections gets at least the smallest part of them.
    weight: share > 0 && server.config.weight > 0 ? Math.max(1, weight) : weight,
    reasons: says.map(say => say.reason),
  }
}
