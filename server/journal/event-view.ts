/** An entry of the journal as the API shows it. */
import type { Event } from '../schemas/event.js'
import type { EntryRecord } from './journal.js'

export const viewOf = (entry: EntryRecord): Event => ({
  ...{ id: entry.id, at: entry.at, type: entry.type, outcome: entry.outcome },
  ...(entry.actor === null ? {} : { actor: { kind: entry.actorKind!, name: entry.actor } }),
  ...{ address: entry.address, requestId: entry.requestId, kind: entry.kind, name: entry.name },
  ...{ revision: entry.revision, before: entry.before, after: entry.after },
  detail: entry.detail as Event['detail'],
})
