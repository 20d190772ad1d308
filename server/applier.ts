/**
 * Carries a change through: host prepared, database, dataplane, host tidied. One change at a time.
 *
 *   1. The dataplane must be there, else nothing happens (DATAPLANE_UNAVAILABLE).
 *   2. host.beforeApply adds addresses and guard. If it cannot, what it added is taken back and
 *      nothing was stored (HOST_FAILED): everything that can fail for reasons of the client's has
 *      failed by now.
 *   3. One transaction stores the change. From here on it is the truth.
 *   4. One batch brings it to the dataplane. A worker that dies meanwhile is replaced and given the
 *      database, change included; that counts as applied. If no worker comes up in time, the answer
 *      is APPLY_PENDING: stored, and in force as soon as one is. A refusal cannot happen (all was
 *      checked); if it does, the change is taken back from the database (DATAPLANE_REFUSED).
 *   5. host.afterApply removes what is no longer needed. If it cannot, the change is in force, the
 *      left-overs are tried again until they are gone (APPLY_PENDING).
 */
import type { Logger } from 'pino'
import type { MarkRuleConfig, Op } from '../dataplane/protocol.js'
import { SYSTEM } from './actor.js'
import { DataplaneGone, OpRefused, type Call, type Dataplane } from './dataplane-client.js'
import { Directory } from './directory.js'
import { messageOf, Problem } from './errors.js'
import type { Announcement, HostChange, HostControl, HostState } from './host-state.js'
import { opsOf, restoreOf, settingsConfig } from './plan.js'
import { inverseOf } from './repo/configuration.js'
import type {
  ChangeSet,
  ConfigurationRepo,
  RevisionHead,
  ServiceChange,
} from './repo/configuration.js'
import type { ServiceRecord } from './repo/records.js'
import { RowTable } from './row-table.js'
import type { State } from './draft.js'
import type { Commitment } from './writer.js'
import { keyOf } from './service-key.js'

export interface ApplierOptions {
  repo: ConfigurationRepo
  /** What is stored, in memory; brought up to date here. */
  state: State
  now: () => Date
  dataplane: Dataplane
  host: HostControl
  logger: Logger
  /** How long a write waits for a dataplane that is away. */
  patienceMs?: number
  /** Pause before the first new attempt to bring the host where it should be. */
  retryMs?: number
}

const RETRY_MAX_MS = 30_000

export class Applier {
  readonly rows = new RowTable()
  readonly directory = new Directory()
  /** Services that the host or the dataplane does not have, and why. */
  readonly #unprepared = new Map<string, string>()
  readonly #refused = new Map<string, string>()
  readonly #repo: ConfigurationRepo
  readonly #state: State
  readonly #now: () => Date
  readonly #dataplane: Dataplane
  readonly #host: HostControl
  readonly #logger: Logger
  readonly #patienceMs: number
  readonly #firstRetryMs: number
  #retryMs: number
  /** The host may hold what nobody needs. */
  #untidy = false
  #retryTimer: NodeJS.Timeout | null = null
  #exclusive: (work: () => Promise<void>) => Promise<void> = work => work()
  #stopped = false

  constructor(options: ApplierOptions) {
    this.#repo = options.repo
    this.#state = options.state
    this.#now = options.now
    this.#dataplane = options.dataplane
    this.#host = options.host
    this.#logger = options.logger
    this.#patienceMs = options.patienceMs ?? 5000
    this.#firstRetryMs = options.retryMs ?? 1000
    this.#retryMs = this.#firstRetryMs
  }

  /** Brings everything to what is stored; false when no dataplane came up in time. */
  async start(
    deadlineMs: number,
    exclusive: (work: () => Promise<void>) => Promise<void>,
  ): Promise<boolean> {
    this.#exclusive = exclusive
    const state = this.#state
    this.directory.load([...state.services()], [...state.markRules()], state.settings())
    const announcements = await this.#prepare(this.directory.hostState())
    this.#dataplane.start(call => this.#restore(call))
    const ready = await this.#dataplane.whenReady(deadlineMs)
    await this.#tidy()
    if (ready) await this.#announce(announcements)
    this.#retryLater()
    return ready
  }

