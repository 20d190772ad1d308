/** Drains for real servers, and the records that they make. */
import type { DrainRecord, ServerRecord, ServiceRecord } from '../repo/records.js'

/** Where a drain is, or could be. */
export interface Place {
  service: ServiceRecord
  server: ServerRecord
}

/** Null: none. */
export interface Assignment extends Place {
  drain: DrainRecord | null
}

/** The services with other drains, each once. */
export function assigned(assignments: readonly Assignment[]) {
  const drains = new Map(assignments.map(({ server, drain }) => [server, drain]))
  const services = new Set(assignments.map(({ service }) => service))
  return [...services].map(before => {
    const servers = before.servers.map(server => {
      const drain = drains.get(server)
      if (drain === undefined) return server
      const after = { ...server }
      if (drain === null) delete after.drain
      else after.drain = drain
      return after
    })
    return { before, after: { ...before, servers } }
  })
}
