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
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { MarkRuleConfig, Op } from '../../dataplane/protocol.js'
import { SYSTEM } from '../auth/actor.js'
import { DataplaneGone, OpRefused, type Dataplane } from '../dataplane/dataplane-client.js'
import { Directory } from '../dataplane/directory.js'
import { messageOf, Problem } from '../errors.js'
import { HostKeeper, hostProblem } from '../dataplane/host-keeper.js'
import type { Announcement, HostControl, HostState } from '../dataplane/host-state.js'
import { opsOf } from './plan.js'
import type { Deed } from './commit.js'
import type { StandingChange, Standings } from '../policy/standings.js'
import { inverseOf } from '../repo/configuration.js'
import type {
  ChangeSet,
  ConfigurationRepo,
  RevisionHead,
  ServiceChange,
} from '../repo/configuration.js'
import type { ServiceRecord } from '../repo/records.js'
import { Restorer } from '../dataplane/restorer.js'
import { RowTable } from '../live/row-table.js'
import type { State } from './draft.js'
import type { Commitment } from './writer.js'
import { keyOf } from '../documents/service-key.js'

export interface ApplierOptions {
  repo: ConfigurationRepo
  /** What is stored, in memory; brought up to date here. */
  state: State
  standings: Standings
  /** Hears of services that stand otherwise than before, once that is in force or on its way. */
  onMoved: (moved: readonly StandingChange[]) => void
  now: () => Date
  dataplane: Dataplane
  host: HostControl
  logger: Logger
  /** How long a write waits for a dataplane that is away. */
  patienceMs?: number
  /** Pause before the first new attempt to bring the host where it should be. */
  retryMs?: number
}

export class Applier {
  readonly rows = new RowTable()
  readonly directory: Directory
  readonly #restorer: Restorer
  readonly #repo: ConfigurationRepo
  readonly #state: State
  readonly #standings: Standings
  readonly #onMoved: ApplierOptions['onMoved']
  readonly #now: () => Date
  readonly #dataplane: Dataplane
  readonly #host: HostKeeper
  readonly #logger: Logger
  readonly #patienceMs: number
  #stopped = false

