/** The control plane: every rule between an API call and the database, the host and the dataplane. */
import { networkInterfaces } from 'node:os'
import type { Logger } from 'pino'
import type { Actor } from './auth/actor.js'
import { Applier } from './change/applier.js'
import { changesOf, servicesOf } from './change/commit.js'
import type { Commit, CommitListener, Origin } from './change/commit.js'
import { ConfigControl } from './control/config-control.js'
import {
  ConnectionLister,
  type ConnectionQuery,
  type ConnectionSource,
} from './live/connections.js'
import { Courtesy } from './live/courtesy.js'
import { Confirmations } from './change/confirmations.js'
import { memoriesOf, type Dataplane } from './dataplane/dataplane-client.js'
import type { Database } from './db.js'
import { DrainLedger } from './change/drain-ledger.js'
import { DrainControl } from './control/drain-control.js'
import { DrainFigures } from './live/drain-figures.js'
import { MaintenanceControl } from './control/maintenance-control.js'
import { differenceOf } from './change/difference.js'
import { State } from './change/draft.js'
import { Problem, problemOf } from './errors.js'
import type { Plan } from './change/ground.js'
import { ExchangeControl } from './control/exchange-control.js'
import { HealthCheckControl } from './control/health-check-control.js'
import { HealthBook } from './health/health-book.js'
import type { CheckPlatform } from './health/check-platform.js'
import { HealthControl, type CheckEngine } from './health/health-control.js'
import { LastStates } from './health/last-states.js'
import { History } from './change/history.js'
import type { HostControl } from './dataplane/host-state.js'
import { ImpactReader } from './change/impact.js'
import { listInterfaces } from './live/interface-list.js'
import type { Occurrence } from './journal/journal.js'
import { KillControl } from './control/kill-control.js'
import { KillRunner } from './live/kill-runner.js'
import { MarkRuleControl } from './control/mark-rule-control.js'
import { Joiner } from './maintenance/joiner.js'
import { MaintenanceBook } from './maintenance/maintenance-book.js'
import { MaintenanceClock } from './maintenance/maintenance-clock.js'
import { CheckMetrics } from './metrics/check-metrics.js'
import { tellOfConfiguration } from './metrics/configuration-metrics.js'
import { DataplaneMetrics } from './metrics/dataplane-metrics.js'
import { Metrics } from './metrics/metrics.js'
import { ServiceMetrics } from './metrics/service-metrics.js'
import type { Author } from './http/conditions.js'
import { decodeCursor, encodeCursor, NUMBER } from './http/paging.js'
import { CheckStateRepo } from './repo/check-states.js'
import { endLost } from './policy/on-down.js'
import { RampEvents } from './policy/ramp-events.js'
import { Reviewer } from './policy/reviewer.js'
import type { StandingDocument } from './policy/standing-document.js'
import { occurrencesOf } from './policy/standing-events.js'
import { Standings, type StandingChange } from './policy/standings.js'
import { OperationControl } from './control/operation-control.js'
import { OperationRepo } from './repo/operations.js'
import { ConfigurationRepo } from './repo/configuration.js'
import { IdempotencyRepo } from './repo/idempotency.js'
import { MaintenanceRepo } from './repo/maintenances.js'
import { StandingRepo } from './repo/standings.js'
import { ZeroRequest } from './schemas/live.js'
import type { PlanDocument } from './schemas/plan.js'
import { faultsOf } from './schemas/walk.js'
import { ServiceControl } from './control/service-control.js'
import { serviceOf } from './change/service-plans.js'
import { SettingsControl } from './control/settings-control.js'
import { SimulationControl } from './control/simulation-control.js'
import { StatisticsReader } from './live/statistics.js'
import { byName, Views } from './documents/views.js'
import { Writer, type Done, type Storing } from './change/writer.js'

export type { Answered } from './repo/idempotency.js'
export type {
  Announcement,
  HostControl,
  HostDest,
  HostService,
  HostState,
} from './dataplane/host-state.js'

