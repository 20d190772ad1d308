/** What a revision is told as: who made it, when, and every document before and after. */
import { isDeepStrictEqual } from 'node:util'
import type { Actor } from '../auth/actor.js'
import type { Occurrence } from '../journal/journal.js'
import type { Change, ChangeSet } from '../repo/configuration.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'

/** Where a write comes from, for the record. */
export interface Origin {
  /** Null where nobody has to say who they are. */
  actor: Actor | null
  requestId: string | null
  /** Why, in the words of whoever asks. */
  message: string | null
}

export const KINDS = [
  ...(['virtualService', 'realServer', 'markRule', 'healthCheck', 'settings'] as const),
] as const
export type Kind = (typeof KINDS)[number]

/**
 * One document before and after a revision; null = not there. Documents hold configuration alone,
 * complete and normalised. A virtual service's is without its real servers, which have their own:
 * their name is `service/server`. The name of the settings is `settings`.
 */
export interface CommittedChange {
  kind: Kind
  name: string
  before: object | null
  after: object | null
  /** Where the dataplane has virtual services and real servers in its lists, before and after. */
  positions?: { before: number | null; after: number | null }
}

export interface Commit extends Origin {
  revision: number
  /** ISO 8601. */
  at: string
  changes: readonly CommittedChange[]
}

/** Whose doing something is, and when (ISO 8601). */
export type Deed = Pick<Commit, 'actor' | 'requestId' | 'at'>

/** Hears of every revision. */
export interface CommitListener {
  /** Within the transaction that stores it: what throws here keeps the change from happening. */
  committing(commit: Commit): void
  /** Within a transaction: what else it brings about (drains). */
  happening?(occurrences: readonly Occurrence[]): void
  /** Once they are durable, oldest first. Must not throw. */
  committed?(commits: readonly Commit[]): void
}

/** Names of the virtual services that they change, or whose real servers they do. */
export function servicesOf(commits: readonly Commit[]): Set<string> {
  const changes = commits.flatMap(commit => commit.changes)
  const kinds: readonly Kind[] = ['virtualService', 'realServer']
  const named = changes.filter(({ kind }) => kinds.includes(kind))
  return new Set(named.map(({ name }) => name.split('/', 1)[0]!))
}

/** The documents that a change of records changes, services before their servers. */
export function changesOf({ services = [], settings, ...named }: ChangeSet) {
  const { markRules = [], healthChecks = [] } = named
  const changes = services.flatMap(({ before, after }) => serviceChanges(before, after))
  for (const { before, after } of healthChecks)
    add(changes, 'healthCheck', nameOf(before, after), before, after)
  for (const { before, after } of markRules)
    add(changes, 'markRule', nameOf(before, after), before, after)
  if (settings !== undefined) add(changes, 'settings', 'settings', settings.before, settings.after)
  return changes
}

function serviceChanges(
  before: ServiceRecord | null,
  after: ServiceRecord | null,
): CommittedChange[] {
  const changes: CommittedChange[] = []
  const service = nameOf(before, after)
  add(changes, 'virtualService', service, before, after)
  const old = serversOf(before)
  const wanted = serversOf(after)
  for (const name of new Set([...old.keys(), ...wanted.keys()])) {
    const was = old.get(name) ?? null
    const is = wanted.get(name) ?? null
    if (was !== is) add(changes, 'realServer', `${service}/${name}`, was, is)
  }
  return changes
}

function add(
  changes: CommittedChange[],
  kind: Kind,
  name: string,
  was: Placed | null,
  is: Placed | null,
): void {
  const before = was?.config ?? null
  const after = is?.config ?? null
  const positions = { before: was?.position ?? null, after: is?.position ?? null }
  if (positions.before === positions.after && isDeepStrictEqual(before, after)) return
  const placed = positions.before !== null || positions.after !== null
  changes.push({ kind, name, before, after, ...(placed ? { positions } : {}) })
}

interface Placed {
  config: object
  position?: number
}

const serversOf = (service: ServiceRecord | null): ReadonlyMap<string, ServerRecord> =>
  new Map((service?.servers ?? []).map(server => [server.name, server]))

const nameOf = <T extends { name: string }>(before: T | null, after: Change<T>['after']): string =>
  (before ?? after)!.name
