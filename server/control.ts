/** The control plane: every rule between an API call and the database, the host and the dataplane. */
import { networkInterfaces } from 'node:os'
import type { Logger } from 'pino'
import { DESTS_MAX, SERVICES_MAX } from '../dataplane/limits.js'
import { Applier } from './applier.js'
import type { CommitListener, Origin } from './commit.js'
import { checkConditions, type Intent } from './conditions.js'
import { ConnectionLister, type ConnectionQuery, type ConnectionSource } from './connections.js'
import { memoriesOf, type Dataplane } from './dataplane-client.js'
import type { Database } from './db.js'
import { readServer, readService, type ServiceContext, type ServiceDraft } from './documents.js'
import { nextService, withServers, type Stamp } from './drafts.js'
import { Problem, problemOf, type Fault } from './errors.js'
import { ExchangeControl } from './exchange-control.js'
import type { HostControl } from './host-state.js'
import { listInterfaces } from './interface-list.js'
import { mergePatch } from './merge-patch.js'
import { KillControl } from './kill-control.js'
import { KillRunner } from './kill-runner.js'
import { MarkRuleControl } from './mark-rule-control.js'
import { NAME, NUMBER, decodeCursor, encodeCursor, pageOf, passes } from './paging.js'
import type { Page, Paging, ServerFilter } from './paging.js'
import { keyOf, keyText } from './plan.js'
import { ConfigurationRepo } from './repo/configuration.js'
import type { ServerRecord, ServiceRecord } from './repo/records.js'
import type { ServiceFilter } from './repo/virtual-services.js'
import { ZeroRequest } from './schemas/live.js'
import type { ServerConfig } from './schemas/real-server.js'
import { faultsOf } from './schemas/walk.js'
import { checkEndpoints, readSet } from './server-set.js'
import { SettingsControl } from './settings-control.js'
import { SimulationControl } from './simulation-control.js'
import { StatisticsReader } from './statistics.js'
import { byName, etagOf, serverDocument, serverDocuments, serviceDocument } from './views.js'
import { Views, type ServerView, type ServiceView, type Written } from './views.js'
import { Writer } from './writer.js'

export type { Announcement, HostControl, HostDest, HostService, HostState } from './host-state.js'

export interface ControlOptions {
  database: Database
  dataplane: Dataplane
  host: HostControl
  connections: ConnectionSource
  logger: Logger
  /** Wall clock, for meta and reasons. */
  now?: () => Date
  /** Hear of every revision. */
  listeners?: readonly CommitListener[]
  /** How long a write waits for a dataplane that is away. */
  patienceMs?: number
  /** Pause before the first new attempt to bring the host where it should be. */
  retryMs?: number
}

export const createControl = (options: ControlOptions): Control => new Control(options)

export class Control {
  readonly #repo: ConfigurationRepo
  readonly #dataplane: Dataplane
  readonly #applier: Applier
  readonly #views: Views
  readonly #statistics: StatisticsReader
  readonly #connections: ConnectionLister
  readonly #now: () => Date
  readonly #writer: Writer
  readonly settings: SettingsControl
  readonly markRules: MarkRuleControl
  readonly simulations: SimulationControl
  readonly exchange: ExchangeControl
  readonly kills: KillControl

