/** The configuration as one: its revision, and changes that happen whole or not at all. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'
import type { ServiceRecord } from './records.js'
import { VirtualServiceRepo } from './virtual-services.js'

/** A service before and after; null = not there. */
export interface Change {
  before: ServiceRecord | null
  after: ServiceRecord | null
}

export class ConfigurationRepo {
  readonly services: VirtualServiceRepo
  readonly #revision: Statement<[], { revision: number }>
  readonly #setRevision: Statement<[number]>
  readonly #commit: (changes: readonly Change[], revision: number) => void

  constructor(database: Database) {
    this.services = new VirtualServiceRepo(database)
    this.#revision = database.prepare('SELECT revision FROM configuration')
    this.#setRevision = database.prepare('UPDATE configuration SET revision = ?')
    const commit = database.transaction((changes: readonly Change[], revision: number) => {
      // Deletions first: what takes their place may have the same key.
      for (const { before, after } of changes) {
        if (before !== null && after === null) this.services.delete(before.name)
      }
      for (const { before, after } of changes) {
        if (before !== null && after !== null) this.services.update(before, after)
        if (before === null && after !== null) this.services.insert(after)
      }
      this.#setRevision.run(revision)
    })
    this.#commit = (changes, revision) => commit.immediate(changes, revision)
  }

  revision(): number {
    return this.#revision.get()!.revision
  }

  /** Durable when it returns. */
  commit(changes: readonly Change[], revision: number): void {
    this.#commit(changes, revision)
  }
}
