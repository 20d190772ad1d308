/** Virtual services in SQLite, each with its real servers. */
import type { Statement } from 'better-sqlite3'
import type { FamilyName, ProtocolName, SchedulerName } from '../../dataplane/protocol.js'
import type { Database } from '../db.js'
import type { PolicyConfig } from '../schemas/policy.js'
import type { ServiceCheckFields } from '../schemas/service-checks.js'
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
  policy: string | null
  health_checks: string | null
}
type StoredRow = Row & { id: number }

const COLUMNS =
  'name, uid, revision, created_at, updated_at, position, family, protocol, address, port, fwmark, ' +
  'scheduler, scheduler_flags, persistence_timeout_s, persistence_netmask, ' +
  'persistence_prefix_length, persistence_engine, one_packet, interface, manage_address, labels, ' +
  'policy, health_checks'
const VALUES = COLUMNS.replaceAll(/\w+/g, name => `@${name}`)
const ASSIGNMENTS = COLUMNS.replaceAll(/\w+/g, name => `${name} = @${name}`)

export class VirtualServiceRepo {
  readonly #servers: RealServerRepo
  readonly #get: Statement<[string], StoredRow>
  readonly #all: Statement<[], StoredRow>
  readonly #insert: Statement<[Row]>
  readonly #update: Statement<[Row & { id: number }]>
  readonly #delete: Statement<[string]>

  constructor(database: Database) {
    this.#servers = new RealServerRepo(database)
    this.#get = database.prepare('SELECT * FROM virtual_service WHERE name = ?')
    this.#all = database.prepare('SELECT * FROM virtual_service ORDER BY position, id')
    this.#insert = database.prepare(`INSERT INTO virtual_service (${COLUMNS}) VALUES (${VALUES})`)
    this.#update = database.prepare(`UPDATE virtual_service SET ${ASSIGNMENTS} WHERE id = @id`)
    this.#delete = database.prepare('DELETE FROM virtual_service WHERE name = ?')
  }

  get(name: string): ServiceRecord | null {
    const row = this.#get.get(name)
    return row === undefined ? null : this.#fromRow(row)
  }

  /** Everything, in order of position. */
  all(): ServiceRecord[] {
    return this.#all.all().map(row => this.#fromRow(row))
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
    ...(row.policy === null ? {} : { policy: JSON.parse(row.policy) as PolicyConfig }),
    labels: JSON.parse(row.labels) as Record<string, string>,
    ...(row.health_checks === null
      ? {}
      : { healthChecks: JSON.parse(row.health_checks) as ServiceCheckFields }),
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
    policy: config.policy === undefined ? null : JSON.stringify(config.policy),
    health_checks: config.healthChecks === undefined ? null : JSON.stringify(config.healthChecks),
  }
}
