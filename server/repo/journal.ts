/** The journal in SQLite. */
import type { Statement } from 'better-sqlite3'
import type { ActorKind } from '../auth/actor.js'
import type { Database } from '../db.js'

/** Entries of one class are kept and removed together. */
export const CLASSES = ['change', 'denial', 'state'] as const
export type EntryClass = (typeof CLASSES)[number]
export const OUTCOMES = ['done', 'refused', 'denied', 'failed'] as const
export type Outcome = (typeof OUTCOMES)[number]

export interface NewEntry {
  /** RFC 3339, UTC. */
  at: string
  type: string
  class: EntryClass
  outcome: Outcome
  actor: string | null
  actorKind: ActorKind | null
  address: string | null
  requestId: string | null
  kind: string | null
  name: string | null
  revision: number | null
  before: object | null
  after: object | null
  detail: object | null
}
export interface EntryRecord extends NewEntry {
  id: number
}

export interface EntryFilter {
  actor?: string | undefined
  /** Whole, or the part before the dot. */
  type?: string | undefined
  outcome?: string | undefined
  kind?: string | undefined
  name?: string | undefined
  requestId?: string | undefined
  /** RFC 3339, UTC; from the first on, before the second. */
  since?: string | undefined
  until?: string | undefined
}

interface Row {
  id: number
  at: string
  type: string
  class: EntryClass
  outcome: Outcome
  actor: string | null
  actor_kind: ActorKind | null
  address: string | null
  request_id: string | null
  kind: string | null
  name: string | null
  revision: number | null
  before: string | null
  after: string | null
  detail: string | null
}
/** One for each column. */
type Values = (string | number | null)[]

const COLUMNS =
  'at, type, class, outcome, actor, actor_kind, address, request_id, kind, name, revision, ' +
  'before, after, detail'
const VALUES = COLUMNS.replaceAll(/\w+/g, '?')

const CONDITIONS: Readonly<Record<keyof EntryFilter, string>> = {
  actor: 'actor = @actor',
  type: "(type = @type OR substr(type, 1, length(@type) + 1) = @type || '.')",
  outcome: 'outcome = @outcome',
  kind: 'kind = @kind',
  name: 'name = @name',
  requestId: 'request_id = @requestId',
  since: 'at >= @since',
  until: 'at < @until',
}

/** Changes and denials, and what became of drains, which somebody asked for. */
const AUDITED =
  "(class IN ('change', 'denial') OR (class = 'state' AND kind = 'realServer' AND substr(type, 1, 6) = 'drain.'))"

export class JournalRepo {
  readonly #database: Database
  readonly #insert: Statement<Values>
  readonly #after: Statement<[number, number], Row>
  readonly #last: Statement<[], { id: number }>
  readonly #author: Statement<[string, string, string], { actor: string | null }>
  readonly #removed: Statement<[], { through: number }>
  readonly #setRemoved: Statement<[number]>
  readonly #surplus: Statement<[string, number], { id: number }>
  readonly #aged: Statement<[string, string], { id: number | null }>
  readonly #delete: Statement<[string, number]>

  constructor(database: Database) {
    this.#database = database
    this.#insert = database.prepare<Values>(`INSERT INTO journal (${COLUMNS}) VALUES (${VALUES})`)
    this.#after = database.prepare(
      `SELECT id, ${COLUMNS} FROM journal WHERE id > ? ORDER BY id LIMIT ?`,
    )
    // Also when every entry has been removed.
    this.#last = database.prepare("SELECT seq AS id FROM sqlite_sequence WHERE name = 'journal'")
    this.#author = database.prepare(
      'SELECT actor FROM journal WHERE kind = ? AND name = ? ' +
        'AND type IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT 1',
    )
    this.#removed = database.prepare('SELECT through FROM journal_removed')
    this.#setRemoved = database.prepare('UPDATE journal_removed SET through = max(through, ?)')
    this.#surplus = database.prepare(
      'SELECT id FROM journal WHERE class = ? ORDER BY id DESC LIMIT 1 OFFSET ?',
    )
    this.#aged = database.prepare('SELECT max(id) AS id FROM journal WHERE class = ? AND at < ?')
    this.#delete = database.prepare('DELETE FROM journal WHERE class = ? AND id <= ?')
  }

  /**
   * Values in the order of the columns, not a row: V8 learns to put such objects among the old ones,
   * which keep their texts alive until all memory is looked through; 400 MiB for 100,000 entries.
   */
  insert(entry: NewEntry): void {
    this.#insert.run(
      entry.at,
      entry.type,
      entry.class,
      entry.outcome,
      entry.actor,
      entry.actorKind,
      entry.address,
      entry.requestId,
      entry.kind,
      entry.name,
      entry.revision,
      textOf(entry.before),
      textOf(entry.after),
      textOf(entry.detail),
    )
  }

  /** Runs what inserts several, whole or not at all. */
  transaction(work: () => void): void {
    this.#database.transaction(work).immediate()
  }

  /** The number of the newest entry that there ever was; 0 for none. */
  last(): number {
    return this.#last.get()?.id ?? 0
  }

  /** The newest entry that was removed; 0 for none. */
  removedThrough(): number {
    return this.#removed.get()!.through
  }

  /** Whose the newest entry of these types about a thing is; null when none is kept. */
  author(kind: string, name: string, types: readonly string[]): string | null {
    return this.#author.get(kind, name, JSON.stringify(types))?.actor ?? null
  }

  /** Oldest first. */
  after(id: number, limit: number): EntryRecord[] {
    return this.#after.all(id, limit).map(fromRow)
  }

  /** What is audited, newest first, with numbers below `below`. */
  before(below: number, limit: number, filter: EntryFilter): EntryRecord[] {
    const given = Object.entries(filter).filter(([, value]) => value !== undefined)
    const wanted = given.map(([key]) => CONDITIONS[key as keyof EntryFilter])
    const where = [AUDITED, 'id < @below', ...wanted].join(' AND ')
    const rows = this.#database
      .prepare<[object], Row>(
        `SELECT id, ${COLUMNS} FROM journal WHERE ${where} ORDER BY id DESC LIMIT @limit`,
      )
      .all({ ...Object.fromEntries(given), below, limit })
    return rows.map(fromRow)
  }

  /** Removes what is more than so many of a class, or older; returns how many went. */
  trim(of: EntryClass, most: number, since: string): number {
    const surplus = this.#surplus.get(of, most)?.id ?? 0
    const aged = this.#aged.get(of, since)?.id ?? 0
    const through = Math.max(surplus, aged)
    if (through === 0) return 0
    this.#setRemoved.run(through)
    return this.#delete.run(of, through).changes
  }
}

const textOf = (value: object | null): string | null =>
  value === null ? null : JSON.stringify(value)

function fromRow(row: Row): EntryRecord {
  const value = (text: string | null) => (text === null ? null : (JSON.parse(text) as object))
  return {
    ...{ id: row.id, at: row.at, type: row.type, class: row.class, outcome: row.outcome },
    ...{ actor: row.actor, actorKind: row.actor_kind, address: row.address },
    ...{ requestId: row.request_id, kind: row.kind, name: row.name, revision: row.revision },
    ...{ before: value(row.before), after: value(row.after), detail: value(row.detail) },
  }
}
