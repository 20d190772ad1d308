/**
 * Changes that must be confirmed: in force at once, taken back by themselves when nobody confirms in
 * time. What is waiting stands in the database beside the revision, so a restart forgets nothing:
 * what has expired meanwhile is taken back before host and dataplane are given anything.
 */
import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { SYSTEM } from '../auth/actor.js'
import type { Origin } from './commit.js'
import type { ConfigControl } from '../control/config-control.js'
import { Draft, type State } from './draft.js'
import { Problem } from '../errors.js'
import type { ConfigurationRepo, RevisionHead } from '../repo/configuration.js'
import type { OperationRecord, OperationRepo } from '../repo/operations.js'
import type { Writer } from './writer.js'

export type { OperationRecord } from '../repo/operations.js'

export interface ConfirmationOptions {
  operations: OperationRepo
  writer: Writer
  config: ConfigControl
  repo: ConfigurationRepo
  state: State
  logger: Logger
  now: () => Date
  after: (delayMs: number, work: () => void) => () => void
}

const KIND = 'confirmation'
/** Operations that are looked through for what else was taken back: more than can wait at a time. */
const REMEMBERED_MAX = 1000
/** Pause before a rollback that could not be carried out is tried again. */
const RETRY_MS = 1000
/** Longest delay that a timer of Node takes. */
const DELAY_MAX_MS = 2 ** 31 - 1

export class Confirmations {
  readonly #options: ConfirmationOptions
  readonly #timers = new Map<string, () => void>()
  #stopped = false

  constructor(options: ConfirmationOptions) {
    this.#options = options
  }

  /** Before anything is in force: what has expired goes, what has not waits on. */
  start(): void {
    const { operations, now } = this.#options
    // The newest first: each is taken back from what those after it left.
    const waiting = operations.open(KIND).sort((a, b) => revisionOf(b) - revisionOf(a))
    for (const operation of waiting) {
      if (Date.parse(operation.deadline!) <= now().getTime()) this.#undoOffline(operation)
      else this.#watch(operation)
    }
  }

  stop(): void {
    this.#stopped = true
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }

  /** To be called within the transaction of the revision that is to be confirmed. */
  begin(id: string, head: RevisionHead, withinS: number): void {
    const { operations } = this.#options
    operations.put({
      ...{ id, kind: KIND, state: 'waiting', createdAt: head.at, endedAt: null },
      deadline: new Date(Date.parse(head.at) + withinS * 1000).toISOString(),
      detail: `Revision ${head.revision} is taken back unless it is confirmed.`,
      document: { revision: head.revision, rolledBackBy: null },
    })
  }

  newId = (): string => randomUUID()

  /** Once it is durable. */
  watch(id: string): OperationRecord {
    const operation = this.get(id)
    this.#watch(operation)
    return operation
  }

  get(id: string): OperationRecord {
    const found = this.#options.operations.get(id)
    if (found !== null) return found
    throw new Problem('OPERATION_NOT_FOUND', `There is no operation '${id.slice(0, 64)}'.`)
  }

  /** Idempotent. */
  confirm(id: string): OperationRecord {
    const operation = this.get(id)
    if (operation.state === 'confirmed') return operation
    this.#mustWait(operation)
    this.#forget(id)
    const detail = `Revision ${revisionOf(operation)} was confirmed and stays.`
    return this.#end(operation, 'confirmed', detail, {})
  }

  /** Takes the change back now. */
  async cancel(id: string, origin: Origin): Promise<OperationRecord> {
    const operation = this.get(id)
    if (operation.state === 'cancelled') return operation
    this.#mustWait(operation)
    return this.#undo(operation, 'cancelled', origin)
  }

