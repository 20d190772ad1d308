import type { ServiceRows } from '../../dataplane/protocol.js'
import { endpointOf } from '../../server/documents/service-key.js'
import { keyText } from '../../server/documents/service-key.js'
import type { NamedServer, NamedService } from './configuration.js'

export interface NamedRow<T> {
  row: number
  value: T
}

export interface ListedService {
  name: string
  key: string
  scheduler: string
}

/** Which names stand behind the rows of statistics. */
export class Directory {
  readonly services: readonly (NamedRow<NamedService> & { servers: NamedRow<NamedServer>[] })[]
  readonly #byRow = new Map<number, ListedService>()
  readonly #owners = new Map<number, { service: ListedService; name: string }>()

  /** Rows are in the order of the services and of their servers. */
  constructor(services: readonly NamedService[], rows: readonly ServiceRows[]) {
    this.services = services.map((value, i) => {
      const { row, dests } = rows[i]!
      const service = listed(value)
      this.#byRow.set(row, service)
      const servers = value.servers.map((server, j) => ({ row: dests[j]!.row, value: server }))
      for (const { row: destRow, value: server } of servers)
        this.#owners.set(destRow, { service, name: server.name })
      return { row, value, servers }
    })
  }

  /** Null for row 0 and whatever else is nobody's. */
  service = (row: number): ListedService | null => this.#byRow.get(row) ?? null

  owner = (destRow: number): { service: ListedService; name: string } | null =>
    this.#owners.get(destRow) ?? null
}

function listed({ name, config }: NamedService): ListedService {
  return { name, key: keyText(config.key), scheduler: config.scheduler }
}

/** `a 10.0.0.1:80`, or the endpoint alone where that is its name. */
export function serverText(name: string, endpoint: string): string {
  return name === endpoint ? endpoint : `${name} ${endpoint}`
}

export const serviceText = ({ name, key }: { name: string; key: string }): string =>
  name === key ? key : `${name} (${key})`

export const endpointText = ({ config }: NamedServer): string => endpointOf(config)
