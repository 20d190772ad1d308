/** How far a maintenance has come, as its document shows it. */
import type { DrainLive } from '../live/drain-figures.js'
import type { Place } from './assignment.js'
import { drainView } from '../documents/drain-document.js'
import type { MaintenanceRecord } from '../repo/maintenances.js'
import type {
  Maintenance,
  MaintenanceStatus,
  Member,
  Phase,
  Shortfall,
} from '../schemas/maintenance.js'
import { shortfallsText } from './shortfalls.js'

export function memberOf({ service, server }: Place, live: DrainLive, now: Date): Member {
  const connections = live.activeConns + live.inactConns
  const common = { service: service.name, server: server.name, connections }
  const { drain, config } = server
  if (drain === undefined || config.adminState === 'disabled')
    return {
      ...common,
      phase: config.adminState === 'disabled' ? 'disabled' : 'scheduled',
      ...{ maintenance: null, activeConns: live.activeConns, connectionsAtStart: connections },
      ...{ deadlineAt: null, estimatedEndAt: null, connectionsReset: null },
    }
  const { status } = drainView(drain, live, now)
  return {
    ...{ ...common, phase: status.state, maintenance: status.maintenance },
    activeConns: status.activeConns,
    connectionsAtStart: status.connectionsAtStart,
    deadlineAt: status.deadlineAt,
    estimatedEndAt: status.estimatedEndAt,
    connectionsReset: status.connectionsReset,
  }
}

const OVER: readonly Member['phase'][] = ['drained', 'disabled']

export function phaseOf({ stage }: MaintenanceRecord, members: readonly Member[]): Phase {
  if (stage !== 'active') return stage
  const open = members.filter(({ phase }) => !OVER.includes(phase))
  if (open.length === 0) return 'drained'
  return open.every(({ phase }) => phase === 'expired') ? 'expired' : 'draining'
}

function totalsOf(members: readonly Member[]): MaintenanceStatus['totals'] {
  const sum = (column: 'connections' | 'activeConns' | 'connectionsAtStart') =>
    members.reduce((total, member) => total + member[column], 0)
  const open = members.filter(({ phase }) => !OVER.includes(phase))
  const ends = open.map(({ estimatedEndAt }) => estimatedEndAt)
  return {
    services: new Set(members.map(({ service }) => service)).size,
    servers: members.length,
    drained: members.length - open.length,
    connections: sum('connections'),
    activeConns: sum('activeConns'),
    connectionsAtStart: sum('connectionsAtStart'),
    deadlineAt: latest(members.map(({ deadlineAt }) => deadlineAt)),
    // As long as nothing can be said of one, nothing can be of all.
    estimatedEndAt: ends.includes(null) ? null : latest(ends),
  }
}

const latest = (moments: readonly (string | null)[]): string | null =>
  moments.reduce((last, each) => (last === null || (each ?? '') > last ? each : last), null)

/** `shortfalls`: what is, or would be, in its way. */
export function maintenanceView(
  record: MaintenanceRecord,
  members: readonly Member[],
  shortfalls: readonly Shortfall[],
): Maintenance {
  const { name, spec, stage } = record
  return {
    ...{ name, ...spec },
    status: {
      phase: phaseOf(record, members),
      detail: detailOf(stage, spec.ignoreMinimum, shortfalls),
      ...{ createdAt: record.createdAt, updatedAt: record.updatedAt },
      ...{ startedAt: record.startedAt, endedAt: record.endedAt },
      belowMinimum: [...shortfalls],
      totals: totalsOf(members),
      members: [...members],
    },
  }
}

function detailOf(
  stage: MaintenanceRecord['stage'],
  ignoreMinimum: boolean,
  shortfalls: readonly Shortfall[],
): string | null {
  if (shortfalls.length === 0) return null
  const text = shortfallsText(shortfalls)
  if (stage === 'refused') return `It was refused: ${text}`
  return ignoreMinimum
    ? `It is not refused (ignoreMinimum), but ${text}`
    : `As things are it would be refused: ${text}`
}
