/** DELETE /v1/connections: from the filters of the list to a kill. */
import type { KillFilter } from '../../dataplane/protocol.js'
import { badParameter, parseFlow, type ConnectionQuery } from '../live/connections.js'
import { OpRefused } from '../dataplane/dataplane-client.js'
import { Problem } from '../errors.js'
import type { Killed, KillRunner } from '../live/kill-runner.js'
import type { StandingSource } from '../change/plan.js'
import { keyOf } from '../documents/service-key.js'
import type { Standing } from '../policy/standing.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'

export interface KillQuery extends ConnectionQuery {
  all?: boolean
  reset?: boolean
  dryRun?: boolean
}

export interface KillReport extends Killed {
  dryRun: boolean
}

export class KillControl {
  readonly #runner: KillRunner
  readonly #standings: StandingSource
  readonly #get: (name: string) => ServiceRecord | null

  constructor(
    runner: KillRunner,
    standings: StandingSource,
    get: (name: string) => ServiceRecord | null,
  ) {
    this.#runner = runner
    this.#standings = standings
    this.#get = get
  }

  /** Resolves when all are ended; with `dryRun` only counts them. */
  async kill({
    all = false,
    reset = true,
    dryRun = false,
    ...query
  }: KillQuery): Promise<KillReport> {
    const filter = this.#filterOf(query)
    // What kind of entry is meant narrows nothing down.
    const narrowing = Object.keys(filter).filter(key => key !== 'template')
    if (!all && narrowing.length === 0) {
      const detail =
        'Say which connections: service, realServer, client, state or protocol; or all=true.'
      throw new Problem('FILTER_REQUIRED', detail)
    }
    try {
      return { ...(await this.#runner.run({ filter, reset, dryRun })), dryRun }
    } catch (cause) {
      if (!(cause instanceof OpRefused)) throw cause
      // The database has it, the dataplane does not.
      const detail = `It is stored, but not in force: ${cause.message}.`
      throw new Problem('APPLY_PENDING', detail, { cause, headers: { 'retry-after': '1' } })
    }
  }

  #filterOf({ service: name, realServer, client, state, protocol, kind = 'all' }: ConnectionQuery) {
    const service = name === undefined ? null : this.#service(name)
    const filter: KillFilter = {
      ...(service === null ? {} : { service: keyOf(service) }),
      ...(client === undefined ? {} : { client: parseFlow('client', client) }),
      ...(state === undefined ? {} : { state }),
      ...(protocol === undefined ? {} : { protocol: protocol as 'tcp' }),
      ...(kind === 'all' ? {} : { template: kind === 'template' }),
      ...(realServer === undefined ? {} : this.#realServer(realServer, service)),
    }
    return filter
  }

  /** By name within a service, or by address, prefix, or address and port anywhere. */
  #realServer(text: string, service: ServiceRecord | null): KillFilter {
    if (/[.:]/.test(text)) return { realServer: parseFlow('realServer', text) }
    if (service === null) {
      const detail = `'${text}' is a name, which needs 'service' beside it.`
      throw badParameter('realServer', detail)
    }
    const server = service.servers.find(each => each.name === text)
    if (server === undefined) {
      const detail = `Virtual service '${service.name}' has no real server '${text}'.`
      throw new Problem('REAL_SERVER_NOT_FOUND', detail)
    }
    return serverFilter(server, this.#standings.of(service))
  }

  #service(name: string): ServiceRecord {
    const found = this.#get(name)
    if (found !== null) return found
    throw new Problem('SERVICE_NOT_FOUND', `There is no virtual service '${name}'.`)
  }
}

/** A real server that the dataplane does not have is known by what its connections go to. */
export function serverFilter({ name, config }: ServerRecord, standing: Standing): KillFilter {
  const { address, port } = config
  if (standing.servers.get(name)?.present === true) return { server: { address, port } }
  return { realServer: { address, ...(port === 0 ? {} : { port }) } }
}
