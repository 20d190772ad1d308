/** How services stand, in SQLite: what is remembered over a restart, by the service's uid. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'

interface Row {
  service_uid: string
  document: string
}

/** `T`: what is remembered of one, as JSON. */
export class StandingRepo<T extends object> {
  readonly #all: Statement<[], Row>
  readonly #save: (entries: readonly (readonly [string, T | null])[]) => void

  constructor(database: Database) {
    this.#all = database.prepare('SELECT service_uid, document FROM standing')
    const put = database.prepare<[string, string]>(
      'INSERT OR REPLACE INTO standing (service_uid, document) VALUES (?, ?)',
    )
    const remove = database.prepare<[string]>('DELETE FROM standing WHERE service_uid = ?')
    const save = database.transaction((entries: readonly (readonly [string, T | null])[]) => {
      for (const [uid, document] of entries) {
        if (document === null) remove.run(uid)
        else put.run(uid, JSON.stringify(document))
      }
    })
    this.#save = entries => save.immediate(entries)
  }

  all(): [uid: string, document: T][] {
    return this.#all.all().map(row => [row.service_uid, JSON.parse(row.document) as T])
  }

  /** Null: nothing to remember any more. */
  save(entries: readonly (readonly [string, T | null])[]): void {
    this.#save(entries)
  }
}