  constructor({ database, now = () => new Date(), listeners = [], ...options }: ControlOptions) {
    this.#repo = new ConfigurationRepo(database, listeners)
    this.#dataplane = options.dataplane
    this.#now = now
    this.#applier = new Applier({ repo: this.#repo, ...options })
    this.#writer = new Writer(this.#repo, this.#applier, now)
    this.settings = new SettingsControl(this.#repo, this.#writer, options.dataplane)
    this.markRules = new MarkRuleControl(this.#repo, this.#writer, options.dataplane)
    const { rows, directory } = this.#applier
    this.exchange = new ExchangeControl(() => ({
      services: this.#repo.services.all().sort((a, b) => a.position - b.position),
      markRules: this.#repo.markRules.all(),
      settings: this.#repo.settings.get(),
    }))
    const runner = new KillRunner(options)
    this.kills = new KillControl(runner, name => this.#repo.services.get(name))
    this.simulations = new SimulationControl(options.dataplane, directory)
    const memories = memoriesOf(options.dataplane)
    this.#views = new Views(memories, rows, name => this.#applier.troubleOf(name))
    this.#statistics = new StatisticsReader(options.dataplane, rows)
    this.#connections = new ConnectionLister(options.connections, rows, directory, name =>
      this.#repo.services.get(name),
    )
  }

  /**
   * Brings host and dataplane to what the database says and resolves once both have it, or rejects
   * (Problem) when the dataplane has not come up within `deadlineMs`.
   */
  async start(deadlineMs = 30_000): Promise<void> {
    const exclusive = (work: () => Promise<void>) => this.#writer.exclusive(work)
    if (await this.#applier.start(deadlineMs, exclusive)) return
    const reason = this.#dataplane.reason ?? 'The dataplane did not come up.'
    throw new Problem('DATAPLANE_UNAVAILABLE', reason)
  }

  /** Lets writes in flight finish, then stops the dataplane. The host is the caller's to clear. */
  async stop(): Promise<void> {
    this.#applier.stop()
    await this.#writer.idle()
    await this.#dataplane.stop()
  }

  /** Why the appliance does not do its work; null when it does. */
  notReady(): string | null {
    if (this.#dataplane.phase === 'ready') return null
    return this.#dataplane.reason ?? 'The dataplane is not running.'
  }

  revision = (): number => this.#repo.revision()

  getService(name: string): Written<ServiceView> {
    return this.#written(this.#service(name), false)
  }

  listServices(filter: ServiceFilter, { limit, cursor, labels }: Paging): Page<ServiceView> {
    const after = decodeCursor(cursor, NAME, '')
    const records = this.#repo.services.page(after, limit + 1, filter, labels)
    return pageOf(records, limit, record => this.#views.service(record))
  }

  putService(name: string, body: unknown, intent: Intent): Promise<Written<ServiceView>> {
    return this.#write(intent.origin, stamp => {
      const before = this.#repo.services.get(name)
      checkConditions(intent, before)
      const kept = before === null ? {} : serverDocuments(before)
      return { before, after: this.#draftService(name, body, kept, before, stamp) }
    })
  }

  patchService(name: string, patch: unknown, intent: Intent): Promise<Written<ServiceView>> {
    return this.#write(intent.origin, stamp => {
      const before = this.#service(name)
      checkConditions(intent, before)
      const merged = mergePatch(serviceDocument(before), patch)
      return { before, after: this.#draftService(name, merged, {}, before, stamp) }
    })
  }

  async deleteService(name: string, intent: Intent, missingOk: boolean): Promise<number> {
    return this.#writer.run(intent.origin, async () => {
      const before = this.#repo.services.get(name)
      checkConditions(intent, before)
      const revision = await this.#commit(name, before, null)
      if (before === null && !missingOk) throw serviceNotFound(name)
      return revision
    })
  }

  getServer(name: string, server: string): Written<ServerView> {
    const service = this.#service(name)
    return this.#writtenServer(service, server, false)
  }

  listServers(name: string, filter: ServerFilter, paging: Paging): Page<ServerView> {
    const { limit, cursor, labels } = paging
    const after = decodeCursor(cursor, NAME, '')
    const service = this.#service(name)
    const records = service.servers
      .filter(server => server.name > after && passes(server, filter, labels))
      .sort(byName)
      .slice(0, limit + 1)
    return pageOf(records, limit, record => this.#views.server(service, record))
  }

  putServer(
    name: string,
    server: string,
    body: unknown,
    intent: Intent,
  ): Promise<Written<ServerView>> {
    return this.#writeServer(intent.origin, name, server, service => {
      checkConditions(intent, find(service, server))
      return body
    })
  }

