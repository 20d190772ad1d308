/** What becomes of the connections of a real server that has gone down: `policy.onDown`. */
import type { Logger } from 'pino'
import type { KillFilter, KillRequest } from '../../dataplane/protocol.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import { keyOf } from '../documents/service-key.js'
import { policyOf } from './standing.js'
import type { StandingChange } from './standings.js'

/** Real servers that have just gone down and lose what they have; not those that serve all the same. */
function lost({ service, before, after }: StandingChange): ServerRecord[] {
  if (before === null || after === null || policyOf(service).onDown === 'keep') return []
  return service.servers.filter(({ name }) => {
    const is = after.servers.get(name)
    if (is?.health?.state !== 'down' || is.open !== null) return false
    const was = before.servers.get(name)
    return was !== undefined && (was.health?.state !== 'down' || was.open !== null)
  })
}

/** By endpoint: it may be out of the dataplane already. */
function killsOf(service: ServiceRecord, { config }: ServerRecord): KillRequest[] {
  const { address, port } = config
  const realServer = { address, ...(port === 0 ? {} : { port }) }
  const filter: KillFilter = { service: keyOf(service), realServer }
  const common = { reset: true, dryRun: false }
  // Templates first, else a client that is reset comes back to where it was.
  const templates = { filter: { ...filter, template: true }, ...common }
  if (policyOf(service).onDown === 'reselect') return [templates, { filter, ...common }]
  const told = (['tcp', 'sctp'] as const).map(protocol => ({
    filter: { ...filter, protocol },
    ...common,
  }))
  return [templates, ...told]
}

export interface OnDownOptions {
  run: (kill: KillRequest) => Promise<{ connections: number }>
  logger: Logger
}

/** Resolves when all of them have been ended; others write meanwhile. */
export async function endLost(
  moved: readonly StandingChange[],
  { run, logger }: OnDownOptions,
): Promise<void> {
  for (const change of moved) {
    for (const server of lost(change)) {
      const where = { service: change.service.name, server: server.name }
      try {
        let connections = 0
        for (const kill of killsOf(change.service, server))
          connections += (await run(kill)).connections
        logger.info(
          { ...where, connections },
          'connections of a real server that is down were ended',
        )
      } catch (error) {
        logger.warn({ ...where, err: error }, 'connections of a real server could not be ended')
      }
    }
  }
}
