/**
 * Keeps account of drains: each is an operation, and what becomes of it is an event. A drain stands
 * in its real server's record, so whatever changes that record (a request to drain, its deadline, a
 * deletion, a rollback) is seen here, inside the transaction that stores it.
 */
import type { Actor } from '../auth/actor.js'
import type { Deed } from './commit.js'
import type { Occurrence } from '../journal/journal.js'
import { serverWord } from '../journal/server-word.js'
import type { ServiceChange } from '../repo/configuration.js'
import type { OperationRecord, OperationRepo } from '../repo/operations.js'
import type { DrainRecord, ServerRecord, ServiceRecord } from '../repo/records.js'

export const DRAIN = 'drain'

type OpenDrain = ServerRecord & { drain: DrainRecord }
interface Ending {
  state: 'drained' | 'expired' | 'cancelled'
  detail: string
  more?: object
}

/** Drains that began before they were operations are known by their real server. */
export const operationIdOf = ({ meta, drain }: OpenDrain): string =>
  drain.operationId ?? `drain-${meta.uid}`

export class DrainLedger {
  readonly #operations: OperationRepo

  constructor(operations: OperationRepo) {
    this.#operations = operations
  }

  /** Within the transaction of the change; returns what the journal is to tell. */
  follow(changes: readonly ServiceChange[], deed: Deed): Occurrence[] {
    const told = changes.flatMap(change => this.#ofService(change, deed))
    if (told.length > 0) this.#operations.prune(DRAIN)
    return told
  }

  /** Writes down drains that go on but are not known as operations. */
  adopt(services: Iterable<ServiceRecord>): void {
    for (const { name, servers } of services)
      for (const server of servers)
        if (isRunning(server) && this.#operations.get(operationIdOf(server)) === null)
          this.#operations.put(begun(`${name}/${server.name}`, server, null))
  }

  #ofService({ before, after }: ServiceChange, deed: Deed): Occurrence[] {
    const old = (before?.servers ?? []).filter(server => server.drain !== undefined)
    const there = new Map(after?.servers.map(server => [server.name, server]))
    const told = old.flatMap(was => {
      const is = there.get(was.name)
      return is === was ? [] : this.#step(`${before!.name}/${was.name}`, was, is, deed)
    })
    const known = new Set(old.map(({ name }) => name))
    for (const is of after?.servers ?? [])
      if (!known.has(is.name) && isRunning(is))
        told.push(...this.#begin(`${after!.name}/${is.name}`, is, deed))
    return told
  }

  #step(name: string, was: ServerRecord, is: ServerRecord | undefined, deed: Deed): Occurrence[] {
    const same = is?.drain !== undefined && is.drain.operationId === was.drain!.operationId
    if (same) return isRunning(was) ? this.#goOn(name, was, is as OpenDrain, deed) : []
    const told = isRunning(was)
      ? this.#cancel(name, was, is, deed)
      : this.#remove(name, was as OpenDrain, is, deed)
    if (is === undefined || !isRunning(is)) return told
    // It took no connections before either.
    const again = this.#begin(name, is, deed).filter(({ type }) => type.startsWith('drain.'))
    return [...told, ...again]
  }

  #begin(name: string, server: OpenDrain, deed: Deed): Occurrence[] {
    this.#operations.put(begun(name, server, deed.actor))
    const { deadlineSeconds, onDeadline, deadlineAt, connectionsAtStart } = server.drain
    const detail = { deadlineSeconds, onDeadline, deadlineAt, connections: connectionsAtStart }
    const told = [tell('drain.started', name, server, deed, { after: request(server), detail })]
    const word = serverWord(server.config)
    if (word === 'NO_MONITOR') told.push(statusChanged(name, deed, word, 'DRAINING'))
    return told
  }