  patchServer(
    name: string,
    server: string,
    patch: unknown,
    intent: Intent,
  ): Promise<Written<ServerView>> {
    return this.#writeServer(intent.origin, name, server, service => {
      const before = this.#server(service, server)
      checkConditions(intent, before)
      return mergePatch(serverDocument(service, before), patch)
    })
  }

  deleteServer(name: string, server: string, intent: Intent, missingOk: boolean): Promise<number> {
    return this.#writer.run(intent.origin, async stamp => {
      const before = this.#service(name)
      const record = find(before, server)
      checkConditions(intent, record)
      const drafts = configsOf(before)
      drafts.delete(server)
      const revision = await this.#commit(name, before, withServers(before, drafts, stamp))
      if (record === null && !missingOk) throw serverNotFound(name, server)
      return revision
    })
  }

  /** Makes the set what the document says; `merge` leaves those that it does not name. */
  async replaceServers(
    name: string,
    body: unknown,
    mode: 'replace' | 'merge',
    { origin }: Intent,
  ): Promise<{ page: Page<ServerView>; revision: number }> {
    const { revision } = await this.#write(origin, stamp => {
      const before = this.#service(name)
      const listed = readSet(body, contextOf(before))
      const drafts = new Map([...(mode === 'merge' ? configsOf(before) : []), ...listed])
      checkEndpoints(drafts, listed)
      this.#checkLimits(before, drafts.size)
      return { before, after: withServers(before, drafts, stamp) }
    })
    const service = this.#service(name)
    const records = [...service.servers].sort(byName)
    return {
      page: pageOf(records, Infinity, record => this.#views.server(service, record)),
      revision,
    }
  }

  listConnections(query: ConnectionQuery, limit: number, cursor: string | undefined) {
    const start = Number(decodeCursor(cursor, NUMBER, '0'))
    const { items, nextCursor } = this.#connections.list(query, limit, start)
    return { items, nextCursor: nextCursor === null ? null : encodeCursor(String(nextCursor)) }
  }

  readStatistics(service: string | undefined) {
    const records = service === undefined ? this.#repo.services.all() : [this.#service(service)]
    return this.#statistics.read(records.sort(byName), this.#now())
  }

  async zeroStatistics(body: unknown) {
    const faults = faultsOf(ZeroRequest, body)
    if (faults.length > 0) throw problemOf(faults)
    const { service: name } = body as { service?: string }
    return this.#writer.exclusive(async () => {
      const service = name === undefined ? null : this.#service(name)
      await this.#applier.zero(service)
      return this.readStatistics(name)
    })
  }

  listInterfaces() {
    return listInterfaces(this.#dataplane.ports, networkInterfaces())
  }

  #service(name: string): ServiceRecord {
    const found = this.#repo.services.get(name)
    if (found === null) throw serviceNotFound(name)
    return found
  }

  #server(service: ServiceRecord, name: string): ServerRecord {
    const found = find(service, name)
    if (found === null) throw serverNotFound(service.name, name)
    return found
  }

  #draftService(
    name: string,
    body: unknown,
    kept: Record<string, unknown>,
    before: ServiceRecord | null,
    stamp: Stamp,
  ): ServiceRecord {
    const { draft, faults } = readService(name, body, kept)
    if (draft === null) throw problemOf(faults)
    this.#checkHolder(name, draft)
    this.#checkLimits(before, draft.servers.size)
    return nextService(name, before, draft, stamp)
  }

  #checkHolder(name: string, draft: ServiceDraft): void {
    const holder = this.#repo.services.holder(draft)
    if (holder === null || holder === name) return
    const detail = `Virtual service '${holder}' already has ${keyText(keyOf(draft))}.`
    const pointer = draft.config.fwmark === undefined ? '/address' : '/fwmark'
    throw problemOf([{ pointer, code: 'SERVICE_EXISTS', detail }])
  }

  #checkLimits(before: ServiceRecord | null, serverCount: number): void {
    const { services, servers } = this.#repo.services.counts()
    // Row 0 of each memory means "none".
    const faults: Fault[] = []
    if (before === null && services + 1 >= SERVICES_MAX)
      faults.push(limitFault('', `There can be at most ${SERVICES_MAX - 1} virtual services.`))
    if (servers - (before?.servers.length ?? 0) + serverCount >= DESTS_MAX)
      faults.push(limitFault('/realServers', `At most ${DESTS_MAX - 1} real servers fit in all.`))
    if (faults.length > 0) throw problemOf(faults)
  }

  async #writeServer(
    origin: Origin,
    name: string,
    server: string,
    bodyOf: (service: ServiceRecord) => unknown,
  ): Promise<Written<ServerView>> {
    let created = false
    const { revision } = await this.#write(origin, stamp => {
      const before = this.#service(name)
      created = find(before, server) === null
      const { draft, faults } = readServer(server, bodyOf(before), contextOf(before))
      if (draft === null) throw problemOf(faults)
      const listed = new Map([[server, draft]])
      const drafts = new Map([...configsOf(before), ...listed])
      checkEndpoints(drafts, listed, '')
      this.#checkLimits(before, drafts.size)
      return { before, after: withServers(before, drafts, stamp) }
    })
    return { ...this.#writtenServer(this.#service(name), server, created), revision }
  }

  /** Plans a change and carries it through; nothing else writes meanwhile. */
  #write(
    origin: Origin,
    plan: (stamp: Stamp) => { before: ServiceRecord | null; after: ServiceRecord },
  ): Promise<Written<ServiceView>> {
    return this.#writer.run(origin, async stamp => {
      const { before, after } = plan(stamp)
      const revision = await this.#commit(after.name, before, after)
      return { ...this.#written(after, before === null), revision }
    })
  }

  #commit(
    name: string,
    before: ServiceRecord | null,
    after: ServiceRecord | null,
  ): Promise<number> {
    const services = before === after ? null : [{ before, after }]
    return this.#writer.commit(services === null ? null : { services }, name)
  }

  #written(service: ServiceRecord, created: boolean): Written<ServiceView> {
    const view = this.#views.service(service)
    return { view, etag: etagOf(service), created, revision: this.#repo.revision() }
  }

  #writtenServer(service: ServiceRecord, name: string, created: boolean): Written<ServerView> {
    const server = this.#server(service, name)
    const view = this.#views.server(service, server)
    return { view, etag: etagOf(server), created, revision: this.#repo.revision() }
  }
}

const find = (service: ServiceRecord, name: string): ServerRecord | null =>
  service.servers.find(server => server.name === name) ?? null

const contextOf = ({ family, config }: ServiceRecord): ServiceContext => ({
  family,
  port: config.port ?? null,
})

const configsOf = ({ servers }: ServiceRecord): Map<string, ServerConfig> =>
  new Map(servers.map(({ name, config }) => [name, config]))

const serviceNotFound = (name: string) =>
  new Problem('SERVICE_NOT_FOUND', `There is no virtual service '${name}'.`)

const serverNotFound = (service: string, name: string) =>
  new Problem('REAL_SERVER_NOT_FOUND', `Virtual service '${service}' has no real server '${name}'.`)

const limitFault = (pointer: string, detail: string): Fault => ({
  pointer,
  code: 'LIMIT_REACHED',
  detail,
})
