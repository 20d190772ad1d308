/** The document of a drain: what is asked for, and how far it has come. */
import { randomUUID } from 'node:crypto'
import type { Live } from './status.js'
import type { DrainRecord } from '../repo/records.js'
import { problemOf } from '../errors.js'
import { DrainRequest, type Drain } from '../schemas/drain.js'
import { faultsOf } from '../schemas/walk.js'

export interface DrainWish {
  deadlineSeconds: number
  onDeadline: 'keep' | 'reset'
}

/** Throws VALIDATION_FAILED with every fault. */
export function readDrain(body: unknown): DrainWish {
  const faults = faultsOf(DrainRequest, body)
  if (faults.length > 0) throw problemOf(faults)
  const { deadlineSeconds, onDeadline = 'keep' } = body as Partial<DrainWish>
  return { deadlineSeconds: deadlineSeconds!, onDeadline }
}

/**
 * The record of a drain that is asked for at `now`; one under way goes on from where it began.
 * `connections`: that the real server has; `open`: those of them that are not over.
 */
export function nextDrain(
  was: DrainRecord | undefined,
  { deadlineSeconds, onDeadline }: DrainWish,
  now: Date,
  { connections, open }: { connections: number; open: number },
): DrainRecord {
  const at = now.toISOString()
  const running = was !== undefined && was.endedAt === null
  const same = was?.deadlineSeconds === deadlineSeconds && was.onDeadline === onDeadline
  // What is drained need not be drained again.
  if (was !== undefined && same && (running || open === 0)) return was
  return {
    ...{ deadlineSeconds, onDeadline },
    startedAt: running ? was.startedAt : at,
    requestedAt: at,
    deadlineAt: new Date(now.getTime() + deadlineSeconds * 1000).toISOString(),
    connectionsAtStart: running ? was.connectionsAtStart : connections,
    ...{ endedAt: null, connectionsReset: null },
    ...(running ? idOf(was) : { operationId: randomUUID() }),
  }
}

const idOf = ({ operationId }: DrainRecord) => (operationId === undefined ? {} : { operationId })

export function drainView(
  record: DrainRecord,
  live: Pick<Live, 'activeConns' | 'inactConns' | 'persistConns'> & { overConns: number },
  now: Date,
): Drain {
  const { connectionsReset, ...rest } = record
  const connections = live.activeConns + live.inactConns
  return {
    deadlineSeconds: rest.deadlineSeconds,
    onDeadline: rest.onDeadline,
    status: {
      state: stateOf(record, connections - live.overConns, now),
      maintenance: rest.maintenance ?? null,
      startedAt: rest.startedAt,
      requestedAt: rest.requestedAt,
      deadlineAt: rest.deadlineAt,
      connectionsAtStart: rest.connectionsAtStart,
      connections,
      activeConns: live.activeConns,
      inactConns: live.inactConns,
      persistConns: live.persistConns,
      overConns: live.overConns,
      estimatedEndAt: estimate(record, connections - live.overConns, now),
      endedAt: rest.endedAt,
      connectionsReset,
    },
  }
}

function stateOf(
  { endedAt, deadlineAt, onDeadline }: DrainRecord,
  connections: number,
  now: Date,
): Drain['status']['state'] {
  if (connections === 0) return 'drained'
  if (endedAt === null && now < new Date(deadlineAt)) return 'draining'
  return endedAt === null && onDeadline === 'reset' ? 'resetting' : 'expired'
}

/** When the last connection will have gone, if they go on as they went since the start. */
function estimate(record: DrainRecord, connections: number, now: Date): string | null {
  if (connections === 0 || record.endedAt !== null) return null
  const gone = record.connectionsAtStart - connections
  const elapsedMs = now.getTime() - Date.parse(record.startedAt)
  const rest = gone > 0 && elapsedMs > 0 ? (connections * elapsedMs) / gone : Infinity
  const deadlineMs = record.onDeadline === 'reset' ? Date.parse(record.deadlineAt) : Infinity
  const endMs = Math.min(now.getTime() + rest, deadlineMs)
  // 9999: what a date can say.
  return endMs < Date.UTC(9999, 0) ? new Date(endMs).toISOString() : null
}