  stop(): void {
    this.#stopped = true
    if (this.#retryTimer) clearTimeout(this.#retryTimer)
  }

  /** Why a service is not in force, as a reason code; null when it is. */
  troubleOf(service: string): string | null {
    if (this.#refused.has(service)) return 'DATAPLANE_REFUSED'
    return this.#unprepared.has(service) ? 'HOST_NOT_PREPARED' : null
  }

  /** Throws unless what is stored is in force: an answer must not promise more than there is. */
  async settle(service: string | null): Promise<void> {
    await this.#needDataplane()
    const waits = service !== null && this.#unprepared.has(service)
    if (this.#untidy || waits) await this.#converge()
    const name = service ?? ''
    const why = this.#refused.get(name) ?? this.#unprepared.get(name)
    if (why !== undefined) throw this.#pending(`It is stored, but not in force: ${why}.`)
    if (this.#untidy) throw this.#pending('The host could not be tidied up yet.')
  }

  /**
   * Only one at a time. `changes` is what all of them change together; returns when it is in force.
   * Without commitments it is no configuration (a drain) and makes no revision.
   */
  async apply(commitments: readonly Commitment[], changes: ChangeSet): Promise<void> {
    if (this.#stopped) throw new Problem('SHUTTING_DOWN', 'Sluice is stopping.')
    await this.#needDataplane()
    const host = this.#hostChange(changes)
    // Until the end of this change: what ends it halfway leaves something to tidy.
    this.#untidy = true
    const announcements = await this.#prepareFor(changes, host?.fresh ?? this.#hostState(changes))
    const rules = this.directory.markRules.rules(changes.markRules)
    const services = (changes.services ?? []).map(change => this.#asTheDataplaneSees(change))
    const ops = opsOf({ ...changes, services }, this.#askable(rules))
    await this.#store(commitments, changes)
    // Only microtasks lie between the commit and the call: no worker can come up in between.
    await this.#toDataplane(changes, ops)
    await this.#announce(announcements)
    await this.#tidy(host?.stale)
    if (this.#untidy) {
      this.#retryLater()
      throw this.#pending('The change is in force, but the host could not be tidied up.')
    }
  }

  /** Counters and rates begin again; nothing is stored. */
  async zero(service: ServiceRecord | null): Promise<void> {
    await this.settle(service?.name ?? null)
    try {
      await this.#dataplane.call({ op: 'zero', key: service === null ? null : keyOf(service) })
    } catch (cause) {
      if (!(cause instanceof DataplaneGone)) throw cause
      const detail = `${cause.message} The counters may not have been zeroed.`
      throw new Problem('DATAPLANE_UNAVAILABLE', detail, { cause, headers: { 'retry-after': '1' } })
    }
  }

  async #needDataplane(): Promise<void> {
    if (await this.#dataplane.whenReady(this.#patienceMs)) return
    const reason = this.#dataplane.reason ?? 'The dataplane is not running.'
    throw new Problem('DATAPLANE_UNAVAILABLE', `${reason} Nothing was stored.`, {
      headers: { 'retry-after': '1' },
    })
  }

  async #prepareFor(changes: ChangeSet, desired: HostState): Promise<readonly Announcement[]> {
    try {
      const announcements = await this.#host.beforeApply(desired)
      for (const name of namesOf(changes)) this.#unprepared.delete(name)
      return announcements
    } catch (cause) {
      await this.#tidy()
      this.#retryLater()
      if (cause instanceof Problem) throw cause
      const detail = `The host could not be prepared: ${messageOf(cause)}. Nothing was stored.`
      throw new Problem('HOST_FAILED', detail, { cause })
    }
  }

  async #store(commitments: readonly Commitment[], changes: ChangeSet): Promise<void> {
    try {
      if (commitments.length === 0) this.#repo.storeAside(changes)
      else this.#repo.commit(commitments)
    } catch (cause) {
      await this.#tidy()
      this.#retryLater()
      const detail = `The database refused the change: ${messageOf(cause)}. Nothing was stored.`
      throw new Problem('STORAGE_FAILED', detail, { cause })
    }
    this.#state.apply(changes, commitments.at(-1)?.head.revision)
    this.directory.apply(changes)
    for (const name of namesOf(changes)) this.#refused.delete(name)
  }

  /** A service that it refused when it was restored is not there, whatever the database says. */
  #asTheDataplaneSees({ before, after }: ServiceChange): ServiceChange {
    return before !== null && this.#refused.has(before.name)
      ? { before: null, after }
      : { before, after }
  }

  async #toDataplane(changes: ChangeSet, ops: readonly Op[]): Promise<void> {
    if (ops.length === 0) return
    try {
      const { rows } = await this.#dataplane.call({ op: 'batch', ops: [...ops] })
      for (const [i, op] of ops.entries()) this.rows.applied(op, rows[i]!)
    } catch (cause) {
      if (cause instanceof OpRefused) throw await this.#takeBack(changes, cause)
      this.#logger.warn({ err: cause }, 'the dataplane went away during a change')
      // Whoever comes up next was given the database, which holds the change.
      if (await this.#dataplane.whenReady(this.#patienceMs)) return
      throw this.#pending(messageOf(cause), cause)
    }
    // Of several workers, one may have died over it; its successor is given the change as well.
    if (await this.#dataplane.whenReady(this.#patienceMs)) return
    throw this.#pending(this.#dataplane.reason ?? 'The dataplane is away.')
  }

  async #takeBack(changes: ChangeSet, cause: OpRefused): Promise<Problem> {
    const detail = `The dataplane refused the change: ${cause.message} (${cause.code}).`
    this.#logger.error({ err: cause, changes: namesOf(changes) }, 'dataplane refused a change')
    const inverse = inverseOf(changes)
    try {
      this.#repo.commit([{ head: this.#takingBack(), changes: inverse, storing: undefined }])
    } catch (error) {
      this.#logger.error({ err: error }, 'a refused change could not be taken back')
      return this.#pending(`${detail} It could not be taken back: ${messageOf(error)}.`, error)
    }
    this.#state.apply(inverse, this.#state.revision + 1)
    this.directory.apply(inverse)
    await this.#converge()
    this.#retryLater()
    if (cause.code === 'ENOSPC') return new Problem('LIMIT_REACHED', detail, { cause })
    return new Problem('DATAPLANE_REFUSED', `${detail} Nothing is stored.`, { cause })
  }

  #takingBack(): RevisionHead {
    const { revision } = this.#state
    const message = `The dataplane refused what came before; back to what it has.`
    const origin = { actor: SYSTEM, requestId: null, message }
    return { revision: revision + 1, at: this.#now().toISOString(), ...origin }
  }

  #pending(detail: string, cause?: unknown): Problem {
    return new Problem('APPLY_PENDING', detail, {
      cause,
      headers: { 'config-revision': String(this.#state.revision), 'retry-after': '1' },
    })
  }

  /** Announcing is a courtesy to the neighbours: they also ask by themselves. */
  async #announce(announcements: readonly Announcement[]): Promise<void> {
    const ops = announcements.map((each): Op => ({ op: 'announce', ...each }))
    for (const op of ops) {
      try {
        await this.#dataplane.call(op)
      } catch (error) {
        this.#logger.warn({ err: error, op }, 'an address could not be announced')
      }
    }
  }

  /** By an interface that the dataplane does not have, nothing comes in: such a rule says nothing. */
  #askable(rules: readonly MarkRuleConfig[]): MarkRuleConfig[] {
    const names = new Set(this.#dataplane.ports.map(port => port.name))
    return rules.filter(rule => rule.interface === null || names.has(rule.interface))
  }

  #hostState(changes: ChangeSet = {}): HostState {
    return this.directory.hostState(changes, new Set(this.#unprepared.keys()))
  }

  /** Null when the host is not where it should be: only the whole mends that. */
  #hostChange(changes: ChangeSet): HostChange | null {
    return this.#untidy || this.#unprepared.size > 0 ? null : this.directory.hostChange(changes)
  }

  /** `stale`: all that can be left over, when that is known. */
  async #tidy(stale?: HostState): Promise<void> {
    try {
      if (stale === undefined) await this.#host.afterApply(this.#hostState())
      else await this.#host.release(stale)
      this.#untidy = false
    } catch (error) {
      this.#untidy = true
      this.#logger.error({ err: error }, 'the host could not be tidied up; trying again')
    }
  }

  /** Halves what fails until only the services remain that the host cannot serve. */
  async #prepare(services: HostState): Promise<readonly Announcement[]> {
    if (services.length === 0) return []
    try {
      const announcements = await this.#host.beforeApply(services)
      for (const { name } of services) this.#unprepared.delete(name)
      return announcements
    } catch (error) {
      if (services.length > 1) {
        const half = services.length >>> 1
        const first = await this.#prepare(services.slice(0, half))
        return [...first, ...(await this.#prepare(services.slice(half)))]
      }
      const { name } = services[0]!
      this.#unprepared.set(name, messageOf(error))
      this.#logger.error({ err: error, service: name }, 'the host cannot serve a service')
      return []
    }
  }

  async #converge(): Promise<void> {
    const announcements = await this.#prepare(this.directory.hostState())
    await this.#tidy()
    await this.#announce(announcements)
  }

  /** Tries again, at growing distances, until the host is where it should be. */
  #retryLater(): void {
    const wanting = this.#untidy || this.#unprepared.size > 0
    if (!wanting) this.#retryMs = this.#firstRetryMs
    if (this.#stopped || this.#retryTimer !== null || !wanting) return
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null
      void this.#exclusive(async () => {
        if (this.#stopped) return
        await this.#converge()
        this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
        this.#retryLater()
      })
    }, this.#retryMs)
  }

  /** Gives a new worker everything. */
  async #restore(call: Call): Promise<void> {
    const records = [...this.#state.services()].sort((a, b) => a.position - b.position)
    this.#refused.clear()
    try {
      await this.#restoreAll(call, records)
    } catch (cause) {
      if (!(cause instanceof OpRefused)) throw cause
      this.#logger.error({ err: cause }, 'the dataplane refused the configuration; one by one')
      await this.#findRefused(call, records)
      const accepted = records.filter(({ name }) => !this.#refused.has(name))
      await this.#restoreAll(call, accepted)
    }
  }

  async #restoreAll(call: Call, records: readonly ServiceRecord[]): Promise<void> {
    const services = restoreOf(records, this.rows)
    const settings = settingsConfig(this.#state.settings())
    const markRules = this.#askable(this.directory.markRules.rules())
    const { services: rows, adoptedConns } = await call({
      op: 'restore',
      services,
      settings,
      markRules,
    })
    this.rows.restored(rows.map((each, i) => ({ key: services[i]!.service.key, rows: each })))
    this.#logger.info({ services: records.length, adoptedConns }, 'dataplane has everything')
  }

  /** One service that the dataplane refuses must not keep the others out. */
  async #findRefused(call: Call, records: readonly ServiceRecord[]): Promise<void> {
    await call({ op: 'flush' })
    for (const record of records) {
      try {
        const services = [{ before: null, after: record }]
        await call({ op: 'batch', ops: opsOf({ services }, []) })
      } catch (error) {
        if (!(error instanceof OpRefused)) throw error
        this.#refused.set(record.name, error.message)
        this.#logger.error({ err: error, service: record.name }, 'the dataplane refused a service')
      }
    }
    await call({ op: 'flush' })
  }
}

const namesOf = ({ services = [] }: ChangeSet): string[] =>
  services.map(({ before, after }) => (before ?? after)!.name)
