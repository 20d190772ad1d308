/** Webhooks in SQLite: what they shall be, and how far each has come. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'

/** What a webhook shall be, complete. Exactly one of `url` and `command` is there. */
export interface WebhookSpec {
  url?: string
  command?: string
  /** Certificates to trust instead of the well-known ones, PEM. */
  ca?: string
  events: string[]
  enabled: boolean
  timeoutSeconds: number
  maxAttempts: number
}

export interface WebhookError {
  /** RFC 3339, UTC. */
  at: string
  detail: string
}

export interface WebhookRecord {
  name: string
  spec: WebhookSpec
  secret: string | null
  createdAt: string
  updatedAt: string
  /** The newest entry of the journal that needs no look any more. */
  lastDeliveredId: number
  lastSuccessAt: string | null
  lastError: WebhookError | null
  /** Attempts that failed, and events that were given up. */
  failures: number
  dropped: number
}

interface Row {
  name: string
  document: string
  secret: string | null
  created_at: string
  updated_at: string
  last_delivered_id: number
  last_success_at: string | null
  last_error: string | null
  failures: number
  dropped: number
}

const COLUMNS =
  'name, document, secret, created_at, updated_at, last_delivered_id, last_success_at, ' +
  'last_error, failures, dropped'
const VALUES = COLUMNS.replaceAll(/\w+/g, name => `@${name}`)

export class WebhookRepo {
  readonly #all: Statement<[], Row>
  readonly #put: Statement<[Row]>
  readonly #delete: Statement<[string]>

  constructor(database: Database) {
    this.#all = database.prepare(`SELECT ${COLUMNS} FROM webhook ORDER BY name`)
    this.#put = database.prepare(`INSERT OR REPLACE INTO webhook (${COLUMNS}) VALUES (${VALUES})`)
    this.#delete = database.prepare('DELETE FROM webhook WHERE name = ?')
  }

  /** By name. */
  all(): WebhookRecord[] {
    return this.#all.all().map(row => ({
      name: row.name,
      spec: JSON.parse(row.document) as WebhookSpec,
      secret: row.secret,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      lastDeliveredId: row.last_delivered_id,
      lastSuccessAt: row.last_success_at,
      lastError: row.last_error === null ? null : (JSON.parse(row.last_error) as WebhookError),
      failures: row.failures,
      dropped: row.dropped,
    }))
  }

  /** Makes or replaces it. */
  put(hook: WebhookRecord): void {
    this.#put.run({
      name: hook.name,
      document: JSON.stringify(hook.spec),
      secret: hook.secret,
      created_at: hook.createdAt,
      updated_at: hook.updatedAt,
      last_delivered_id: hook.lastDeliveredId,
      last_success_at: hook.lastSuccessAt,
      last_error: hook.lastError === null ? null : JSON.stringify(hook.lastError),
      failures: hook.failures,
      dropped: hook.dropped,
    })
  }

  delete(name: string): void {
    this.#delete.run(name)
  }
}
