/** Virtual services in SQLite, each with its real servers. */
import type { Statement } from 'better-sqlite3'
import type { FamilyName, ProtocolName, SchedulerName } from '../../dataplane/protocol.js'
import type { Database } from '../db.js'
import type { ServiceFields } from '../schemas/virtual-service.js'
import { RealServerRepo } from './real-servers.js'
import type { ServiceRecord } from './records.js'

interface Row {
  name: string
  uid: string
  revision: number
  created_at: string
  updated_at: string
  position: number
  family: FamilyName
  protocol: ProtocolName | null
  address: string | null
  port: number | null
  fwmark: number | null
  scheduler: SchedulerName
  scheduler_flags: string
  persistence_timeout_s: number | null
  persistence_netmask: string | null
  persistence_prefix_length: number | null
  persistence_engine: 'sip' | null
  one_packet: number
  interface: string | null
  manage_address: number
  labels: string
}
type StoredRow = Row & { id: number }

const COLUMNS =
  'name, uid, revision, created_at, updated_at, position, family, protocol, address, port, fwmark, ' +
  'scheduler, scheduler_flags, persistence_timeout_s, persistence_netmask, ' +
  'persistence_prefix_length, persistence_engine, one_packet, interface, manage_address, labels'
const VALUES = COLUMNS.replaceAll(/\w+/g, name => `@${name}`)
const ASSIGNMENTS = COLUMNS.replaceAll(/\w+/g, name => `${name} = @${name}`)

/** Filters of a list; an absent one lets everything through. */
export interface ServiceFilter {
  protocol?: string | undefined
  address?: string | undefined
  port?: number | undefined
  fwmark?: number | undefined
  scheduler?: string | undefined
  interface?: string | undefined
}
interface PageParameters {
  after: string
  limit: number
  protocol: string | null
  address: string | null
  port: number | null
  fwmark: number | null
  scheduler: string | null
  interface: string | null
  labels: string
}

export class VirtualServiceRepo {
  readonly #servers: RealServerRepo
  readonly #get: Statement<[string], StoredRow>
  readonly #all: Statement<[], StoredRow>
  readonly #page: Statement<[PageParameters], StoredRow>
  readonly #byAddress: Statement<[string, number, string], { name: string }>
  readonly #byFwmark: Statement<[number, string], { name: string }>
  readonly #insert: Statement<[Row]>
  readonly #update: Statement<[Row & { id: number }]>
  readonly #delete: Statement<[string]>
  readonly #count: Statement<[], { n: number }>
  readonly #lastPosition: Statement<[], { position: number }>

  constructor(database: Database) {
    this.#servers = new RealServerRepo(database)
    this.#get = database.prepare('SELECT * FROM virtual_service WHERE name = ?')
    this.#all = database.prepare('SELECT * FROM virtual_service ORDER BY position, id')
    this.#page = database.prepare(PAGE)
    this.#byAddress = database.prepare(
      'SELECT name FROM virtual_service WHERE address = ? AND port = ? AND protocol = ?',
    )
    this.#byFwmark = database.prepare(
      'SELECT name FROM virtual_service WHERE fwmark = ? AND family = ?',
    )
    this.#insert = database.prepare(`INSERT INTO virtual_service (${COLUMNS}) VALUES (${VALUES})`)
    this.#update = database.prepare(`UPDATE virtual_service SET ${ASSIGNMENTS} WHERE id = @id`)
    this.#delete = database.prepare('DELETE FROM virtual_service WHERE name = ?')
    this.#count = database.prepare('SELECT count(*) AS n FROM virtual_service')
    this.#lastPosition = database.prepare(
      'SELECT coalesce(max(position), 0) AS position FROM virtual_service',
    )
  }

  get(name: string): ServiceRecord | null {
    const row = this.#get.get(name)
    return row === undefined ? null : this.#fromRow(row)
  }

  /** Everything, in order of position. */
  all(): ServiceRecord[] {
    return this.#all.all().map(row => this.#fromRow(row))
  }

  /** By name, after `after` ('' = from the beginning). */
  page(
    after: string,
    limit: number,
    filter: ServiceFilter,
    labels: readonly [string, string][],
  ): ServiceRecord[] {
    const rows = this.#page.all({
      after,
      limit,
      protocol: filter.protocol ?? null,
      address: filter.address ?? null,
      port: filter.port ?? null,
      fwmark: filter.fwmark ?? null,
      scheduler: filter.scheduler ?? null,
      interface: filter.interface ?? null,
      labels: JSON.stringify(labels),
    })
    return rows.map(row => this.#fromRow(row))
  }

  /** Name of the service that has this key, null when it is free. */
  holder({ family, config }: Pick<ServiceRecord, 'family' | 'config'>): string | null {
    const row =
      config.fwmark === undefined
        ? this.#byAddress.get(config.address!, config.port!, config.protocol!)
        : this.#byFwmark.get(config.fwmark, family)
    return row?.name ?? null
  }

  counts(): { services: number; servers: number } {
    return { services: this.#count.get()!.n, servers: this.#servers.count() }
  }

  lastPosition(): number {
    return this.#lastPosition.get()!.position
  }

  insert(service: ServiceRecord): void {
    const { lastInsertRowid } = this.#insert.run(toRow(service))
    this.#servers.replace(Number(lastInsertRowid), [], service.servers)
  }

  update(before: ServiceRecord, after: ServiceRecord): void {
    const { id } = this.#get.get(before.name)!
    this.#update.run({ id, ...toRow(after) })
    this.#servers.replace(id, before.servers, after.servers)
  }

  delete(name: string): void {
    this.#delete.run(name)
  }

  #fromRow(row: StoredRow): ServiceRecord {
    return {
      name: row.name,
      meta: {
        uid: row.uid,
        revision: row.revision,
        createdAt: row.created_at,
        updatedAt: row.updated_at,
      },
      position: row.position,
      family: row.family,
      config: configOf(row),
      servers: this.#servers.list(row.id),
    }
  }
}

