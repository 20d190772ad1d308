/** The configuration as one: its revision, and changes that happen whole or not at all. */
import { isDeepStrictEqual } from 'node:util'
import type { Statement } from 'better-sqlite3'
import { changesOf, type Commit, type CommitListener, type Deed } from '../change/commit.js'
import type { Database } from '../db.js'
import { keyOf } from '../documents/service-key.js'
import { HealthCheckRepo } from './health-checks.js'
import { MarkRuleRepo } from './mark-rules.js'
import type { HealthCheckRecord, MarkRuleRecord } from './records.js'
import type { ServiceRecord, SettingsRecord } from './records.js'
import { RevisionRepo } from './revisions.js'
import { SettingsRepo } from './settings.js'
import { VirtualServiceRepo } from './virtual-services.js'
import type { Commitment } from '../change/writer.js'

/** Something before and after; null = not there. */
export interface Change<T> {
  before: T | null
  after: T | null
}
export type ServiceChange = Change<ServiceRecord>
export type MarkRuleChange = Change<MarkRuleRecord>
export type HealthCheckChange = Change<HealthCheckRecord>

/** What one revision changes. */
export interface ChangeSet {
  services?: readonly ServiceChange[]
  markRules?: readonly MarkRuleChange[]
  healthChecks?: readonly HealthCheckChange[]
  settings?: { before: SettingsRecord; after: SettingsRecord }
}

/** A revision without what it changes. */
export type RevisionHead = Omit<Commit, 'changes'>

/** What takes it back. */
export function inverseOf(changes: ChangeSet): ChangeSet {
  const { services, markRules, healthChecks, settings } = changes
  const swap = <T>({ before, after }: Change<T>): Change<T> => ({ before: after, after: before })
  return {
    ...(services === undefined ? {} : { services: services.map(swap) }),
    ...(markRules === undefined ? {} : { markRules: markRules.map(swap) }),
    ...(healthChecks === undefined ? {} : { healthChecks: healthChecks.map(swap) }),
    ...(settings === undefined
      ? {}
      : { settings: { before: settings.after, after: settings.before } }),
  }
}

export class ConfigurationRepo {
  readonly services: VirtualServiceRepo
  readonly markRules: MarkRuleRepo
  readonly healthChecks: HealthCheckRepo
  readonly settings: SettingsRepo
  readonly revisions: RevisionRepo
  readonly #revision: Statement<[], { revision: number }>
  readonly #setRevision: Statement<[number]>
  readonly #commit: (commitments: readonly Commitment[], commits: readonly Commit[]) => void
  readonly #aside: (changes: ChangeSet, deed: Deed, storing: () => void) => void
  readonly #listeners: readonly CommitListener[]
  readonly #follow: ((changes: readonly ServiceChange[], deed: Deed) => void) | undefined

  /** `follow` is called within every transaction, of a revision or not. */
  constructor(
    database: Database,
    listeners: readonly CommitListener[] = [],
    follow?: (changes: readonly ServiceChange[], deed: Deed) => void,
  ) {
    this.#listeners = listeners
    this.#follow = follow
    this.services = new VirtualServiceRepo(database)
    this.markRules = new MarkRuleRepo(database)
    this.healthChecks = new HealthCheckRepo(database)
    this.settings = new SettingsRepo(database)
    this.revisions = new RevisionRepo(database)
    this.#revision = database.prepare('SELECT revision FROM configuration')
    this.#setRevision = database.prepare('UPDATE configuration SET revision = ?')
    const commit = database.transaction(
      (commitments: readonly Commitment[], commits: readonly Commit[]) => {
        for (const [i, { head, changes, storing }] of commitments.entries()) {
          this.#store(changes, head)
          this.revisions.insert(commits[i]!)
          for (const listener of listeners) listener.committing(commits[i]!)
          storing?.(head)
        }
        this.#setRevision.run(commits.at(-1)!.revision)
        this.revisions.prune()
      },
    )
    this.#commit = (commitments, commits) => commit.immediate(commitments, commits)
    const aside = database.transaction((changes: ChangeSet, deed: Deed, storing: () => void) => {
      this.#store(changes, deed)
      storing()
    })
    this.#aside = (changes, deed, storing) => aside.immediate(changes, deed, storing)
  }

  revision(): number {
    return this.#revision.get()!.revision
  }

  /** All of them or none; durable when it returns. */
  commit(commitments: readonly Commitment[]): void {
    const commits = commitments.map(({ head, changes }): Commit => ({
      ...head,
      changes: changesOf(changes),
    }))
    this.#commit(commitments, commits)
    for (const listener of this.#listeners) listener.committed?.(commits)
  }

  /**
   * What is no configuration (a drain) makes no revision. Durable when it returns; `storing` runs
   * within the transaction.
   */
  storeAside(changes: ChangeSet, deed: Deed, storing: () => void = () => undefined): void {
    this.#aside(changes, deed, storing)
  }

  #store(changes: ChangeSet, deed: Deed): void {
    const { services = [], markRules = [], healthChecks = [], settings } = changes
    this.#commitServices(services)
    this.#follow?.(services, deed)
    storeNamed(this.markRules, markRules)
    storeNamed(this.healthChecks, healthChecks)
    if (settings !== undefined) this.settings.update(settings.after)
  }

  #commitServices(changes: readonly ServiceChange[]): void {
    // What is not what it was goes first: another may take its key, or two may have swapped theirs.
    const stays = ({ before, after }: ServiceChange) =>
      before !== null &&
      after !== null &&
      before.meta.uid === after.meta.uid &&
      isDeepStrictEqual(keyOf(before), keyOf(after))
    for (const change of changes)
      if (change.before !== null && !stays(change)) this.services.delete(change.before.name)
    for (const change of changes) {
      if (change.after === null) continue
      if (stays(change)) this.services.update(change.before!, change.after)
      else this.services.insert(change.after)
    }
  }
}

interface NamedRepo<T> {
  insert(record: T): void
  update(record: T): void
  delete(name: string): void
}

function storeNamed<T extends { name: string }>(
  repo: NamedRepo<T>,
  changes: readonly Change<T>[],
): void {
  for (const { before, after } of changes) {
    if (after === null) repo.delete(before!.name)
    else if (before === null) repo.insert(after)
    else repo.update(after)
  }
}
