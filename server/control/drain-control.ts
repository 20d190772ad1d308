/**
 * Drains of real servers: no new connections (effective weight 0), progress, and at the deadline
 * what was asked for. A drain stands beside the configuration, in the database, so its deadline is
 * a moment that a restart does not move; it makes no revision. It is over when it is deleted, when
 * the operator sets another adminState, or with its real server.
 */
import type { Logger } from 'pino'
import type { Applier } from '../change/applier.js'
import type { Origin } from '../change/commit.js'
import { operationIdOf, type DrainLedger } from '../change/drain-ledger.js'
import { DrainClock, type After } from './drain-clock.js'
import type { ServiceChange } from '../repo/configuration.js'
import { checkConditions, type Author, type Conditions } from '../http/conditions.js'
import type { DrainFigures } from '../live/drain-figures.js'
import { drainView, nextDrain, readDrain } from '../documents/drain-document.js'
import { assigned, type Assignment, type Place } from '../maintenance/assignment.js'
import { Problem } from '../errors.js'
import { serverFilter } from './kill-control.js'
import type { KillRunner } from '../live/kill-runner.js'
import { isInDataplane, type StandingSource } from '../change/plan.js'
import type { State } from '../change/draft.js'
import type { DrainRecord, ServerRecord, ServiceRecord } from '../repo/records.js'
import type { Drain } from '../schemas/drain.js'
import type { DrainProgress } from '../schemas/operation.js'
import { keyOf } from '../documents/service-key.js'
import { etagOf } from '../documents/views.js'
import type { Writer } from '../change/writer.js'

export interface DrainOptions {
  state: State
  writer: Writer
  applier: Applier
  standings: StandingSource
  figures: DrainFigures
  runner: KillRunner
  ledger: DrainLedger
  logger: Logger
  now: () => Date
  /** Who did the last of these to a thing, for messages. */
  author: Author
  /** The drain that a maintenance wants there once an operator's own is gone; null: none. */
  successor: (service: ServiceRecord, server: ServerRecord) => DrainRecord | null
  /** Calls `work` after so long; returns what prevents it. The default is a timer. */
  after?: After
}

export interface DrainAnswer {
  view: Drain
  etag: string
  /** Nothing is to be waited for: it is as it was, or has been seen to. */
  settled: boolean
  /** The operation that it is. */
  operation: string
}

const RETRY_MS = 1000

/** Whose doing something is. */
export type Doer = Pick<Origin, 'actor' | 'requestId'>

/** A drain that is looked after. */
interface Running {
  name: string
  server: string
  drain: DrainRecord
}
type Ended = Required<Pick<DrainRecord, 'connectionsLeft' | 'connectionsReset'>>

export class DrainControl {
  readonly #o: DrainOptions
  readonly #clock: DrainClock<Running>
  #stopped = false