  #mustWait({ state, detail }: OperationRecord): void {
    if (state === 'waiting') return
    throw new Problem('OPERATION_ENDED', `It has ended (${state}). ${detail}`)
  }

  #watch({ id, deadline }: OperationRecord, delayMs?: number): void {
    if (this.#stopped) return
    const { after, now } = this.#options
    const left = delayMs ?? Math.max(0, Date.parse(deadline!) - now().getTime())
    this.#forget(id)
    this.#timers.set(
      id,
      after(Math.min(left, DELAY_MAX_MS), () => void this.#expire(id)),
    )
  }

  #forget(id: string): void {
    this.#timers.get(id)?.()
    this.#timers.delete(id)
  }

  async #expire(id: string): Promise<void> {
    const { logger, now } = this.#options
    const operation = this.get(id)
    if (operation.state !== 'waiting' || this.#stopped) return
    if (Date.parse(operation.deadline!) > now().getTime()) return this.#watch(operation)
    try {
      await this.#undo(operation, 'rolledBack', this.#own(operation))
      logger.warn({ operation: id, revision: revisionOf(operation) }, 'not confirmed: taken back')
    } catch (error) {
      logger.error({ err: error, operation: id }, 'could not be taken back; trying again')
      this.#watch(operation, RETRY_MS)
    }
  }

  async #undo(operation: OperationRecord, state: string, origin: Origin) {
    const { writer, config } = this.#options
    let ended: OperationRecord | null = null
    const { revision } = await writer.write(
      origin,
      ground => {
        // Confirmed while this waited for its turn.
        this.#mustWait(this.get(operation.id))
        const revision = revisionOf(operation)
        return config.undo(revision, this.#takenBackSince(revision))(ground)
      },
      head => void (ended = this.#endUndone(operation, state, head.revision)),
    )
    this.#forget(operation.id)
    return ended ?? this.#endUndone(operation, state, revision)
  }

  /** Straight into the database: nothing is in force yet. */
  #undoOffline(operation: OperationRecord): void {
    const { state, repo, config, now, logger } = this.#options
    const draft = new Draft(state)
    const stamp = { revision: state.revision + 1, now: now().toISOString() }
    const revision = revisionOf(operation)
    config.undo(revision, this.#takenBackSince(revision))({ draft, stamp, tell: () => null })
    const changes = draft.changes()
    if (changes === null) return void this.#endUndone(operation, 'rolledBack', state.revision)
    const head = { revision: stamp.revision, at: stamp.now, ...this.#own(operation) }
    const storing = () => void this.#endUndone(operation, 'rolledBack', head.revision)
    repo.commit([{ head, changes, storing }])
    state.apply(changes, head.revision)
    logger.warn({ revision: revisionOf(operation) }, 'not confirmed in time: taken back at start')
  }

  /** Revisions before this one that were taken back after it, the newest first. */
  #takenBackSince(revision: number): number[] {
    const newest = { createdAt: '9999', id: '' }
    const ended = this.#options.operations.page({ kind: KIND }, newest, REMEMBERED_MAX)
    return ended
      .filter(each => revisionOf(each) < revision && Number(each.document.rolledBackBy) >= revision)
      .map(revisionOf)
      .sort((a, b) => b - a)
  }

  #own(operation: OperationRecord): Origin {
    const message = `Revision ${revisionOf(operation)} was not confirmed in time.`
    return { actor: SYSTEM, requestId: null, message }
  }

  #endUndone(operation: OperationRecord, state: string, revision: number): OperationRecord {
    const detail = `Revision ${revisionOf(operation)} was taken back by revision ${revision}.`
    return this.#end(operation, state, detail, { rolledBackBy: revision })
  }

  #end(operation: OperationRecord, state: string, detail: string, more: object): OperationRecord {
    const ended: OperationRecord = {
      ...{ ...operation, state, detail, endedAt: this.#options.now().toISOString() },
      document: { ...operation.document, ...more },
    }
    this.#options.operations.put(ended)
    this.#options.operations.prune(KIND)
    return ended
  }
}

const revisionOf = ({ document }: OperationRecord): number => document.revision as number
