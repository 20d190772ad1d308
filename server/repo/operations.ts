/** What goes on after its request was answered, in SQLite. Ended ones are kept for a while. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'

export interface OperationRecord {
  id: string
  kind: string
  state: string
  createdAt: string
  deadline: string | null
  endedAt: string | null
  /** For people. */
  detail: string
  /** What only its kind has. */
  document: Record<string, unknown>
}

export interface OperationFilter {
  kind?: string | null | undefined
  state?: string | null | undefined
}
interface PageQuery {
  kind: string | null
  state: string | null
  createdAt: string
  id: string
  limit: number
}

interface Row {
  id: string
  kind: string
  state: string
  created_at: string
  deadline: string | null
  ended_at: string | null
  detail: string
  document: string
}

/** Of each kind, of those that have ended. */
const KEPT_MAX = 1000
const COLUMNS = ['id', 'kind', 'state', 'created_at', 'deadline', 'ended_at', 'detail', 'document']

export class OperationRepo {
  readonly #get: Statement<[string], Row>
  readonly #open: Statement<[string], Row>
  readonly #page: Statement<[PageQuery], Row>
  readonly #put: Statement<[Row]>
  readonly #prune: Statement<[string, number]>

  constructor(database: Database) {
    this.#get = database.prepare('SELECT * FROM operation WHERE id = ?')
    this.#open = database.prepare('SELECT * FROM operation WHERE kind = ? AND ended_at IS NULL')
    this.#page = database.prepare(
      'SELECT * FROM operation WHERE (created_at, id) < (@createdAt, @id) ' +
        'AND (@kind IS NULL OR kind = @kind) AND (@state IS NULL OR state = @state) ' +
        'ORDER BY created_at DESC, id DESC LIMIT @limit',
    )
    this.#put = database.prepare(
      `INSERT OR REPLACE INTO operation (${COLUMNS.join(', ')}) ` +
        `VALUES (${COLUMNS.map(name => `@${name}`).join(', ')})`,
    )
    this.#prune = database.prepare(
      'DELETE FROM operation WHERE id IN (SELECT id FROM operation WHERE kind = ? AND ' +
        'ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT -1 OFFSET ?)',
    )
  }

  get(id: string): OperationRecord | null {
    const row = this.#get.get(id)
    return row === undefined ? null : fromRow(row)
  }

  /** Those of a kind that have not ended. */
  open(kind: string): OperationRecord[] {
    return this.#open.all(kind).map(fromRow)
  }

  /** Newest first, those before a place: `createdAt` and, of those made then, id. */
  page(
    { kind = null, state = null }: OperationFilter,
    before: { createdAt: string; id: string },
    limit: number,
  ): OperationRecord[] {
    return this.#page.all({ kind, state, ...before, limit }).map(fromRow)
  }

  /** Creates or replaces. */
  put({ id, kind, state, createdAt, deadline, endedAt, detail, document }: OperationRecord): void {
    this.#put.run({
      ...{ id, kind, state, deadline, detail, created_at: createdAt, ended_at: endedAt },
      document: JSON.stringify(document),
    })
  }

  /** Removes those of a kind that ended long ago. */
  prune(kind: string): void {
    this.#prune.run(kind, KEPT_MAX)
  }
}

function fromRow({ created_at, ended_at, document, ...row }: Row): OperationRecord {
  const { id, kind, state, deadline, detail } = row
  return {
    ...{ id, kind, state, createdAt: created_at, deadline, endedAt: ended_at, detail },
    document: JSON.parse(document) as Record<string, unknown>,
  }
}