  constructor(options: DrainOptions) {
    this.#o = options
    this.#clock = new DrainClock({
      ...{ now: options.now, after: options.after ?? later },
      onDue: due => this.#due(due),
      isOver: one => this.#isOver(one),
      onOver: over => void this.#end(over, null),
    })
  }

  /** Takes up the drains that are stored. */
  start(): void {
    this.#o.ledger.adopt(this.#o.state.services())
    for (const service of this.#o.state.services())
      for (const server of service.servers) this.#await(service, server)
  }

  stop(): void {
    this.#stopped = true
    this.#clock.stop()
  }

  get(name: string, server: string): DrainAnswer {
    const place = this.#find(name, server)
    if (place.server.drain === undefined) throw notDraining(name, server)
    return this.#answer(place, place.server.drain)
  }

  /** Asked for again as it is, it stays as it is; otherwise its deadline counts from now. */
  put(
    name: string,
    server: string,
    body: unknown,
    { conditions, dryRun, by }: { conditions: Conditions; dryRun: boolean; by: Doer },
  ): Promise<DrainAnswer> {
    return this.#o.writer.exclusive(async (): Promise<DrainAnswer> => {
      const place = this.#find(name, server)
      const wish = readDrain(body)
      this.#check(conditions, place)
      if (!isInDataplane(place.server)) {
        const detail = `Real server '${server}' is disabled: it has no traffic that could drain.`
        throw new Problem('REAL_SERVER_DISABLED', detail)
      }
      const was = place.server.drain
      refuseOwned(was)
      const live = this.#o.figures.liveOf(place)
      const connections = live.activeConns + live.inactConns
      const counts = { connections, open: openOf(live) }
      const drain = nextDrain(was, wish, this.#o.now(), counts)
      if (dryRun) return this.#answer(place, drain)
      if (drain === was) await this.#o.applier.settle(name)
      else this.#await(place.service, await this.#store(place, drain, by))
      return this.#answer(place, drain)
    })
  }

  /** The real server gets connections again, by its weight and state. */
  cancel(
    name: string,
    server: string,
    { conditions, missingOk, by }: { conditions: Conditions; missingOk: boolean; by: Doer },
  ): Promise<void> {
    return this.#o.writer.exclusive(async () => {
      const place = this.#find(name, server)
      this.#check(conditions, place)
      if (place.server.drain === undefined) {
        if (missingOk) return
        throw notDraining(name, server)
      }
      await this.#release(place, by)
    })
  }

  /**
   * Only while nothing else writes: other drains for many real servers, in one step. `storing` runs
   * within the transaction that stores them.
   */
  async assign(assignments: readonly Assignment[], by: Doer, storing?: () => void): Promise<void> {
    try {
      await this.#o.applier.apply([], { services: assigned(assignments) }, by, storing)
    } finally {
      this.attend(assignments)
    }
  }

  /** Awaits the deadlines that these have now. What is not in force yet has one as well. */
  attend(places: readonly Place[]): void {
    for (const { service, server } of places) {
      const current = this.#o.state.service(service.name)
      const now = current?.servers.find(({ name }) => name === server.name)
      if (current && now) this.#await(current, now)
    }
  }

  /** As `cancel`, if what goes on there is this operation; else nothing happens. */
  cancelIfCurrent(name: string, server: string, operation: string, by: Doer): Promise<void> {
    return this.#o.writer.exclusive(async () => {
      const found = this.#o.state.service(name)?.servers.find(each => each.name === server)
      if (found === undefined || !isDrained(found) || operationIdOf(found) !== operation) return
      if (found.drain.endedAt !== null) return
      await this.#release(this.#find(name, server), by)
    })
  }

  /** How far it has come, as far as the counters tell; null: it has gone. */
  progressOf(name: string, serverName: string): DrainProgress | null {
    const service = this.#o.state.service(name)
    const server = service?.servers.find(each => each.name === serverName)
    if (service === null || server?.drain === undefined) return null
    const live = this.#o.figures.countersOf({ service, server })
    const { status } = drainView(server.drain, { ...live, overConns: 0 }, this.#o.now())
    const { connections, activeConns, inactConns, persistConns, estimatedEndAt } = status
    return { connections, activeConns, inactConns, persistConns, estimatedEndAt }
  }

  #answer(place: Place, drain: DrainRecord): DrainAnswer {
    const view = drainView(drain, this.#o.figures.liveOf(place), this.#o.now())
    const settled = drain.endedAt !== null || view.status.state === 'drained'
    const operation = operationIdOf({ ...place.server, drain })
    return { view, etag: etagOf(identity(place, drain)), settled, operation }
  }

  #check(conditions: Conditions, { service, server }: Place): void {
    const { drain } = server
    checkConditions(
      conditions,
      drain === undefined ? null : identity({ service, server }, drain),
      () => {
        const name = `${service.name}/${server.name}`
        return this.#o.author('realServer', name, 'drain.started', 'drain.changed')
      },
    )
  }

  /** An operator's own drain ends; another one may follow. */
  async #release(place: Place, by: Doer): Promise<void> {
    refuseOwned(place.server.drain)
    const next = this.#o.successor(place.service, place.server)
    this.#await(place.service, await this.#store(place, next, by))
  }

  #find(name: string, serverName: string): Place {
    const service = this.#o.state.service(name)
    if (service === null) {
      throw new Problem('SERVICE_NOT_FOUND', `There is no virtual service '${name}'.`)
    }
    const server = service.servers.find(each => each.name === serverName)
    if (server !== undefined) return { service, server }
    const detail = `Virtual service '${name}' has no real server '${serverName}'.`
    throw new Problem('REAL_SERVER_NOT_FOUND', detail)
  }

  async #store(
    { service, server }: Place,
    drain: DrainRecord | null,
    by: Doer,
  ): Promise<ServerRecord> {
    const services = assigned([{ service, server, drain }])
    await this.#o.applier.apply([], { services }, by)
    return services[0]!.after.servers.find(({ name }) => name === server.name)!
  }

  #await({ name }: ServiceRecord, { name: server, drain }: ServerRecord): void {
    const key = keyFor(name, server)
    this.#clock.delete(key)
    if (drain === undefined || drain.endedAt !== null || this.#stopped) return
    this.#clock.set(key, { name, server, drain }, Date.parse(drain.deadlineAt))
  }

  /** Nobody is open, and nobody is bound to it by a template who would come back. */
  #isOver(one: Running): boolean {
    const place = this.#current(one)
    if (place === null) return false
    const live = this.#o.figures.liveOf(place)
    return openOf(live) === 0 && live.persistConns === 0
  }

  #due(due: readonly Running[]): void {
    void this.#end(
      due.filter(({ drain }) => drain.onDeadline === 'keep'),
      null,
    )
    for (const one of due) if (one.drain.onDeadline === 'reset') void this.#resetAndEnd(one)
  }

  async #resetAndEnd(one: Running): Promise<void> {
    try {
      const place = this.#current(one)
      if (place === null) return
      const left = openOf(this.#o.figures.liveOf(place))
      await this.#end([one], { connectionsLeft: left, connectionsReset: await this.#reset(place) })
    } catch (error) {
      this.#again([one], error)
    }
  }

  /** What fails is tried again. */
  #again(all: readonly Running[], error: unknown): void {
    if (this.#stopped) return
    const names = all.slice(0, 10).map(({ name, server }) => keyFor(name, server))
    this.#o.logger.warn({ err: error, servers: names }, 'drains could not be ended yet')
    const dueMs = this.#o.now().getTime() + RETRY_MS
    for (const one of all) this.#clock.set(keyFor(one.name, one.server), one, dueMs)
  }

  /** Not while others are kept from writing: a million connections take their time. */
  async #reset({ service, server }: Place): Promise<number> {
    if (!isInDataplane(server)) return 0
    const standing = this.#o.standings.of(service)
    const filter = { service: keyOf(service), ...serverFilter(server, standing) }
    const { connections } = await this.#o.runner.run({ filter, reset: true, dryRun: false })
    return connections
  }

  /** Many at once, as one change. `reset`: what was ended; null: nothing was to be. */
  async #end(all: readonly Running[], reset: Ended | null): Promise<void> {
    if (all.length === 0) return
    try {
      await this.#o.writer.exclusive(async () => {
        const services = this.#ended(all, reset)
        if (services.length === 0) return
        await this.#o.applier.apply([], { services })
        this.#o.logger.info({ drains: all.length, ...reset }, 'drains have ended')
      })
    } catch (error) {
      this.#again(all, error)
    }
  }

  /** The services of these drains, with each of them ended. */
  #ended(all: readonly Running[], reset: Ended | null): ServiceChange[] {
    const endedAt = this.#o.now().toISOString()
    const changes = new Map<string, Map<ServerRecord, ServerRecord>>()
    for (const one of all) {
      const place = this.#current(one)
      if (place === null) continue
      const { connectionsLeft, connectionsReset } = reset ?? {
        ...{ connectionsLeft: openOf(this.#o.figures.liveOf(place)), connectionsReset: null },
      }
      const drain = { ...place.server.drain!, endedAt, connectionsLeft, connectionsReset }
      const servers = changes.get(one.name) ?? new Map<ServerRecord, ServerRecord>()
      changes.set(one.name, servers.set(place.server, { ...place.server, drain }))
    }
    return [...changes].map(([name, ended]) => {
      const before = this.#o.state.service(name)!
      const servers = before.servers.map(each => ended.get(each) ?? each)
      return { before, after: { ...before, servers } }
    })
  }

  /** Where this very drain is; null when it was cancelled, changed, or went with its server. */
  #current({ name, server: serverName, drain }: Running): Place | null {
    const service = this.#o.state.service(name)
    const server = service?.servers.find(each => each.name === serverName)
    if (service === null || server?.drain === undefined) return null
    const { startedAt, deadlineAt, endedAt } = server.drain
    const same = startedAt === drain.startedAt && deadlineAt === drain.deadlineAt
    return same && endedAt === null ? { service, server } : null
  }
}

