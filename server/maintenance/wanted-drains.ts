/**
 * The drains that there should be, of those that maintenances are about. A maintenance owns those
 * that it has begun. One that an operator began is never touched; a real server that several
 * maintenances select is drained by one of them, and by another one when that has ended.
 */
import type { Assignment, Place } from './assignment.js'
import { nextDrain } from '../documents/drain-document.js'
import type { MaintenanceRecord } from '../repo/maintenances.js'
import type { DrainRecord, ServerRecord, ServiceRecord } from '../repo/records.js'
import { isSelected } from './selection.js'

/** What changes for these services. `active`: maintenances that have begun, the longest first. */
export function wantedDrains(
  services: Iterable<ServiceRecord>,
  active: readonly MaintenanceRecord[],
  now: Date,
  connectionsOf: (place: Place) => number,
): Assignment[] {
  const changes: Assignment[] = []
  for (const service of services)
    for (const server of service.servers) {
      const drain = drainOf(server, active, now, () => connectionsOf({ service, server }))
      if (drain !== (server.drain ?? null)) changes.push({ service, server, drain })
    }
  return changes
}

/** The drain itself where it stays as it is. */
export function drainOf(
  server: ServerRecord,
  active: readonly MaintenanceRecord[],
  now: Date,
  connections: () => number,
): DrainRecord | null {
  const { drain = null, config } = server
  if (drain !== null && drain.maintenance === undefined) return drain
  // What is disabled has no traffic; enabled again, it is drained again.
  if (config.adminState === 'disabled') return null
  const owners = active.filter(({ spec }) => isSelected(spec.selector, server))
  const owner = owners.find(({ name }) => name === drain?.maintenance) ?? owners[0]
  if (owner === undefined) return null
  const { name: maintenance, spec } = owner
  const isAsWanted =
    drain?.deadlineSeconds === spec.deadlineSeconds && drain.onDeadline === spec.onDeadline
  if (drain !== null && isAsWanted)
    return drain.maintenance === maintenance ? drain : { ...drain, maintenance }
  const count = connections()
  const counts = { connections: count, open: count }
  return { ...nextDrain(drain ?? undefined, spec, now, counts), maintenance }
}
