/** What each health check said last, in SQLite: for the next start, and late. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'

export interface CheckStateRecord {
  service: string
  server: string
  name: string
  state: 'up' | 'down'
  since: string
}
type Key = Pick<CheckStateRecord, 'service' | 'server' | 'name'>

export class CheckStateRepo {
  readonly #all: Statement<[], CheckStateRecord>
  readonly #put: Statement<[CheckStateRecord]>
  readonly #delete: Statement<[Key]>
  readonly #save: (put: readonly CheckStateRecord[], gone: readonly Key[]) => void

  constructor(database: Database) {
    this.#all = database.prepare('SELECT * FROM check_state')
    this.#put = database.prepare(
      'INSERT OR REPLACE INTO check_state (service, server, name, state, since) ' +
        'VALUES (@service, @server, @name, @state, @since)',
    )
    this.#delete = database.prepare(
      'DELETE FROM check_state WHERE service = @service AND server = @server AND name = @name',
    )
    this.#save = database.transaction((put: readonly CheckStateRecord[], gone: readonly Key[]) => {
      for (const each of put) this.#put.run(each)
      for (const each of gone) this.#delete.run(each)
    })
  }

  all(): CheckStateRecord[] {
    return this.#all.all()
  }

  /** One transaction. */
  save(put: readonly CheckStateRecord[], gone: readonly Key[]): void {
    this.#save(put, gone)
  }
}