const isDrained = (server: ServerRecord): server is ServerRecord & { drain: DrainRecord } =>
  server.drain !== undefined

/** Connections that are not over. */
const openOf = (live: { activeConns: number; inactConns: number; overConns: number }): number =>
  live.activeConns + live.inactConns - live.overConns

/** What a maintenance began, it ends. */
function refuseOwned(drain: DrainRecord | undefined): void {
  if (drain?.maintenance === undefined) return
  const detail = `It is part of the maintenance '${drain.maintenance}'.`
  throw new Problem('DRAIN_OF_MAINTENANCE', detail)
}

const keyFor = (service: string, server: string): string => `${service}/${server}`

/** As conditional requests want it: its ETag moves with what was asked for. */
const identity = ({ service, server }: Place, { startedAt, requestedAt }: DrainRecord) => ({
  name: `${service.name}/${server.name}/drain`,
  meta: { ...server.meta, createdAt: startedAt, updatedAt: requestedAt },
})

const notDraining = (service: string, server: string): Problem =>
  new Problem('DRAIN_NOT_FOUND', `Real server '${server}' of '${service}' is not being drained.`)

function later(delayMs: number, work: () => void): () => void {
  const timer = setTimeout(work, delayMs)
  timer.unref()
  return () => clearTimeout(timer)
}
