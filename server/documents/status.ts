/** The derived half of a document: status words are Octavia's, reasons say why. */
import { Col, readRows, sumOf, type Statistics } from '../../dataplane/shared/statistics.js'
import { deriveWeight } from './effective-weight.js'
import type { ServerHealth } from '../health/health-book.js'
import { policyOf, type ServerStanding, type Standing } from '../policy/standing.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import type { OperatingStatus, RealServerStatus, Reason, Status } from '../schemas/common.js'

export interface Live {
  statistics: Statistics
  activeConns: number
  inactConns: number
  persistConns: number
  overloaded: boolean
}

/** Reads one row of every worker's memory; `row` null: the dataplane does not have it. */
export function readLive(memories: readonly Float64Array[], row: number | null): Live {
  // Row 0 is never given out and stays zero.
  const total = (column: number) => sumOf(memories, row ?? 0, column)
  // Active ones before and after: whoever moves meanwhile is seen on one side at least, so that
  // nobody who is open is missed by a drain.
  const before = total(Col.activeConns)
  const inactConns = total(Col.inactConns)
  const activeConns = Math.max(before, total(Col.activeConns))
  return {
    statistics: readRows(memories, row ?? 0),
    activeConns,
    inactConns,
    persistConns: total(Col.persistConns),
    overloaded: total(Col.overloaded) !== 0,
  }
}

/** `health`: as it is known now, null when nothing checks it. `nowMs`: monotonic. */
export function serverStatus(
  server: ServerRecord,
  standing: ServerStanding,
  health: ServerHealth | null,
  row: number | null,
  live: Live,
  nowMs: number,
) {
  const { weight, reasons } = deriveWeight({ ...server, standing }, nowMs)
  if (standing.present && row === null) reasons.push({ code: 'NOT_APPLIED' })
  if (live.overloaded) reasons.push({ code: 'OVERLOADED' })
  const status: RealServerStatus = {
    operatingStatus: serverWord(reasons, standing),
    reasons,
    effectiveWeight: weight,
    health,
    activeConns: live.activeConns,
    inactConns: live.inactConns,
    persistConns: live.persistConns,
    statistics: live.statistics,
  }
  return status
}

const DRAINING = ['ADMIN_DRAINING', 'DRAIN', 'MAINTENANCE', 'WEIGHT_ZERO']

function serverWord(reasons: readonly Reason[], { health }: ServerStanding): OperatingStatus {
  const has = (code: string) => reasons.some(reason => reason.code === code)
  if (has('ADMIN_DISABLED')) return 'OFFLINE'
  if (has('NOT_APPLIED') || has('HEALTH_DOWN')) return 'ERROR'
  if (DRAINING.some(has)) return 'DRAINING'
  if (has('OVERLOADED')) return 'DEGRADED'
  // Unless something checks its health, nobody can say that it is online.
  return health?.state === 'up' ? 'ONLINE' : 'NO_MONITOR'
}

/** `trouble` is why host or dataplane do not have the service, if so. */
export function serviceStatus(
  service: ServiceRecord,
  standing: Standing,
  servers: readonly RealServerStatus[],
  row: number | null,
  live: Live,
  trouble: string | null,
): Status {
  const usable = servers.filter(server => ['ONLINE', 'NO_MONITOR'].includes(server.operatingStatus))
  const reasons: Reason[] = []
  if (row === null) reasons.push({ code: 'NOT_APPLIED' })
  if (trouble !== null) reasons.push({ code: trouble })
  if (servers.length === 0) reasons.push({ code: 'NO_REAL_SERVER' })
  else if (usable.length === 0) reasons.push({ code: 'NO_USABLE_REAL_SERVER' })
  reasons.push(...policyReasons(service, standing, usable.length))
  const degraded = servers.some(server => ['ERROR', 'DEGRADED'].includes(server.operatingStatus))
  if (degraded && usable.length > 0) reasons.push({ code: 'REAL_SERVER_DEGRADED' })
  const sum = (column: 'activeConns' | 'inactConns' | 'persistConns') =>
    servers.reduce((total, server) => total + server[column], 0)
  const word = row === null || trouble !== null ? 'ERROR' : wordOf(standing, usable.length)
  return {
    operatingStatus: word ?? (degraded ? 'DEGRADED' : 'ONLINE'),
    reasons,
    // The dataplane counts these for real servers; a service has the sum.
    activeConns: sum('activeConns'),
    inactConns: sum('inactConns'),
    persistConns: sum('persistConns'),
    statistics: live.statistics,
  }
}

const FALLBACKS = {
  failOpen: 'FAIL_OPEN',
  sorry: 'SORRY_SERVER',
  reject: 'REJECTING',
  withdraw: 'WITHDRAWN',
} as const

function policyReasons(service: ServiceRecord, standing: Standing, usable: number): Reason[] {
  const { quorum, fallback, priority } = standing
  const policy = policyOf(service)
  const reasons: Reason[] = []
  if (!quorum.held && (policy.quorum !== undefined || fallback !== null))
    reasons.push({ code: 'QUORUM_LOST', since: quorum.since })
  if (fallback !== null) reasons.push({ code: FALLBACKS[fallback.code], since: fallback.since })
  if (usable < policy.minimumUsable && policy.minimumUsable > 1)
    reasons.push({ code: 'BELOW_MINIMUM' })
  const highest = Math.max(0, ...service.servers.map(({ config }) => config.priority ?? 0))
  if (usable > 0 && priority < highest) reasons.push({ code: 'FAILOVER' })
  return reasons
}

/** Null: as its real servers are. */
function wordOf({ quorum, fallback }: Standing, usable: number): OperatingStatus | null {
  if (fallback?.code === 'failOpen' || fallback?.code === 'sorry') return 'DEGRADED'
  if (fallback !== null || usable === 0) return 'OFFLINE'
  return quorum.held ? null : 'DEGRADED'
}