  #goOn(name: string, was: OpenDrain, is: OpenDrain, deed: Deed): Occurrence[] {
    const { drain } = is
    if (drain.endedAt !== null) return this.#end(name, is, deed)
    const { deadlineAt, onDeadline } = was.drain
    if (drain.deadlineAt === deadlineAt && drain.onDeadline === onDeadline) return []
    const { id, document } = this.#recordOf(name, is)
    this.#operations.put({ ...begun(name, is, null), id, document: { ...document, ...ofWish(is) } })
    const documents = { before: request(was), after: request(is) }
    return [tell('drain.changed', name, is, deed, { ...documents, detail: null })]
  }

  #end(name: string, server: OpenDrain, deed: Deed): Occurrence[] {
    const { onDeadline, connectionsLeft = 0, connectionsReset } = server.drain
    const left = connectionsLeft ?? 0
    const counts = { onDeadline, connections: left, connectionsReset }
    const told: Occurrence[] = []
    const say = (type: string) => told.push(tell(type, name, server, deed, { detail: counts }))
    if (left > 0) say('drain.deadlineReached')
    if (left === 0 || onDeadline === 'reset') say('drain.drained')
    const more = { connectionsLeft: left, connectionsReset }
    this.#close(name, server, deed, { ...endingOf(left, server.drain), more })
    return told
  }

  #cancel(name: string, was: OpenDrain, is: ServerRecord | undefined, deed: Deed): Occurrence[] {
    const reason = reasonOf(was, is)
    const detail = `It was cancelled: ${reason}.`
    this.#close(name, was, deed, { state: 'cancelled', detail })
    const about = { before: request(was), detail: { reason } }
    return [tell('drain.cancelled', name, was, deed, about), ...back(name, was, is, deed)]
  }

  /** One that was over: its operation has ended before, its real server takes connections again. */
  #remove(name: string, was: OpenDrain, is: ServerRecord | undefined, deed: Deed): Occurrence[] {
    if (is === undefined) return []
    const about = { before: request(was), detail: { reason: reasonOf(was, is) } }
    return [tell('drain.removed', name, was, deed, about), ...back(name, was, is, deed)]
  }

  #close(name: string, server: OpenDrain, { actor, at }: Deed, ending: Ending): void {
    const known = this.#recordOf(name, server)
    const { state, detail, more = {} } = ending
    const document = { ...known.document, ...more, endedBy: actorText(actor) }
    this.#operations.put({ ...known, state, detail, endedAt: at, document })
  }

  #recordOf(name: string, server: OpenDrain): OperationRecord {
    return this.#operations.get(operationIdOf(server)) ?? begun(name, server, null)
  }
}

const isRunning = (server: ServerRecord): server is OpenDrain =>
  server.drain !== undefined && server.drain.endedAt === null

const request = ({ drain: { deadlineSeconds, onDeadline } }: OpenDrain) => ({
  deadlineSeconds,
  onDeadline,
})

const ofWish = (server: OpenDrain) => ({
  ...request(server),
  connectionsAtStart: server.drain.connectionsAtStart,
})

function begun(name: string, server: OpenDrain, by: Actor | null): OperationRecord {
  const [service] = name.split('/', 1)
  const { startedAt, deadlineAt, onDeadline } = server.drain
  const then = onDeadline === 'reset' ? 'then what is left is ended' : 'then what is left goes on'
  return {
    ...{ id: operationIdOf(server), kind: DRAIN, state: 'draining' },
    ...{ createdAt: startedAt, deadline: deadlineAt, endedAt: null },
    detail: `Real server '${name}' is drained until ${deadlineAt}; ${then}.`,
    document: {
      ...{ virtualService: service, realServer: server.name, ...ofWish(server) },
      ...{ startedBy: actorText(by), endedBy: null, connectionsLeft: null, connectionsReset: null },
    },
  }
}

const actorText = (actor: Actor | null) =>
  actor === null ? null : { kind: actor.kind, name: actor.name }

function endingOf(left: number, { onDeadline, connectionsReset }: DrainRecord): Ending {
  if (left === 0) return { state: 'drained', detail: 'No open connection was left.' }
  if (onDeadline === 'reset')
    return { state: 'drained', detail: `${connectionsReset ?? 0} connections were ended.` }
  return { state: 'expired', detail: `The deadline passed; ${left} connections go on.` }
}

function reasonOf(was: ServerRecord, is: ServerRecord | undefined): string {
  if (is === undefined) return 'the real server was removed'
  const { adminState } = is.config
  if (adminState !== was.config.adminState) return `adminState was set to ${adminState}`
  return 'by request'
}

/** Whoever is enabled takes connections again; of another adminState its own change tells. */
function back(
  name: string,
  was: ServerRecord,
  is: ServerRecord | undefined,
  deed: Deed,
): Occurrence[] {
  if (is === undefined || is.drain !== undefined) return []
  const word = serverWord(is.config)
  const same = is.config.adminState === was.config.adminState
  return same && word === 'NO_MONITOR' ? [statusChanged(name, deed, 'DRAINING', word)] : []
}

/** What the appliance finds by itself is a state; what somebody does is a change. */
function tell(
  type: string,
  name: string,
  server: OpenDrain,
  { actor, requestId, at }: Deed,
  about: Partial<Pick<Occurrence, 'before' | 'after' | 'detail'>>,
): Occurrence {
  const operation = operationIdOf(server)
  return {
    ...{ type, class: actor?.kind === 'system' ? 'state' : 'change', actor, requestId, at },
    ...{ kind: 'realServer', name, ...about },
    detail: { operation, ...about.detail },
  }
}

const statusChanged = (
  name: string,
  { actor, requestId, at }: Deed,
  before: string,
  after: string,
): Occurrence => ({
  ...{ type: 'realServer.statusChanged', class: 'state', kind: 'realServer', name },
  ...{ actor, requestId, at },
  ...{ before: { operatingStatus: before }, after: { operatingStatus: after } },
})
