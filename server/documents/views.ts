/** Documents as they are read: configuration, meta and status. */
import type { SharedMemory } from '../../dataplane/protocol.js'
import type { HealthBook } from '../health/health-book.js'
import type { StandingSource } from '../change/plan.js'
import type { Standing } from '../policy/standing.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import type { RowTable } from '../live/row-table.js'
import type { Meta } from '../schemas/common.js'
import { readLive, serverStatus, serviceStatus } from './status.js'
import { endpointOf, keyOf, keyText } from './service-key.js'

/** A resource as it is after a write, or as it was read. */
export interface Resource<T> {
  view: T
  etag: string
}

export class Views {
  /** Of each worker. */
  readonly #services: Float64Array[]
  readonly #dests: Float64Array[]
  readonly #rows: RowTable
  readonly #standings: StandingSource
  readonly #health: Pick<HealthBook, 'get'>
  readonly #troubleOf: (service: string) => string | null

  constructor(
    memories: readonly SharedMemory[],
    rows: RowTable,
    standings: StandingSource,
    health: Pick<HealthBook, 'get'>,
    troubleOf: (service: string) => string | null = () => null,
  ) {
    this.#services = memories.map(memory => new Float64Array(memory.services))
    this.#dests = memories.map(memory => new Float64Array(memory.dests))
    this.#rows = rows
    this.#standings = standings
    this.#health = health
    this.#troubleOf = troubleOf
  }

  service(service: ServiceRecord) {
    const key = keyText(keyOf(service))
    const row = this.#rows.service(key)
    const standing = this.#standings.of(service)
    const servers = [...service.servers]
      .sort(byName)
      .map(server => this.#server(service, server, standing))
    const live = readLive(this.#services, row)
    const statuses = servers.map(server => server.status)
    return {
      name: service.name,
      ...service.config,
      realServers: Object.fromEntries(servers.map(server => [server.name, server])),
      meta: { ...service.meta, position: service.position },
      status: serviceStatus(
        ...([service, standing, statuses, row, live] as const),
        this.#troubleOf(service.name),
      ),
    }
  }

  server(service: ServiceRecord, server: ServerRecord) {
    return this.#server(service, server, this.#standings.of(service))
  }

  #server(service: ServiceRecord, server: ServerRecord, standing: Standing) {
    const row = this.#rows.dest(keyText(keyOf(service)), endpointOf(server.config))
    const health = this.#health.get(service.name, server.name) ?? null
    const own = standing.servers.get(server.name)!
    const live = readLive(this.#dests, row)
    return {
      name: server.name,
      ...server.config,
      meta: { ...server.meta, position: server.position },
      status: serverStatus(server, own, health, row, live, this.#standings.nowMs),
    }
  }
}

export type ServiceView = ReturnType<Views['service']>
export type ServerView = ReturnType<Views['server']>

export const byName = (a: { name: string }, b: { name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0

/**
 * The configuration alone, as a client could have written it. The port of a real server that must
 * have its service's is left out, so that it follows when the service changes.
 */
export function serverDocument(service: ServiceRecord, { config }: ServerRecord) {
  const { port, ...rest } = config
  const follows = config.forwarding !== 'masq' && port === service.config.port
  return follows ? rest : { port, ...rest }
}

export function serverDocuments(service: ServiceRecord): Record<string, unknown> {
  return Object.fromEntries(
    service.servers.map(server => [server.name, serverDocument(service, server)]),
  )
}

export const serviceDocument = (service: ServiceRecord) => ({
  ...service.config,
  ...policyDocument(service),
  realServers: serverDocuments(service),
})

/** As of real servers, the port follows. */
function policyDocument({ config: { policy, port: servicePort } }: ServiceRecord) {
  if (policy?.sorryServer === undefined) return {}
  const { port, ...rest } = policy.sorryServer
  const follows = rest.forwarding !== 'masq' && port === servicePort
  return { policy: { ...policy, sorryServer: follows ? rest : { port, ...rest } } }
}

/** RFC 9110 section 8.8.3: strong, over configuration; counters never move it. */
export const etagOf = ({ meta }: { meta: Meta }): string =>
  `"${meta.revision}-${Date.parse(meta.updatedAt).toString(36)}-${meta.uid.slice(0, 8)}"`
