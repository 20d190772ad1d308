/**
 * How a virtual service stands: who of its real servers may take connections as things are, whether
 * it has its quorum, and what holds when it has not. Worked out of configuration, health and what it
 * was before (hysteresis, ramps); nothing here has an effect by itself.
 */
import type { HealthBook, ServerHealth } from '../health/health-book.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import { DEFAULT_POLICY, type AllDown, type PolicyConfig } from '../schemas/policy.js'

/** Something that holds, and since when (ISO 8601). */
export interface Held<T> {
  code: T
  since: string
}

/** Why real servers that could take connections get none. */
export type Closed = 'STANDBY' | 'SORRY_SERVER' | 'REJECTING' | 'WITHDRAWN'

export interface Ramp {
  /** ISO 8601: what it is known by, and where it goes on after a restart. */
  startedAt: string
  /** The same on the monotonic clock of this process. */
  startMs: number
  durationMs: number
  /** Of its fair share, what it begins with; 0 to 1. */
  startShare: number
}

export interface ServerStanding {
  /** Undefined: nothing checks it. */
  health: ServerHealth | undefined
  /** Enabled, with a weight, not being drained, not known to be down: counts for quorum and groups. */
  usable: boolean
  /** Takes connections in spite of its health, because nobody else could. */
  open: Held<'FAIL_OPEN'> | null
  closed: Held<Closed> | null
  /** Whether it takes connections. */
  taking: boolean
  /** Whether it is in the dataplane. */
  present: boolean
  ramp: Ramp | null
}

export interface Standing {
  quorum: { held: boolean; since: string }
  /** What holds instead, while the quorum is lost. */
  fallback: Held<AllDown> | null
  /** Real servers of this priority and above take connections. */
  priority: number
  servers: ReadonlyMap<string, ServerStanding>
  /** False: those that are missing take connections as they always did (standing-document.ts). */
  knowsAll: boolean
}

export interface Circumstances {
  health: Pick<HealthBook, 'get'>
  /** Wall clock, for people. */
  now: string
  /** Monotonic. */
  nowMs: number
}

/** After so many times its length a ramp has done what it could, and is forgotten. */
const RAMP_TAIL = 1000

const CLOSED: Partial<Record<AllDown, Closed>> = {
  sorry: 'SORRY_SERVER',
  reject: 'REJECTING',
  withdraw: 'WITHDRAWN',
}

export const policyOf = ({ config }: Pick<ServiceRecord, 'config'>): PolicyConfig =>
  config.policy ?? DEFAULT_POLICY

/** `previous` null: nothing is known of before, and nothing is a newcomer. */
export function standingOf(
  service: ServiceRecord,
  previous: Standing | null,
  circumstances: Circumstances,
): Standing {
  const policy = policyOf(service)
  const { now } = circumstances
  const healths = new Map(
    service.servers.map(({ name }) => [name, circumstances.health.get(service.name, name)]),
  )
  const usable = service.servers.filter(server => isUsable(server, healths.get(server.name)))
  const quorum = nextQuorum(policy, usable, previous, now)
  const fallback = quorum.held ? null : fallbackOf(policy, previous, now)
  const priority = priorityInUse(usable, policy.minimumActive)
  const around = { policy, fallback, priority, ...circumstances }
  const servers = service.servers.map(server => {
    const was = previous?.servers.get(server.name) ?? (previous?.knowsAll === true ? NEW : null)
    return [server.name, serverStanding(server, healths.get(server.name), was, around)] as const
  })
  return { quorum, fallback, priority, servers: new Map(servers), knowsAll: true }
}

/** What a real server was that has not been there before. */
const NEW = { closed: null, open: null, taking: false, ramp: null }
type Before = Pick<ServerStanding, 'closed' | 'open' | 'taking' | 'ramp'>

interface Around extends Circumstances {
  policy: PolicyConfig
  fallback: Standing['fallback']
  priority: number
}

function serverStanding(
  server: ServerRecord,
  health: ServerHealth | undefined,
  was: Before | null,
  around: Around,
): ServerStanding {
  const { policy, fallback, now } = around
  const usable = isUsable(server, health)
  const isDown = health?.state === 'down'
  const isOpen = fallback?.code === 'failOpen' && isWanted(server)
  const open = isOpen && isDown ? (was?.open ?? { code: 'FAIL_OPEN', since: now }) : null
  const code = isOpen || !usable ? null : closedBy(server, around)
  const since = was?.closed?.code === code ? was?.closed?.since : undefined
  const taking = (usable || isOpen) && code === null
  return {
    health,
    usable,
    open,
    closed: code === null ? null : { code, since: since ?? now },
    taking,
    present:
      server.config.adminState !== 'disabled' && (!isDown || isOpen || policy.inhibitOnFailure),
    ramp: taking ? nextRamp(was, around) : null,
  }
}

function closedBy({ config }: ServerRecord, { fallback, priority }: Around): Closed | null {
  const closed = fallback === null ? undefined : CLOSED[fallback.code]
  if (closed !== undefined) return closed
  return (config.priority ?? 0) < priority ? 'STANDBY' : null
}

function nextRamp(was: Before | null, { policy, now, nowMs }: Around): Ramp | null {
  const { slowStart } = policy
  if (slowStart === undefined || was === null) return null
  const durationMs = slowStart.seconds * 1000
  const common = { durationMs, startShare: slowStart.startPercent / 100 }
  if (!was.taking) return { startedAt: now, startMs: nowMs, ...common }
  if (was.ramp === null || nowMs - was.ramp.startMs > RAMP_TAIL * durationMs) return null
  return { ...was.ramp, ...common }
}

/** As configured, health left aside. */
const isWanted = ({ config, drain }: ServerRecord): boolean =>
  config.adminState === 'enabled' && config.weight > 0 && drain === undefined

/** One of which nothing is known yet is given the benefit of the doubt. */
const isUsable = (server: ServerRecord, health: ServerHealth | undefined): boolean =>
  isWanted(server) && health?.state !== 'down'

/**
 * keepalived's update_quorum_state: lost below the lower bound and when there is nobody at all,
 * gained at the upper one, in between as it was. Configured weights count, so a ramp moves nothing.
 */
function nextQuorum(
  { quorum = { up: 1, down: 1 } }: PolicyConfig,
  usable: readonly ServerRecord[],
  previous: Standing | null,
  now: string,
): Standing['quorum'] {
  const sum = usable.reduce((total, { config }) => total + config.weight, 0)
  const before = previous?.quorum
  const held = before?.held === true ? sum > 0 && sum >= quorum.down : sum >= quorum.up
  return before?.held === held ? before : { held, since: now }
}

function fallbackOf(
  { allDown, sorryServer }: PolicyConfig,
  previous: Standing | null,
  now: string,
): Standing['fallback'] {
  const code = allDown ?? (sorryServer === undefined ? null : 'sorry')
  if (code === null) return null
  return previous?.fallback?.code === code ? previous.fallback : { code, since: now }
}

/** The highest that leaves enough; the lowest there is when none does. */
function priorityInUse(usable: readonly ServerRecord[], minimum: number): number {
  const priorities = usable.map(({ config }) => config.priority ?? 0).sort((a, b) => b - a)
  return priorities[Math.min(minimum, priorities.length) - 1] ?? 0
}

/** What part of its fair share a real server gets; grows beyond 1 after the ramp. */
export function rampShare({ startMs, durationMs, startShare }: Ramp, nowMs: number): number {
  return startShare + ((1 - startShare) * Math.max(0, nowMs - startMs)) / durationMs
}
