/**
 * Drains of real servers: no new connections (effective weight 0), progress, and at the deadline
 * what was asked for. A drain stands beside the configuration, in the database, so its deadline is
 * a moment that a restart does not move; it makes no revision. It is over when it is deleted, when
 * the operator sets another adminState, or with its real server.
 */
import type { Logger } from 'pino'
import type { Applier } from '../change/applier.js'
import { checkConditions, type Conditions } from '../http/conditions.js'
import type { ConnectionSource } from '../live/connections.js'
import { memoriesOf, type Dataplane } from '../dataplane/dataplane-client.js'
import { drainView, nextDrain, readDrain } from '../documents/drain-document.js'
import { Problem } from '../errors.js'
import { serverFilter } from './kill-control.js'
import type { KillRunner } from '../live/kill-runner.js'
import { isInDataplane, type StandingSource } from '../change/plan.js'
import type { State } from '../change/draft.js'
import type { DrainRecord, ServerRecord, ServiceRecord } from '../repo/records.js'
import type { Drain } from '../schemas/drain.js'
import { endpointOf, keyOf, keyText } from '../documents/service-key.js'
import { readLive } from '../documents/status.js'
import { etagOf } from '../documents/views.js'
import type { Writer } from '../change/writer.js'

export interface DrainOptions {
  state: State
  writer: Writer
  applier: Applier
  standings: StandingSource
  dataplane: Dataplane
  connections: ConnectionSource
  runner: KillRunner
  logger: Logger
  now: () => Date
  /** Calls `work` after so long; returns what prevents it. The default is a timer. */
  after?: (delayMs: number, work: () => void) => () => void
}

export interface DrainAnswer {
  view: Drain
  etag: string
  /** Nothing is to be waited for: it is as it was, or has been seen to. */
  settled: boolean
}

/** Where a drain is. */
interface Place {
  service: ServiceRecord
  server: ServerRecord
}

/** setTimeout takes no more. */
const DELAY_MAX_MS = 2 ** 31 - 1
const RETRY_MS = 1000

export class DrainControl {
  readonly #o: DrainOptions
  /** Of each worker. */
  readonly #dests: Float64Array[]
  readonly #after: (delayMs: number, work: () => void) => () => void
  /** What ends the wait for each deadline, by `service/server`. */
  readonly #waits = new Map<string, () => void>()
  #stopped = false

  constructor(options: DrainOptions) {
    this.#o = options
    this.#after = options.after ?? later
    this.#dests = memoriesOf(options.dataplane).map(memory => new Float64Array(memory.dests))
  }