// `labels` holds pairs that must all be there.
const PAGE = `
  SELECT * FROM virtual_service AS service
  WHERE name > @after
    AND (@protocol IS NULL OR protocol = @protocol)
    AND (@address IS NULL OR address = @address)
    AND (@port IS NULL OR port = @port)
    AND (@fwmark IS NULL OR fwmark = @fwmark)
    AND (@scheduler IS NULL OR scheduler = @scheduler)
    AND (@interface IS NULL OR interface = @interface)
    AND NOT EXISTS (
      SELECT 1 FROM json_each(@labels) AS wanted WHERE NOT EXISTS (
        SELECT 1 FROM json_each(service.labels) AS own
        WHERE own.key = wanted.value ->> 0 AND own.value = wanted.value ->> 1))
  ORDER BY name LIMIT @limit`

function configOf(row: Row): ServiceFields {
  const key =
    row.fwmark === null
      ? { protocol: row.protocol!, address: row.address!, port: row.port! }
      : { fwmark: row.fwmark, addressFamily: row.family }
  return {
    ...key,
    scheduler: row.scheduler,
    schedulerFlags: JSON.parse(row.scheduler_flags) as string[],
    ...persistenceOf(row),
    onePacket: row.one_packet === 1,
    ...(row.interface === null ? {} : { interface: row.interface }),
    manageAddress: row.manage_address === 1,
    labels: JSON.parse(row.labels) as Record<string, string>,
  }
}

function persistenceOf(row: Row): Pick<ServiceFields, 'persistence' | 'persistenceEngine'> {
  const { persistence_engine: engine } = row
  if (row.persistence_timeout_s === null)
    return engine === null ? {} : { persistenceEngine: engine }
  const { persistence_netmask: netmask, persistence_prefix_length: prefixLength } = row
  const persistence = {
    timeoutSeconds: row.persistence_timeout_s,
    ...(netmask === null ? {} : { netmask }),
    ...(prefixLength === null ? {} : { prefixLength }),
    ...(engine === null ? {} : { engine }),
  }
  return { persistence }
}

function toRow({ name, meta, position, family, config }: ServiceRecord): Row {
  return {
    name,
    uid: meta.uid,
    revision: meta.revision,
    created_at: meta.createdAt,
    updated_at: meta.updatedAt,
    position,
    family,
    protocol: config.protocol ?? null,
    address: config.address ?? null,
    port: config.port ?? null,
    fwmark: config.fwmark ?? null,
    scheduler: config.scheduler,
    scheduler_flags: JSON.stringify(config.schedulerFlags),
    persistence_timeout_s: config.persistence?.timeoutSeconds ?? null,
    persistence_netmask: config.persistence?.netmask ?? null,
    persistence_prefix_length: config.persistence?.prefixLength ?? null,
    persistence_engine: config.persistence?.engine ?? config.persistenceEngine ?? null,
    one_packet: config.onePacket ? 1 : 0,
    interface: config.interface ?? null,
    manage_address: config.manageAddress ? 1 : 0,
    labels: JSON.stringify(config.labels),
  }
}
