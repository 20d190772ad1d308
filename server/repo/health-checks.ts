/** Health checks in SQLite. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'
import type { HealthCheckFields } from '../schemas/health-check.js'
import type { HealthCheckRecord } from './records.js'

interface Row {
  name: string
  uid: string
  revision: number
  created_at: string
  updated_at: string
  document: string
}

const COLUMNS = 'name, uid, revision, created_at, updated_at, document'
const VALUES = COLUMNS.replaceAll(/\w+/g, name => `@${name}`)
const ASSIGNMENTS = COLUMNS.replaceAll(/\w+/g, name => `${name} = @${name}`)

export class HealthCheckRepo {
  readonly #all: Statement<[], Row>
  readonly #insert: Statement<[Row]>
  readonly #update: Statement<[Row]>
  readonly #delete: Statement<[string]>

  constructor(database: Database) {
    this.#all = database.prepare(`SELECT ${COLUMNS} FROM health_check ORDER BY name`)
    this.#insert = database.prepare(`INSERT INTO health_check (${COLUMNS}) VALUES (${VALUES})`)
    this.#update = database.prepare(`UPDATE health_check SET ${ASSIGNMENTS} WHERE name = @name`)
    this.#delete = database.prepare('DELETE FROM health_check WHERE name = ?')
  }

  /** By name. */
  all(): HealthCheckRecord[] {
    return this.#all.all().map(fromRow)
  }

  insert(check: HealthCheckRecord): void {
    this.#insert.run(toRow(check))
  }

  update(check: HealthCheckRecord): void {
    this.#update.run(toRow(check))
  }

  delete(name: string): void {
    this.#delete.run(name)
  }
}

const fromRow = (row: Row): HealthCheckRecord => ({
  name: row.name,
  meta: {
    uid: row.uid,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  },
  config: JSON.parse(row.document) as HealthCheckFields,
})

const toRow = ({ name, meta, config }: HealthCheckRecord): Row => ({
  name,
  uid: meta.uid,
  revision: meta.revision,
  created_at: meta.createdAt,
  updated_at: meta.updatedAt,
  document: JSON.stringify(config),
})
