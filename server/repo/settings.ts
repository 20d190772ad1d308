/** The settings in SQLite: one row. */
import type { Statement } from 'better-sqlite3'
import type { Database } from '../db.js'
import type { SettingsFields } from '../schemas/settings.js'
import { completeSettings } from '../documents/settings-document.js'
import type { SettingsRecord } from './records.js'

interface Row {
  uid: string
  revision: number
  created_at: string
  updated_at: string
  document: string
}

export class SettingsRepo {
  readonly #get: Statement<[], Row>
  readonly #update: Statement<[Row]>

  constructor(database: Database) {
    this.#get = database.prepare('SELECT * FROM settings')
    this.#update = database.prepare(
      'UPDATE settings SET uid = @uid, revision = @revision, created_at = @created_at, ' +
        'updated_at = @updated_at, document = @document',
    )
  }

  get(): SettingsRecord {
    const row = this.#get.get()!
    return {
      name: 'settings',
      meta: {
        uid: row.uid,
        revision: row.revision,
        createdAt: row.created_at,
        updatedAt: row.updated_at,
      },
      config: completeSettings(JSON.parse(row.document) as Partial<SettingsFields>),
    }
  }

  update({ meta, config }: SettingsRecord): void {
    this.#update.run({
      uid: meta.uid,
      revision: meta.revision,
      created_at: meta.createdAt,
      updated_at: meta.updatedAt,
      document: JSON.stringify(config),
    })
  }
}
