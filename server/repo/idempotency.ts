/** Requests under an Idempotency-Key, kept for a day, and what became of them. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'

export interface Answered {
  fingerprint: string
  revision: number
  /** Id of the operation that it began, if it began one. */
  operation: string | null
}

const KEPT_MS = 24 * 3600 * 1000
const KEPT_MAX = 100_000

export class IdempotencyRepo {
  readonly #get: Statement<[string, string], Answered>
  readonly #set: Statement<[Answered & { key: string; at: string }]>
  readonly #prune: Statement<[string, number]>

  constructor(database: Database) {
    this.#get = database.prepare(
      'SELECT fingerprint, revision, operation FROM idempotency WHERE key = ? AND at > ?',
    )
    this.#set = database.prepare(
      'INSERT OR REPLACE INTO idempotency (key, fingerprint, revision, operation, at) ' +
        'VALUES (@key, @fingerprint, @revision, @operation, @at)',
    )
    this.#prune = database.prepare(
      'DELETE FROM idempotency WHERE at <= ? OR key IN ' +
        '(SELECT key FROM idempotency ORDER BY at DESC LIMIT -1 OFFSET ?)',
    )
  }

  get(key: string, now: Date): Answered | null {
    return this.#get.get(key, since(now)) ?? null
  }

  /** Within the transaction that stores what the request asked for. */
  set(key: string, answered: Answered, at: string): void {
    this.#prune.run(since(new Date(at)), KEPT_MAX)
    this.#set.run({ key, ...answered, at })
  }
}

const since = (now: Date): string => new Date(now.getTime() - KEPT_MS).toISOString()
