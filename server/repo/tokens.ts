/** Tokens in SQLite, by their hashes. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'
import type { Scope } from '../auth/scope.js'

export interface TokenRecord {
  name: string
  /** SHA-256 of the token. */
  hash: Buffer
  scope: Scope
  createdAt: string
  createdBy: string
  expiresAt: string | null
  lastUsedAt: string | null
  lastUsedFrom: string | null
}

interface Row {
  name: string
  hash: Buffer
  scope: Scope
  created_at: string
  created_by: string
  expires_at: string | null
  last_used_at: string | null
  last_used_from: string | null
}

const COLUMNS =
  'name, hash, scope, created_at, created_by, expires_at, last_used_at, last_used_from'
const VALUES = COLUMNS.replaceAll(/\w+/g, name => `@${name}`)

export class TokenRepo {
  readonly #all: Statement<[], Row>
  readonly #insert: Statement<[Row]>
  readonly #delete: Statement<[string]>
  readonly #touch: Statement<[string, string | null, string]>

  constructor(database: Database) {
    this.#all = database.prepare(`SELECT ${COLUMNS} FROM token ORDER BY name`)
    this.#insert = database.prepare(`INSERT INTO token (${COLUMNS}) VALUES (${VALUES})`)
    this.#delete = database.prepare('DELETE FROM token WHERE name = ?')
    this.#touch = database.prepare(
      'UPDATE token SET last_used_at = ?, last_used_from = ? WHERE name = ?',
    )
  }

  /** By name. */
  all(): TokenRecord[] {
    return this.#all.all().map(row => ({
      name: row.name,
      hash: row.hash,
      scope: row.scope,
      createdAt: row.created_at,
      createdBy: row.created_by,
      expiresAt: row.expires_at,
      lastUsedAt: row.last_used_at,
      lastUsedFrom: row.last_used_from,
    }))
  }

  insert(token: TokenRecord): void {
    this.#insert.run({
      name: token.name,
      hash: token.hash,
      scope: token.scope,
      created_at: token.createdAt,
      created_by: token.createdBy,
      expires_at: token.expiresAt,
      last_used_at: token.lastUsedAt,
      last_used_from: token.lastUsedFrom,
    })
  }

  delete(name: string): void {
    this.#delete.run(name)
  }

  /** Writes down when and from where it was last used. */
  touch({ name, lastUsedAt, lastUsedFrom }: TokenRecord): void {
    if (lastUsedAt !== null) this.#touch.run(lastUsedAt, lastUsedFrom, name)
  }
}