  /** Takes up the drains that are stored. */
  start(): void {
    for (const service of this.#o.state.services())
      for (const server of service.servers) this.#await(service, server)
  }

  stop(): void {
    this.#stopped = true
    for (const cancel of this.#waits.values()) cancel()
    this.#waits.clear()
  }

  get(name: string, server: string): DrainAnswer {
    const place = this.#find(name, server)
    if (place.server.drain === undefined) throw notDraining(name, server)
    return this.#answer(place, place.server.drain)
  }

  /** Asked for again as it is, it stays as it is; otherwise its deadline counts from now. */
  put(name: string, server: string, body: unknown, conditions: Conditions, dryRun: boolean) {
    return this.#o.writer.exclusive(async (): Promise<DrainAnswer> => {
      const place = this.#find(name, server)
      const wish = readDrain(body)
      this.#check(conditions, place)
      if (!isInDataplane(place.server)) {
        const detail = `Real server '${server}' is disabled: it has no traffic that could drain.`
        throw new Problem('REAL_SERVER_DISABLED', detail)
      }
      const was = place.server.drain
      const live = this.#live(place)
      const connections = live.activeConns + live.inactConns
      const drain = nextDrain(was, wish, this.#o.now(), connections)
      if (dryRun) return this.#answer(place, drain)
      if (drain === was) await this.#o.applier.settle(name)
      else this.#await(place.service, await this.#store(place, drain))
      return this.#answer(place, drain)
    })
  }

  /** The real server gets connections again, by its weight and state. */
  cancel(name: string, server: string, conditions: Conditions, missingOk: boolean): Promise<void> {
    return this.#o.writer.exclusive(async () => {
      const place = this.#find(name, server)
      this.#check(conditions, place)
      if (place.server.drain === undefined) {
        if (missingOk) return
        throw notDraining(name, server)
      }
      await this.#store(place, null)
      this.#forget(keyFor(name, server))
    })
  }

  #answer(place: Place, drain: DrainRecord): DrainAnswer {
    const view = drainView(drain, this.#live(place), this.#o.now())
    const settled = drain.endedAt !== null || view.status.state === 'drained'
    return { view, etag: etagOf(identity(place, drain)), settled }
  }

  #check(conditions: Conditions, { service, server }: Place): void {
    const { drain } = server
    checkConditions(conditions, drain === undefined ? null : identity({ service, server }, drain))
  }

  #live({ service, server }: Place) {
    const row = this.#o.applier.rows.dest(keyText(keyOf(service)), endpointOf(server.config))
    const live = readLive(this.#dests, row)
    // Who is active is not over, so nobody needs to be counted until none is.
    const countable = row !== null && live.activeConns === 0 && live.inactConns > 0
    const overConns = countable ? this.#o.connections.countOver(row) : 0
    return { ...live, overConns: Math.min(overConns, live.inactConns) }
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

  async #store({ service, server }: Place, drain: DrainRecord | null): Promise<ServerRecord> {
    const after: ServerRecord = { ...server }
    if (drain === null) delete after.drain
    else after.drain = drain
    const servers = service.servers.map(each => (each === server ? after : each))
    const change = { before: service, after: { ...service, servers } }
    await this.#o.applier.apply([], { services: [change] })
    return after
  }

  #await({ name }: ServiceRecord, { name: server, drain }: ServerRecord): void {
    const key = keyFor(name, server)
    this.#forget(key)
    if (drain === undefined || drain.endedAt !== null || this.#stopped) return
    const delayMs = Date.parse(drain.deadlineAt) - this.#o.now().getTime()
    this.#wait(key, delayMs, () => void this.#due(name, server, drain))
  }

  #wait(key: string, delayMs: number, work: () => void): void {
    const cancel = this.#after(Math.min(DELAY_MAX_MS, Math.max(0, delayMs)), () => {
      this.#waits.delete(key)
      work()
    })
    this.#waits.set(key, cancel)
  }

  #forget(key: string): void {
    this.#waits.get(key)?.()
    this.#waits.delete(key)
  }

  /** The deadline, unless another one was set meanwhile. What fails is tried again. */
  async #due(name: string, server: string, drain: DrainRecord): Promise<void> {
    try {
      const place = this.#current(name, server, drain)
      if (place === null) return
      if (this.#o.now() < new Date(drain.deadlineAt)) {
        this.#await(place.service, place.server)
        return
      }
      const reset = drain.onDeadline === 'reset' ? await this.#reset(place) : null
      await this.#end(name, server, drain, reset)
    } catch (error) {
      if (this.#stopped) return
      this.#o.logger.warn({ err: error, service: name, server }, 'a drain could not be ended yet')
      this.#wait(keyFor(name, server), RETRY_MS, () => void this.#due(name, server, drain))
    }
  }

  /** Not while others are kept from writing: a million connections take their time. */
  async #reset({ service, server }: Place): Promise<number> {
    if (!isInDataplane(server)) return 0
    const standing = this.#o.standings.of(service)
    const filter = { service: keyOf(service), ...serverFilter(server, standing) }
    const { connections } = await this.#o.runner.run({ filter, reset: true, dryRun: false })
    return connections
  }

  #end(name: string, server: string, drain: DrainRecord, connectionsReset: number | null) {
    return this.#o.writer.exclusive(async () => {
      const place = this.#current(name, server, drain)
      if (place === null) return
      const endedAt = this.#o.now().toISOString()
      await this.#store(place, { ...drain, endedAt, connectionsReset })
      this.#o.logger.info({ service: name, server, connectionsReset }, 'a drain has ended')
    })
  }

  /** Where this very drain is; null when it was cancelled, changed, or went with its server. */
  #current(name: string, serverName: string, drain: DrainRecord): Place | null {
    const service = this.#o.state.service(name)
    const server = service?.servers.find(each => each.name === serverName)
    if (service === null || server?.drain === undefined) return null
    const { startedAt, requestedAt, endedAt } = server.drain
    const same = startedAt === drain.startedAt && requestedAt === drain.requestedAt
    return same && endedAt === null ? { service, server } : null
  }
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