export interface ControlOptions {
  database: Database
  dataplane: Dataplane
  host: HostControl
  connections: ConnectionSource
  logger: Logger
  /** Wall clock, for meta, reasons and deadlines. */
  now?: () => Date
  /** Hear of every revision. */
  listeners?: readonly CommitListener[]
  /** How long a write waits for a dataplane that is away. */
  patienceMs?: number
  /** Pause before the first new attempt to bring the host where it should be. */
  retryMs?: number
  /** What is known of the health of real servers; empty at first when absent. */
  health?: HealthBook
  /** What checks can be had here; everything when absent. */
  platform?: CheckPlatform
  /** Runs health checks; absent: nothing does. */
  engine?: CheckEngine
  /** Monotonic. */
  nowMs?: () => number
  /** Who did the last of these to a thing; absent: nobody remembers. */
  author?: Author
  /** Writes down what happens by itself. */
  record?: (...occurrences: readonly Occurrence[]) => void
  /** Calls `work` once, after so long; returns what prevents it. The default is a timer. */
  after?: (delayMs: number, work: () => void) => () => void
}

export const createControl = (options: ControlOptions): Control => new Control(options)

export class Control {
  readonly state: State
  readonly services: ServiceControl
  readonly settings: SettingsControl
  readonly markRules: MarkRuleControl
  readonly healthChecks: HealthCheckControl
  readonly simulations: SimulationControl
  readonly config: ConfigControl
  readonly exchange: ExchangeControl
  readonly kills: KillControl
  readonly drains: DrainControl
  readonly maintenances: MaintenanceControl
  readonly history: History
  /** Whoever checks writes it. */
  readonly health: HealthBook
  readonly checks: HealthControl
  readonly confirmations: Confirmations
  readonly operations: OperationControl
  readonly idempotency: IdempotencyRepo
  readonly courtesy: Courtesy
  /** What /metrics tells; others add what they have to tell. */
  readonly metrics = new Metrics()
  readonly #dataplane: Dataplane
  readonly #applier: Applier
  readonly #statistics: StatisticsReader
  readonly #connections: ConnectionLister
  readonly #impact: ImpactReader
  readonly #now: () => Date
  readonly #writer: Writer
  readonly #reviewer: Reviewer
  readonly #ramps: RampEvents

