/**
 * What happened: one journal feeds the stream of events, the long poll and the audit log. Changes of
 * the configuration are written inside the transaction that makes them, so none can be missed and
 * none can be told that did not happen; readers hear of entries once they are durable.
 */
import type { Logger } from 'pino'
import type { Actor, Cause } from '../auth/actor.js'
import type { Commit, CommitListener, CommittedChange } from '../change/commit.js'
import type { Database } from '../db.js'
import { messageOf, Problem } from '../errors.js'
import { serverWord } from './server-word.js'
import { CLASSES, JournalRepo } from '../repo/journal.js'
import type { EntryClass, EntryFilter, EntryRecord, NewEntry } from '../repo/journal.js'
import type { TokenRecord } from '../repo/tokens.js'

export type { EntryFilter, EntryRecord }

/** How many entries of each class are kept at least this long, and never longer. */
export const RETENTION = {
  entries: { change: 100_000, denial: 10_000, state: 10_000 } as Record<EntryClass, number>,
  days: 90,
}
/** Between two looks for what is too old or too much. */
const TRIM_MS = 60_000

export interface JournalOptions {
  database: Database
  logger: Logger
  now?: () => Date
  retention?: typeof RETENTION
}

/** What an entry needs; the rest is null. */
export type Occurrence = Pick<NewEntry, 'type' | 'class'> &
  Partial<Omit<NewEntry, 'actor' | 'actorKind'>> & { actor?: Actor | null }

export class Journal implements CommitListener {
  readonly #repo: JournalRepo
  readonly #logger: Logger
  readonly #now: () => Date
  readonly #retention: typeof RETENTION
  readonly #readers = new Set<() => void>()
  readonly #trimming: NodeJS.Timeout
  /** Entries since the start, by `class outcome`. */
  readonly written: Record<string, number> = {}
  /** Requests that were not carried out, since the start. */
  refusals = 0
  /** Requests whose changes are in the journal, until somebody asks. */
  readonly #committed = new Set<string>()
  /** The last page that was read: readers that keep up all want the same one. */
  #page: { after: number; limit: number; entries: EntryRecord[] } | null = null

  constructor({ database, logger, now, retention = RETENTION }: JournalOptions) {
    this.#repo = new JournalRepo(database)
    this.#logger = logger
    this.#now = now ?? (() => new Date())
    this.#retention = retention
    this.#trimming = setInterval(() => this.trim(), TRIM_MS)
    this.#trimming.unref()
  }

