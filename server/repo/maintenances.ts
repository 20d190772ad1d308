/** Maintenances in SQLite: what they shall be, and what became of them. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'
import type { Shortfall } from '../schemas/maintenance.js'

export interface Selector {
  /** RFC 5952 form. */
  address?: string
  labels?: Record<string, string>
}

/** What was asked for, complete and normalised. */
export interface MaintenanceSpec {
  selector: Selector
  /** ISO 8601, as all moments here. */
  startAt?: string
  endAt?: string
  deadlineSeconds: number
  onDeadline: 'keep' | 'reset'
  ignoreMinimum: boolean
  comment: string
}

export interface MaintenanceRecord {
  name: string
  uid: string
  /** Counts what was asked for, for ETags. */
  version: number
  createdAt: string
  updatedAt: string
  spec: MaintenanceSpec
  /** Whether its drains are there; how far they are is not written down. */
  stage: 'scheduled' | 'active' | 'ended' | 'refused'
  startedAt: string | null
  /** When it ended or was refused. */
  endedAt: string | null
  refusal: Shortfall[]
  /** What the journal has been told last of how far it is. */
  told: 'draining' | 'drained' | 'expired'
}

export class MaintenanceRepo {
  readonly #all: Statement<[], { document: string }>
  readonly #get: Statement<[string], { document: string }>
  readonly #put: Statement<[string, string]>
  readonly #delete: Statement<[string]>

  constructor(database: Database) {
    this.#all = database.prepare('SELECT document FROM maintenance ORDER BY name')
    this.#get = database.prepare('SELECT document FROM maintenance WHERE name = ?')
    this.#put = database.prepare(
      'INSERT OR REPLACE INTO maintenance (name, document) VALUES (?, ?)',
    )
    this.#delete = database.prepare('DELETE FROM maintenance WHERE name = ?')
  }

  /** By name. */
  all(): MaintenanceRecord[] {
    return this.#all.all().map(({ document }) => JSON.parse(document) as MaintenanceRecord)
  }

  get(name: string): MaintenanceRecord | null {
    const row = this.#get.get(name)
    return row === undefined ? null : (JSON.parse(row.document) as MaintenanceRecord)
  }

  put(record: MaintenanceRecord): void {
    this.#put.run(record.name, JSON.stringify(record))
  }

  delete(name: string): void {
    this.#delete.run(name)
  }
}
