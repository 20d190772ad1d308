/** The configuration as one: its revision, and changes that happen whole or not at all. */
import type { Statement } from 'better-sqlite3'
import { changesOf, type Commit, type CommitListener } from '../commit.js'
import type { Database } from '../db.js'
import { MarkRuleRepo } from './mark-rules.js'
import type { MarkRuleRecord, ServiceRecord, SettingsRecord } from './records.js'
import { SettingsRepo } from './settings.js'
import { VirtualServiceRepo } from './virtual-services.js'

/** Something before and after; null = not there. */
export interface Change<T> {
  before: T | null
  after: T | null
}
export type ServiceChange = Change<ServiceRecord>
export type MarkRuleChange = Change<MarkRuleRecord>

/** What one revision changes. */
export interface ChangeSet {
  services?: readonly ServiceChange[]
  markRules?: readonly MarkRuleChange[]
  settings?: { before: SettingsRecord; after: SettingsRecord }
}

/** A revision without what it changes. */
export type RevisionHead = Omit<Commit, 'changes'>

/** What takes it back. */
export function inverseOf({ services, markRules, settings }: ChangeSet): ChangeSet {
  const swap = <T>({ before, after }: Change<T>): Change<T> => ({ before: after, after: before })
  return {
    ...(services === undefined ? {} : { services: services.map(swap) }),
    ...(markRules === undefined ? {} : { markRules: markRules.map(swap) }),
    ...(settings === undefined
      ? {}
      : { settings: { before: settings.after, after: settings.before } }),
  }
}

export class ConfigurationRepo {
  readonly services: VirtualServiceRepo
  readonly markRules: MarkRuleRepo
  readonly settings: SettingsRepo
  readonly #revision: Statement<[], { revision: number }>
  readonly #setRevision: Statement<[number]>
  readonly #commit: (changes: ChangeSet, commit: Commit) => void
  readonly #listeners: readonly CommitListener[]

  constructor(database: Database, listeners: readonly CommitListener[] = []) {
    this.#listeners = listeners
    this.services = new VirtualServiceRepo(database)
    this.markRules = new MarkRuleRepo(database)
    this.settings = new SettingsRepo(database)
    this.#revision = database.prepare('SELECT revision FROM configuration')
    this.#setRevision = database.prepare('UPDATE configuration SET revision = ?')
    const commit = database.transaction((changes: ChangeSet, made: Commit) => {
      this.#commitServices(changes.services ?? [])
      this.#commitMarkRules(changes.markRules ?? [])
      if (changes.settings !== undefined) this.settings.update(changes.settings.after)
      this.#setRevision.run(made.revision)
      for (const listener of listeners) listener.committing(made)
    })
    this.#commit = (changes, made) => commit.immediate(changes, made)
  }

  revision(): number {
    return this.#revision.get()!.revision
  }

  /** Durable when it returns. */
  commit(changes: ChangeSet, head: RevisionHead): void {
    const made: Commit = { ...head, changes: changesOf(changes) }
    this.#commit(changes, made)
    for (const listener of this.#listeners) listener.committed?.([made])
  }

  #commitServices(changes: readonly ServiceChange[]): void {
    // Deletions first: what takes their place may have the same key.
    for (const { before, after } of changes) {
      if (before !== null && after === null) this.services.delete(before.name)
    }
    for (const { before, after } of changes) {
      if (before !== null && after !== null) this.services.update(before, after)
      if (before === null && after !== null) this.services.insert(after)
    }
  }

  #commitMarkRules(changes: readonly MarkRuleChange[]): void {
    for (const { before, after } of changes) {
      if (after === null) this.markRules.delete(before!.name)
      else if (before === null) this.markRules.insert(after)
      else this.markRules.update(after)
    }
  }
}
