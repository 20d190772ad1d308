/** Real servers that come to a maintenance that goes on. */
import type { Assignment } from './assignment.js'
import type { MaintenanceRecord } from '../repo/maintenances.js'

export interface Extension {
  record: MaintenanceRecord
  detail: { servers: string[] }
}

const TOLD_MAX = 100

/** Who joins which of them. */
export const extensionsOf = (
  active: readonly MaintenanceRecord[],
  assignments: readonly Assignment[],
): Extension[] =>
  active.flatMap(record => {
    const servers = assignments
      .filter(({ server, drain }) => !server.drain && drain?.maintenance === record.name)
      .map(({ service, server }) => `${service.name}/${server.name}`)
    return servers.length === 0 ? [] : [{ record, detail: { servers: servers.slice(0, TOLD_MAX) } }]
  })
