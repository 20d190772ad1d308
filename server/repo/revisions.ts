/**
 * The history of the configuration in SQLite: each revision with what it changed, so that an older
 * state is the present one walked back. The newest REVISIONS_MAX are kept, or fewer when their
 * documents would need more than OCTETS_MAX; the newest one always.
 */
import type { Statement } from 'better-sqlite3'
import type { Actor } from '../auth/actor.js'
import type { Commit, CommittedChange, Kind } from '../change/commit.js'
import type { Database } from '../db.js'

export const REVISIONS_MAX = 10_000
const OCTETS_MAX = 256 * 1024 * 1024

interface Row {
  revision: number
  at: string
  actor: string | null
  request_id: string | null
  message: string | null
  octets: number
}
interface ChangeRow {
  kind: Kind
  name: string
  before: string | null
  after: string | null
}
/** Without its changes. */
export type RevisionHeading = Omit<Commit, 'changes'>

export class RevisionRepo {
  readonly #insert: Statement<[Row]>
  readonly #setOctets: Statement<[number, number]>
  readonly #insertChange: Statement<(string | number | null)[]>
  readonly #get: Statement<[number], Row>
  readonly #page: Statement<[{ before: number; limit: number }], Row>
  readonly #changes: Statement<[number, number], ChangeRow>
  readonly #ends: Statement<[], { oldest: number; newest: number }>
  readonly #sum: Statement<[number], { octets: number }>
  readonly #dropThrough: Statement<[number]>
  readonly #oldest: Statement<[], { revision: number; octets: number }>
  readonly #drop: Statement<[number]>
  readonly #max: number
  #octets = 0

  constructor(database: Database, max = REVISIONS_MAX) {
    this.#max = max
    this.#insert = database.prepare(
      'INSERT INTO revision (revision, at, actor, request_id, message, octets) ' +
        'VALUES (@revision, @at, @actor, @request_id, @message, @octets)',
    )
    this.#insertChange = database.prepare<(string | number | null)[]>(
      'INSERT INTO revision_change (revision, place, kind, name, before, after) ' +
        'VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#setOctets = database.prepare('UPDATE revision SET octets = ? WHERE revision = ?')
    this.#get = database.prepare('SELECT * FROM revision WHERE revision = ?')
    this.#page = database.prepare(
      'SELECT * FROM revision WHERE revision < @before ORDER BY revision DESC LIMIT @limit',
    )
    this.#changes = database.prepare(
      'SELECT kind, name, before, after FROM revision_change WHERE revision = ? ORDER BY place LIMIT ?',
    )
    // One by one: SQLite finds either end of an index at once, but walks through it for both.
    this.#ends = database.prepare(
      'SELECT (SELECT min(revision) FROM revision) AS oldest, ' +
        '(SELECT max(revision) FROM revision) AS newest',
    )
    this.#sum = database.prepare(
      'SELECT coalesce(sum(octets), 0) AS octets FROM revision WHERE revision <= ?',
    )
    this.#dropThrough = database.prepare('DELETE FROM revision WHERE revision <= ?')
    this.#oldest = database.prepare(
      'SELECT revision, octets FROM revision ORDER BY revision LIMIT 1',
    )
    this.#drop = database.prepare('DELETE FROM revision WHERE revision = ?')
    this.#octets = this.#octetsThrough(this.#ends.get()!.newest)
  }

  /** Within the transaction that makes the revision. */
  insert({ changes, revision, at, actor, requestId, message }: Commit): void {
    const who = actor === null ? null : JSON.stringify(actor)
    this.#insert.run({ revision, at, actor: who, request_id: requestId, message, octets: 0 })
    let octets = 0
    // One by one: the texts of an import are many times its text.
    for (const [place, { kind, name, ...change }] of changes.entries()) {
      const before = textOf(change.before, change.positions?.before)
      const after = textOf(change.after, change.positions?.after)
      this.#insertChange.run(revision, place, kind, name, before, after)
      octets += sizeOf({ name, before, after })
    }
    this.#setOctets.run(octets, revision)
    this.#octets += octets
  }

  /** Forgets what is beyond the bounds. */
  prune(): void {
    const { oldest, newest } = this.#ends.get()!
    if (newest - this.#max >= oldest) {
      this.#octets -= this.#octetsThrough(newest - this.#max)
      this.#dropThrough.run(newest - this.#max)
    }
    // What was not stored in the end has been counted all the same.
    if (this.#octets > OCTETS_MAX) this.#octets = this.#octetsThrough(newest)
    while (this.#octets > OCTETS_MAX) {
      const { revision, octets } = this.#oldest.get()!
      if (revision === newest) return
      this.#drop.run(revision)
      this.#octets -= octets
    }
  }

  #octetsThrough(revision: number): number {
    return this.#sum.get(revision)!.octets
  }

  get(revision: number): RevisionHeading | null {
    const row = this.#get.get(revision)
    return row === undefined ? null : fromRow(row)
  }

  /** Newest first, all of them older than `before`. */
  page(before: number, limit: number): RevisionHeading[] {
    return this.#page.all({ before, limit }).map(fromRow)
  }

  /** In the order in which they were written down; -1 for all. */
  changes(revision: number, limit = -1): CommittedChange[] {
    return this.#changes.all(revision, limit).map(({ kind, name, ...texts }) => {
      const [before, after] = [placed(texts.before), placed(texts.after)]
      const positions = { before: before.position, after: after.position }
      return { kind, name, before: before.document, after: after.document, positions }
    })
  }

  /** The oldest that is kept. */
  oldest(): number {
    return this.#ends.get()!.oldest
  }
}

/** Beside the fields of a document, none of which can have this name. */
const POSITION = '@position'

const textOf = (document: object | null, position: number | null | undefined): string | null =>
  document === null
    ? null
    : JSON.stringify(
        typeof position === 'number' ? { ...document, [POSITION]: position } : document,
      )

/** As it was written down; what was before positions were has none. */
function placed(text: string | null): { document: object | null; position: number | null } {
  if (text === null) return { document: null, position: null }
  const { [POSITION]: position = null, ...document } = JSON.parse(text) as Record<string, unknown>
  return { document, position: position as number | null }
}

const parse = (text: string | null): object | null =>
  text === null ? null : (JSON.parse(text) as object)

const sizeOf = ({ name, before, after }: Omit<ChangeRow, 'kind'>): number =>
  64 + name.length + (before?.length ?? 0) + (after?.length ?? 0)

function fromRow({ revision, at, actor, request_id: requestId, message }: Row): RevisionHeading {
  return { revision, at, actor: parse(actor) as Actor | null, requestId, message }
}