  constructor({ database, now = () => new Date(), listeners = [], ...options }: ControlOptions) {
    const { dataplane } = options
    const operations = new OperationRepo(database)
    const ledger = new DrainLedger(operations)
    const follower = { committing: ignore, committed: (all: readonly Commit[]) => follow(all) }
    const happening = (told: readonly Occurrence[]) => {
      for (const listener of listeners) listener.happening?.(told)
    }
    const repo = new ConfigurationRepo(database, [...listeners, follower], (services, deed) => {
      const told = ledger.follow(services, deed)
      if (told.length > 0) happening(told)
    })
    const state = new State(repo, options.platform)
    this.state = state
    this.#dataplane = dataplane
    this.#now = now
    this.health = options.health ?? new HealthBook()
    const { engine = noEngine } = options
    this.checks = new HealthControl({
      ...{ configuration: state, engine, book: this.health, now },
      nowMs: options.nowMs ?? (() => performance.now()),
      states: new LastStates({
        ...{ repo: new CheckStateRepo(database), logger: options.logger, now },
        after: options.after ?? timer,
      }),
    })
    const { health } = this
    const standings = new Standings({
      ...{
        health,
        repo: new StandingRepo<StandingDocument>(database),
        logger: options.logger,
        now,
      },
      nowMs: options.nowMs ?? (() => performance.now()),
    })
    this.#ramps = new RampEvents({
      record: occurrence => options.record?.(occurrence),
      nowMs: () => standings.nowMs,
      after: options.after ?? timer,
    })
    const runner = new KillRunner(options)
    const onMoved = (moved: readonly StandingChange[]) => {
      this.#ramps.follow(moved)
      const told = occurrencesOf(moved)
      if (told.length > 0) options.record?.(...told)
      void endLost(moved, { run: kill => runner.run(kill), logger: options.logger })
    }
    this.#applier = new Applier({ repo, state, now, ...options, standings, onMoved })
    const { rows, directory } = this.#applier
    this.history = new History(repo.revisions, state)
    const { tell } = this.history
    this.#writer = new Writer(state, this.#applier, now, tell, this.checks, () => joiner)
    this.#reviewer = new Reviewer({
      ...{ health, logger: options.logger, retryMs: options.retryMs ?? 1000 },
      whenReady: deadlineMs => dataplane.whenReady(deadlineMs),
      review: names => this.#writer.exclusive(() => this.#applier.review(names)),
    })
    this.#impact = new ImpactReader(memoriesOf(dataplane), rows, standings)
    const memories = memoriesOf(dataplane)
    const views = new Views(memories, rows, standings, this.health, name =>
      this.#applier.troubleOf(name),
    )
    this.services = new ServiceControl(state, views)
    this.settings = new SettingsControl(state, dataplane)
    this.markRules = new MarkRuleControl(state, dataplane)
    this.healthChecks = new HealthCheckControl(state)
    const kinds = { rules: this.markRules, checks: this.healthChecks }
    this.simulations = new SimulationControl(dataplane, directory)
    this.config = new ConfigControl(state, this.history, kinds)
    this.exchange = new ExchangeControl(
      () => ({
        services: [...state.services()].sort((a, b) => a.position - b.position),
        markRules: [...state.markRules()].sort(byName),
        settings: state.settings(),
      }),
      kinds,
    )
    this.idempotency = new IdempotencyRepo(database)
    this.confirmations = new Confirmations({
      ...{ operations, writer: this.#writer, config: this.config },
      ...{ repo, state, now, logger: options.logger, after: options.after ?? timer },
    })
    this.kills = new KillControl(runner, standings, name => state.service(name))
    const writer = this.#writer
    const { author = () => 'somebody' } = options
    const figures = new DrainFigures(memories, rows, options.connections)
    this.drains = new DrainControl({
      ...{ ...options, state, writer, applier: this.#applier, standings, runner, ledger, now },
      ...{ author, figures, successor: (service, server) => book.drainFor(service, server) },
    })
    const { confirmations, drains } = this
    this.operations = new OperationControl({ operations, confirmations, drains })
    const book = new MaintenanceBook({
      ...{ repo: new MaintenanceRepo(database), state, standings, now, record: options.record },
      ...{ drains, figures },
    })
    const clock = new MaintenanceClock({
      ...{ book, state, logger: options.logger, now, after: options.after ?? timer },
      exclusive: work => writer.exclusive(work),
    })
    const joiner = new Joiner({ book, clock, drains, happening })
    const follow = (commits: readonly Commit[]) => clock.look(servicesOf(commits))
    const impact = this.#impact
    this.maintenances = new MaintenanceControl({
      ...{ book, clock, state, writer, impact, now, author },
    })
    this.#statistics = new StatisticsReader(dataplane, rows)
    this.metrics.onFailure(reason =>
      options.logger.error({ reason }, 'a part of /metrics could not be told'),
    )
    this.metrics.add(
      new DataplaneMetrics(dataplane).collect,
      out => tellOfConfiguration(out, state, book.all()),
      new ServiceMetrics({
        ...{ memories, rows, health: this.health, services: () => state.services() },
        standings,
        troubleOf: name => this.#applier.troubleOf(name),
      }).collect,
      new CheckMetrics({
        histograms: () => engine.histograms(),
        losses: () => engine.losses(),
        checked: () => this.checks.checked(),
      }).collect,
    )
    this.courtesy = new Courtesy({ loops: memories.map(memory => memory.loop) })
    const service = (name: string) => state.service(name)
    this.#connections = new ConnectionLister(options.connections, rows, directory, service)
  }

  /**
   * Brings host and dataplane to what the database says and resolves once both have it, or rejects
   * (Problem) when the dataplane has not come up within `deadlineMs`.
   */
  async start(deadlineMs = 30_000): Promise<void> {
    // What nobody confirmed in time is gone before the first packet.
    this.confirmations.start()
    // And what is known of health is known before it.
    this.checks.start()
    const exclusive = (work: () => Promise<void>) => this.#writer.exclusive(work)
    const ready = await this.#applier.start(deadlineMs, exclusive)
    this.drains.start()
    await this.maintenances.start()
    this.#reviewer.start()
    // What changed while things were started.
    for (const { service } of this.health.entries()) this.#reviewer.look(service)
    if (ready) return
    const reason = this.#dataplane.reason ?? 'The dataplane did not come up.'
    throw new Problem('DATAPLANE_UNAVAILABLE', reason)
  }

  /** Lets writes in flight finish, then stops the dataplane. The host is the caller's to clear. */
  async stop(): Promise<void> {
    this.confirmations.stop()
    this.#applier.stop()
    this.#reviewer.stop()
    this.#ramps.stop()
    this.drains.stop()
    this.maintenances.stop()
    await this.#writer.idle()
    await this.checks.stop()
    await this.#dataplane.stop()
  }

  /** Why the appliance does not do its work; null when it does. */
  notReady(): string | null {
    if (this.#dataplane.phase === 'ready') return null
    return this.#dataplane.reason ?? 'The dataplane is not running.'
  }

  revision = (): number => this.state.revision
  now = (): Date => this.#now()

  /** Resolves once what follows from the health known so far is in force. */
  settled(): Promise<void> {
    return this.#reviewer.idle()
  }

  /** Resolves once no write is under way, nor what follows from one by itself. */
  idle(): Promise<void> {
    return this.#writer.idle()
  }

  /** Carries a planned write through; resolves once it is durable and in force. */
  write<T>(origin: Origin, plan: Plan<T>, storing?: Storing): Promise<Done<T>> {
    return this.#writer.write(origin, plan, storing)
  }

  /** What a planned write would do, the host asked too. Nothing is stored, nothing changes. */
  async attempt<T>(
    plan: Plan<T>,
    bodyOf: (body: T) => unknown = body => body,
    actor: Actor | null = null,
  ): Promise<PlanDocument> {
    const { status, body, revision, changes } = this.#writer.attempt(plan, actor)
    const document = {
      ...{ revision, status, body: bodyOf(body) ?? null },
      changes: changes === null ? [] : changesOf(changes).map(differenceOf),
      impact: this.#impact.of(changes ?? {}),
    }
    if (changes !== null) await this.#applier.examine(changes)
    return document
  }

  listConnections(query: ConnectionQuery, limit: number, cursor: string | undefined) {
    const start = Number(decodeCursor(cursor, NUMBER, '0'))
    const { items, nextCursor } = this.#connections.list(query, limit, start)
    return { items, nextCursor: nextCursor === null ? null : encodeCursor(String(nextCursor)) }
  }

  readStatistics(service: string | undefined) {
    const { state } = this
    const records = service === undefined ? [...state.services()] : [serviceOf(state, service)]
    return this.#statistics.read(records.sort(byName), this.#now())
  }

  async zeroStatistics(body: unknown) {
    const faults = faultsOf(ZeroRequest, body)
    if (faults.length > 0) throw problemOf(faults)
    const { service: name } = body as { service?: string }
    return this.#writer.exclusive(async () => {
      const service = name === undefined ? null : serviceOf(this.state, name)
      await this.#applier.zero(service)
      return this.readStatistics(name)
    })
  }

  listInterfaces() {
    return listInterfaces(this.#dataplane.ports, networkInterfaces())
  }
}

const noEngine: CheckEngine = {
  listen: () => () => undefined,
  set: () => undefined,
  delete: () => undefined,
  report: () => false,
  runNow: () => Promise.resolve(null),
  history: () => Promise.resolve(null),
  histograms: () => [],
  losses: () => [],
  close: () => Promise.resolve(),
}

const ignore = () => undefined

function timer(delayMs: number, work: () => void): () => void {
  const set = setTimeout(work, delayMs)
  set.unref()
  return () => clearTimeout(set)
}