  /** Within the transaction of the change. */
  committing(commit: Commit): void {
    const { at, revision, actor, requestId, message } = commit
    const detail = message === null ? null : { message }
    for (const change of commit.changes) {
      const { kind, name, before, after } = change
      const type = `${kind}.${verbOf(change)}`
      // Spelt out, here and in #insert: what is spread together V8 makes among its old objects, where
      // the texts of an import pile up until all of its memory is looked through (400 MiB).
      this.#insert({
        type,
        class: 'change',
        at,
        revision,
        actor,
        requestId,
        kind,
        name,
        before,
        after,
        detail,
      })
      const moved = statusOf(change)
      if (moved === null) continue
      const common = { at, revision, actor, requestId, kind, name }
      this.#insert({ ...common, type: `${kind}.statusChanged`, class: 'state', ...moved })
    }
    this.#tookPart(requestId)
  }

  committed(): void {
    this.#tell()
  }

  /** Within the transaction of what they tell of. */
  happening(occurrences: readonly Occurrence[]): void {
    for (const each of occurrences) {
      this.#insert(each)
      this.#tookPart(each.requestId ?? null)
    }
    this.#page = null
    // After the transaction, which ends in this turn.
    setImmediate(() => this.#tell())
  }

  /** Who did the last of these to a thing: for what has no revision that would tell. */
  author = (kind: string, name: string, ...types: readonly string[]): string =>
    this.#repo.author(kind, name, types) ?? 'somebody (the journal has forgotten who)'

  /** Within the transaction that stores or deletes a token. */
  tokenChanged(before: TokenRecord | null, after: TokenRecord | null, by: Cause): void {
    const type = after === null ? 'token.revoked' : 'token.created'
    const { name } = (after ?? before)!
    const documents = { before: describe(before), after: describe(after) }
    this.#changed({ type, kind: 'token', name, ...documents }, by)
  }

  /** Within the transaction that stores or deletes a webhook; documents without secrets. */
  webhookChanged(name: string, documents: Pick<NewEntry, 'before' | 'after'>, by: Cause): void {
    this.#changed({ type: 'webhook.changed', kind: 'webhook', name, ...documents }, by)
  }

  #changed(what: Omit<Occurrence, 'class'>, by: Cause): void {
    this.happening([{ ...what, class: 'change', ...by }])
  }

  #tookPart(requestId: string | null): void {
    if (requestId !== null && this.#committed.size < 10_000) this.#committed.add(requestId)
  }

  /** Whether a request has changed something that was written down; to be asked once. */
  tookPart = (requestId: string): boolean => this.#committed.delete(requestId)

  /** Writes down what happened by itself, or besides the configuration. Does not throw. */
  record(...occurrences: readonly Occurrence[]): void {
    try {
      this.#repo.transaction(() => occurrences.forEach(each => this.#insert(each)))
      this.#tell()
    } catch (error) {
      const types = occurrences.map(({ type }) => type)
      this.#logger.error({ reason: messageOf(error), types }, 'the journal could not be written')
    }
  }

  /** The number of the newest entry. */
  last(): number {
    return this.#repo.last()
  }

  /** The newest entry that is no longer kept; 0: all are. */
  removedThrough(): number {
    return this.#repo.removedThrough()
  }

  /** Throws (EVENTS_REWOUND) when `after` has not happened here: another database was put in place. */
  mustKnow(after: number): void {
    const newest = Math.max(this.last(), this.removedThrough())
    if (after <= newest) return
    const detail = `The newest event is ${newest}; ${after} is none of this journal.`
    throw new Problem('EVENTS_REWOUND', detail)
  }

  /** What follows `after`, oldest first. Throws (EVENTS_TRUNCATED) when something is missing. */
  after(after: number, limit: number): readonly EntryRecord[] {
    const removed = this.#repo.removedThrough()
    if (after < removed) {
      const detail = `Entries up to ${removed} are no longer kept; ${after} is before them.`
      throw new Problem('EVENTS_TRUNCATED', detail)
    }
    return this.remaining(after, limit)
  }

  /** As `after`, but of what is there still: `removedThrough` tells whether something is missing. */
  remaining(after: number, limit: number): readonly EntryRecord[] {
    const page = this.#page
    if (page !== null && page.after === after && page.limit === limit) return page.entries
    const entries = this.#repo.after(after, limit)
    this.#page = { after, limit, entries }
    return entries
  }

  /** What is there still, newest first. */
  auditLog(below: number, limit: number, filter: EntryFilter): EntryRecord[] {
    return this.#repo.before(below, limit, filter)
  }

  /** Calls `reader` whenever there may be something new; returns what ends it. */
  subscribe(reader: () => void): () => void {
    this.#readers.add(reader)
    return () => void this.#readers.delete(reader)
  }

  get readers(): number {
    return this.#readers.size
  }

  /** Removes what is too old or too much. */
  trim(): void {
    const { entries, days } = this.#retention
    const since = new Date(this.#now().getTime() - days * 86_400_000).toISOString()
    try {
      this.#repo.transaction(() => {
        for (const each of CLASSES) this.#repo.trim(each, entries[each], since)
      })
      this.#page = null
    } catch (error) {
      this.#logger.error({ reason: messageOf(error) }, 'the journal could not be trimmed')
    }
  }

  close(): void {
    clearInterval(this.#trimming)
  }

  #insert(given: Occurrence): void {
    const { actor = null, outcome = 'done' } = given
    const key = `${given.class} ${outcome}`
    this.written[key] = (this.written[key] ?? 0) + 1
    this.#repo.insert({
      at: given.at ?? this.#now().toISOString(),
      type: given.type,
      class: given.class,
      outcome,
      actor: actor?.name ?? null,
      actorKind: actor?.kind ?? null,
      address: given.address ?? actor?.address ?? null,
      requestId: given.requestId ?? null,
      kind: given.kind ?? null,
      name: given.name ?? null,
      revision: given.revision ?? null,
      before: given.before ?? null,
      after: given.after ?? null,
      detail: given.detail ?? null,
    })
  }

  #tell(): void {
    this.#page = null
    for (const reader of [...this.#readers]) reader()
  }
}

const verbOf = ({ before, after }: CommittedChange) =>
  before === null ? 'created' : after === null ? 'deleted' : 'updated'

/** Of real servers: whether they take new connections, as far as the configuration says. */
function statusOf({ kind, before, after }: CommittedChange) {
  if (kind !== 'realServer' || after === null) return null
  const [was, is] = [before === null ? null : serverWord(before), serverWord(after)]
  if (was === is || (was === null && is === 'NO_MONITOR')) return null
  return {
    before: was === null ? null : { operatingStatus: was },
    after: { operatingStatus: is },
  }
}

const describe = (token: TokenRecord | null) =>
  token === null ? null : { scope: token.scope, expiresAt: token.expiresAt }
