/** What the configuration was: revisions, older states walked back to, differences between them. */
import { isDeepStrictEqual } from 'node:util'
import type { CommittedChange, Kind } from './commit.js'
import type { Manner } from '../documents/declared.js'
import { differenceOf } from './difference.js'
import type { State } from './draft.js'
import { Problem } from '../errors.js'
import { decodeCursor, encodeCursor, NUMBER, type Page } from '../http/paging.js'
import type { RevisionHeading, RevisionRepo } from '../repo/revisions.js'
import type { Difference } from '../schemas/plan.js'
import { isObject } from '../schemas/walk.js'
import {
  documentsOf,
  keyOfDocument,
  placesOf,
  splitKey,
  wholeOf,
} from '../documents/whole-document.js'
import type { Documents, Places } from '../documents/whole-document.js'

/** A configuration that was, to be gone back to. */
export interface Past {
  document: object
  places: Places
}

interface Parts {
  documents: Documents
  places: Places
}

export interface RevisionView extends RevisionHeading {
  changes: { kind: Kind; name: string; action: Difference['action'] }[]
}

/** Of one revision: a list must not grow with what an import changed. */
const LISTED_MAX = 100

export class History {
  readonly #revisions: RevisionRepo
  readonly #state: State

  constructor(revisions: RevisionRepo, state: State) {
    this.#revisions = revisions
    this.#state = state
  }

  /** Who made a revision, when if that is wanted, and what it changed, in words. */
  readonly tell = (revision: number, dated?: 'dated'): string | null => {
    const found = this.#revisions.get(revision)
    if (found === null) return null
    const changes = this.#revisions.changes(revision)
    const names = changes.slice(0, 3).map(({ kind, name }) => `${kind} ${name}`)
    const more = changes.length > names.length ? ` and ${changes.length - names.length} more` : ''
    const who = found.actor === null ? '' : ` of ${found.actor.name}`
    const why = found.message === null ? '' : `, "${found.message}"`
    const when = dated === undefined ? '' : ` at ${found.at}`
    return `revision ${revision}${who}${why}${when} (${names.join(', ')}${more})`
  }

  /** Newest first. */
  list(limit: number, cursor: string | undefined): Page<RevisionView> {
    const before = Number(decodeCursor(cursor, NUMBER, String(Number.MAX_SAFE_INTEGER)))
    const found = this.#revisions.page(before, limit + 1)
    const items = found.slice(0, limit)
    const nextCursor = found.length > limit ? encodeCursor(String(items.at(-1)!.revision)) : null
    return { items: items.map(each => this.#view(each)), nextCursor }
  }

  /** What a change list or a rollback is answered with. */
  view(revision: number): RevisionView {
    return this.#view(this.#found(revision))
  }

  /** The whole configuration as it was, every default said or none. */
  documentAt(revision: number, manner: Manner): object {
    return wholeOf(this.#walkBack(revision).documents, manner)
  }

  /** The same with the order in which the dataplane had everything. */
  at(revision: number): Past {
    const { documents, places } = this.#walkBack(revision)
    return { document: wholeOf(documents), places }
  }

  /** What brings the older state `against` to `revision`; without it, what that revision changed. */
  difference(revision: number, against: number | undefined): Difference[] {
    this.#found(revision)
    if (against === undefined) return this.#revisions.changes(revision).map(differenceOf)
    const before = this.#walkBack(against).documents
    const after = this.#walkBack(revision).documents
    const keys = [...new Set([...before.keys(), ...after.keys()])].sort()
    return keys.flatMap((key): Difference[] => {
      const was = before.get(key) ?? null
      const is = after.get(key) ?? null
      const [kind, name] = splitKey(key)
      const found = differenceOf({ kind, name, before: was, after: is })
      return found.fields.length === 0 && was !== null && is !== null ? [] : [found]
    })
  }

  /**
   * The present configuration without what a revision changed, and with what others changed since.
   * `takenBack` are older revisions that were taken back after it, the newest first: they are no
   * part of what there was before it.
   */
  without(revision: number, takenBack: readonly number[] = []): Past {
    const parts = this.#present()
    const older = takenBack.map(each => this.#byKey(each))
    for (const change of this.#revisions.changes(revision)) {
      const key = keyOfDocument(change.kind, change.name)
      let { before } = change
      for (const changes of older) {
        const earlier = changes.get(key)
        if (earlier !== undefined) before = changedBack(before, earlier) as object | null
      }
      const present = parts.documents.get(key) ?? null
      const left = before === null ? null : changedBack(present, { before, after: change.after })
      takeBack(parts, { ...change, before: left as object | null })
    }
    return { document: wholeOf(parts.documents), places: parts.places }
  }

  #byKey(revision: number): Map<string, CommittedChange> {
    const changes = this.#revisions.changes(revision)
    return new Map(changes.map(each => [keyOfDocument(each.kind, each.name), each]))
  }

  #present(): Parts {
    return { documents: documentsOf(this.#state), places: placesOf(this.#state) }
  }

  #walkBack(revision: number): Parts {
    this.#found(revision)
    const parts = this.#present()
    for (let each = this.#state.revision; each > revision; each--)
      for (const change of this.#revisions.changes(each)) takeBack(parts, change)
    return parts
  }

  #found(revision: number): RevisionHeading {
    const found = this.#revisions.get(revision)
    if (found !== null) return found
    const oldest = this.#revisions.oldest()
    if (revision > this.#state.revision) {
      const detail = `There is no revision ${revision} yet; the newest is ${this.#state.revision}.`
      throw new Problem('REVISION_NOT_FOUND', detail)
    }
    const detail = `Revision ${revision} is no longer kept; the oldest is ${oldest}.`
    throw new Problem('REVISION_GONE', detail)
  }

  #view(heading: RevisionHeading): RevisionView {
    const changes = this.#revisions.changes(heading.revision, LISTED_MAX)
    return {
      ...heading,
      changes: changes.map(change => {
        const { kind, name, before, after } = change
        const action = before === null ? 'create' : after === null ? 'delete' : 'update'
        return { kind, name, action }
      }),
    }
  }
}

function takeBack(parts: Parts, { kind, name, before, positions }: CommittedChange): void {
  const { documents, places } = parts
  const key = keyOfDocument(kind, name)
  if (before === null) documents.delete(key)
  else documents.set(key, before)
  if (before === null) places.delete(key)
  else if (typeof positions?.before === 'number') places.set(key, positions.before)
}

/** `present` with what is in it as `after` made it as it was before; absent is null or undefined. */
function changedBack(present: unknown, { before, after }: { before: unknown; after: unknown }) {
  if (isDeepStrictEqual(present, after)) return before
  if (!isObject(present) || !isObject(before) || !isObject(after)) return present
  const fields = Object.keys({ ...present, ...before }).map((name): [string, unknown] => [
    name,
    changedBack(present[name], { before: before[name], after: after[name] }),
  ])
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined))
}