  constructor(options: ApplierOptions) {
    this.#repo = options.repo
    this.#state = options.state
    this.#standings = options.standings
    this.#onMoved = options.onMoved
    this.directory = new Directory(
      service => options.standings.of(service).fallback?.code === 'withdraw',
    )
    this.#now = options.now
    this.#dataplane = options.dataplane
    this.#logger = options.logger
    this.#restorer = new Restorer({
      ...{ state: options.state, standings: options.standings, rows: this.rows },
      markRules: () => this.#askable(this.directory.markRules.rules()),
      logger: options.logger,
    })
    this.#patienceMs = options.patienceMs ?? 5000
    this.#host = new HostKeeper({
      ...{ host: options.host, directory: this.directory, logger: options.logger },
      ...{ announce: list => this.#announce(list), retryMs: options.retryMs ?? 1000 },
    })
  }

  /** Brings everything to what is stored; false when no dataplane came up in time. */
  async start(
    deadlineMs: number,
    exclusive: (work: () => Promise<void>) => Promise<void>,
  ): Promise<boolean> {
    this.#host.start(exclusive)
    const state = this.#state
    this.#standings.forgetOthers(state.services())
    for (const service of state.services()) this.#standings.renew(service)
    this.#adopt({ services: [...state.services()].map(after => ({ before: null, after })) })
    this.directory.load([...state.services()], [...state.markRules()], state.settings())
    const announcements = await this.#host.prepare(this.directory.hostState())
    this.#dataplane.start(this.#restorer.restore)
    const ready = await this.#dataplane.whenReady(deadlineMs)
    await this.#host.tidy()
    if (ready) await this.#announce(announcements)
    this.#host.retryLater()
    return ready
  }

  stop(): void {
    this.#stopped = true
    this.#host.stop()
  }

  /** Why a service is not in force, as a reason code; null when it is. */
  troubleOf(service: string): string | null {
    if (this.#restorer.refused.has(service)) return 'DATAPLANE_REFUSED'
    return this.#host.unprepared.has(service) ? 'HOST_NOT_PREPARED' : null
  }

  /** For trial runs: throws what the change would be refused with where only the host can tell. */
  examine = (changes: ChangeSet): Promise<void> => this.#host.examine(changes)

  /** Throws unless what is stored is in force: an answer must not promise more than there is. */
  async settle(service: string | null): Promise<void> {
    await this.#needDataplane()
    const waits = service !== null && this.#host.unprepared.has(service)
    if (this.#host.untidy || waits) await this.#host.converge()
    const name = service ?? ''
    const why = this.#restorer.refused.get(name) ?? this.#host.unprepared.get(name)
    if (why !== undefined) throw this.#pending(`It is stored, but not in force: ${why}.`)
    if (this.#host.untidy) throw this.#pending('The host could not be tidied up yet.')
  }

  /**
   * Only one at a time. `changes` is what all of them change together; returns when it is in force.
   * Without commitments it is no configuration (a drain) and makes no revision: `by` tells whose
   * doing that is, `storing` stores what belongs to it in the same transaction.
   */
  async apply(
    commitments: readonly Commitment[],
    changes: ChangeSet,
    by: Omit<Deed, 'at'> = { actor: SYSTEM, requestId: null },
    storing?: () => void,
  ): Promise<void> {
    if (this.#stopped) throw new Problem('SHUTTING_DOWN', 'Sluice is stopping.')
    await this.#needDataplane()
    this.#decide(changes)
    const host = this.#host.change(changes)
    // Until the end of this change: what ends it halfway leaves something to tidy.
    this.#host.untidy = true
    const announcements = await this.#prepareFor(
      changes,
      host?.fresh ?? this.#host.desired(changes),
    )
    const rules = this.directory.markRules.rules(changes.markRules)
    const services = (changes.services ?? []).map(change => this.#asTheDataplaneSees(change))
    const ops = opsOf({ ...changes, services }, this.#askable(rules), this.#standings)
    await this.#store(commitments, changes, by, storing)
    // Only microtasks lie between the commit and the call: no worker can come up in between.
    await this.#toDataplane(changes, ops)
    await this.#announce(announcements)
    await this.#host.tidy(host?.stale)
    if (this.#host.untidy) {
      this.#host.retryLater()
      throw this.#pending('The change is in force, but the host could not be tidied up.')
    }
  }

  /**
   * Only one at a time. Brings in force what follows for these services from health and time: no
   * configuration, so nobody waits for it and nothing but how they stand is stored. A dataplane that
   * is away is not given it: returns the services that have to be looked at again.
   */
  async review(names: Iterable<string>): Promise<string[]> {
    if (this.#stopped) return []
    const services = [...names].flatMap((name): ServiceChange[] => {
      const before = this.#state.service(name)
      if (before === null) return []
      const was = this.#standings.of(before)
      // A record of its own, so that before and after can be told apart as with any other change.
      const after = { ...before }
      return isDeepStrictEqual(this.#standings.renew(after), was) ? [] : [{ before, after }]
    })
    return services.length === 0 ? [] : this.#bringInForce(services)
  }

  async #bringInForce(services: readonly ServiceChange[]): Promise<string[]> {
    const changes = { services }
    const host = this.#host.change(changes)
    this.#host.untidy = true
    const announcements = await this.#host.prepare(host?.fresh ?? this.#host.desired(changes))
    const names = namesOf(changes)
    if (this.#dataplane.phase !== 'ready') {
      // Of several workers, those that are there would miss it.
      await this.#host.tidy()
      this.#host.retryLater()
      return names
    }
    const seen = services.map(change => this.#asTheDataplaneSees(change))
    const ops = opsOf({ services: seen }, [], this.#standings)
    this.#state.apply(changes)
    this.directory.apply(changes)
    // As with configuration, only microtasks lie between this and the call.
    const moved = this.#standings.adopt(services)
    try {
      await this.#send(ops)
    } catch (cause) {
      if (!(cause instanceof OpRefused)) throw cause
      this.#logger.error({ err: cause, services: names }, 'the dataplane refused what follows')
      const inverse = inverseOf(changes)
      this.#state.apply(inverse)
      this.directory.apply(inverse)
      this.#standings.adopt(inverse.services ?? [])
      await this.#host.converge()
      this.#host.retryLater()
      return names
    }
    this.#onMoved(moved)
    await this.#announce(announcements)
    await this.#host.tidy(host?.stale)
    this.#host.retryLater()
    return []
  }

  /** Whoever comes up later was given what is stored. */
  async #send(ops: readonly Op[]): Promise<void> {
    if (ops.length === 0) return
    try {
      const { rows } = await this.#dataplane.call({ op: 'batch', ops: [...ops] })
      for (const [i, op] of ops.entries()) this.rows.applied(op, rows[i]!)
    } catch (cause) {
      if (!(cause instanceof DataplaneGone)) throw cause
      this.#logger.warn({ err: cause }, 'the dataplane went away during a change of weights')
    }
  }

  /** What follows for services that are about to be changed: by health and time as they are now. */
  #decide({ services = [] }: ChangeSet): void {
    for (const { after } of services) if (after !== null) this.#standings.renew(after)
  }

  #adopt({ services = [] }: ChangeSet): void {
    const moved = this.#standings.adopt(services)
    if (moved.length > 0) this.#onMoved(moved)
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
      return await this.#host.prepareFor(namesOf(changes), desired)
    } catch (cause) {
      await this.#host.tidy()
      this.#host.retryLater()
      throw hostProblem(cause)
    }
  }

  async #store(
    commitments: readonly Commitment[],
    changes: ChangeSet,
    by: Omit<Deed, 'at'>,
    storing?: () => void,
  ): Promise<void> {
    try {
      if (commitments.length === 0)
        this.#repo.storeAside(changes, { ...by, at: this.#now().toISOString() }, storing)
      else this.#repo.commit(commitments)
    } catch (cause) {
      await this.#host.tidy()
      this.#host.retryLater()
      const detail = `The database refused the change: ${messageOf(cause)}. Nothing was stored.`
      throw new Problem('STORAGE_FAILED', detail, { cause })
    }
    this.#state.apply(changes, commitments.at(-1)?.head.revision)
    this.directory.apply(changes)
    this.#adopt(changes)
    for (const name of namesOf(changes)) this.#restorer.refused.delete(name)
  }

  /** A service that it refused when it was restored is not there, whatever the database says. */
  #asTheDataplaneSees({ before, after }: ServiceChange): ServiceChange {
    return before !== null && this.#restorer.refused.has(before.name)
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
    this.#adopt(inverse)
    await this.#host.converge()
    this.#host.retryLater()
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
}

const namesOf = ({ services = [] }: ChangeSet): string[] =>
  services.map(({ before, after }) => (before ?? after)!.name)
