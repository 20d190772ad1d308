/** Real servers in SQLite. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'
import type { ServerCheckFields } from '../schemas/service-checks.js'
import type { ServerConfig, TunnelConfig } from '../schemas/real-server.js'
import type { DrainRecord, ServerRecord } from './records.js'

interface Row {
  name: string
  uid: string
  revision: number
  created_at: string
  updated_at: string
  position: number
  address: string
  port: number
  weight: number
  forwarding: ServerConfig['forwarding']
  tunnel: string | null
  upper_threshold: number
  lower_threshold: number
  admin_state: ServerConfig['adminState']
  state_since: string
  labels: string
  drain: string | null
  priority: number
  health_checks: string | null
}

const COLUMNS =
  'name, uid, revision, created_at, updated_at, position, address, port, weight, forwarding, ' +
  'tunnel, upper_threshold, lower_threshold, admin_state, state_since, labels, drain, priority, ' +
  'health_checks'
const VALUES = COLUMNS.replaceAll(/\w+/g, name => `@${name}`)

export class RealServerRepo {
  readonly #list: Statement<[number], Row>
  readonly #insert: Statement<[Row & { service_id: number }]>
  readonly #delete: Statement<[number, string]>

  constructor(database: Database) {
    this.#list = database.prepare(
      `SELECT ${COLUMNS} FROM real_server WHERE service_id = ? ORDER BY position, id`,
    )
    this.#insert = database.prepare(
      `INSERT INTO real_server (service_id, ${COLUMNS}) VALUES (@service_id, ${VALUES})`,
    )
    this.#delete = database.prepare('DELETE FROM real_server WHERE service_id = ? AND name = ?')
  }

  /** In order of position. */
  list(serviceId: number): ServerRecord[] {
    return this.#list.all(serviceId).map(fromRow)
  }

  /** Makes the stored set equal to `after`; records that both hold (by identity) stay untouched. */
  replace(serviceId: number, before: readonly ServerRecord[], after: readonly ServerRecord[]) {
    // All deletions first: two servers may have swapped their addresses.
    const kept = new Set(after)
    const old = new Set(before)
    for (const server of before) {
      if (!kept.has(server)) this.#delete.run(serviceId, server.name)
    }
    for (const server of after) {
      if (!old.has(server)) this.#insert.run({ service_id: serviceId, ...toRow(server) })
    }
  }
}

function fromRow(row: Row): ServerRecord {
  return {
    name: row.name,
    meta: {
      uid: row.uid,
      revision: row.revision,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    },
    position: row.position,
    stateSince: row.state_since,
    ...(row.drain === null ? {} : { drain: JSON.parse(row.drain) as DrainRecord }),
    config: {
      address: row.address,
      port: row.port,
      weight: row.weight,
      forwarding: row.forwarding,
      ...(row.tunnel === null ? {} : { tunnel: JSON.parse(row.tunnel) as TunnelConfig }),
      upperThreshold: row.upper_threshold,
      lowerThreshold: row.lower_threshold,
      adminState: row.admin_state,
      ...(row.priority === 0 ? {} : { priority: row.priority }),
      labels: JSON.parse(row.labels) as Record<string, string>,
      ...(row.health_checks === null
        ? {}
        : { healthChecks: JSON.parse(row.health_checks) as ServerCheckFields }),
    },
  }
}

function toRow({ name, meta, position, stateSince, drain, config }: ServerRecord): Row {
  return {
    name,
    uid: meta.uid,
    revision: meta.revision,
    created_at: meta.createdAt,
    updated_at: meta.updatedAt,
    position,
    address: config.address,
    port: config.port,
    weight: config.weight,
    forwarding: config.forwarding,
    tunnel: config.tunnel === undefined ? null : JSON.stringify(config.tunnel),
    upper_threshold: config.upperThreshold,
    lower_threshold: config.lowerThreshold,
    admin_state: config.adminState,
    state_since: stateSince,
    labels: JSON.stringify(config.labels),
    drain: drain === undefined ? null : JSON.stringify(drain),
    priority: config.priority ?? 0,
    health_checks: config.healthChecks === undefined ? null : JSON.stringify(config.healthChecks),
  }
}
