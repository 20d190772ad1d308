/**
 * Collects services and real servers out of a foreign configuration, gives them names, and checks
 * the documents as if a client had written them: what has a fault is refused at its line, the rest
 * stands.
 */
import { DESTS_MAX, SERVICES_MAX } from '../../dataplane/limits.js'
import { readServer, readService, type ServiceContext } from '../documents/documents.js'
import { endpointOf } from '../documents/service-key.js'
import type { Fault } from '../errors.js'
import * as documents from '../ipvsadm/documents.js'
import type { DestSpec, ServiceKey, ServiceSpec } from '../ipvsadm/model.js'
import { candidates, serverName, serviceName } from '../ipvsadm/object-names.js'
import type { Checks } from './keepalived/checks.js'
import type { Policy } from './keepalived/service-policy.js'
import type { Present } from './present.js'
import { mark, type Entry, type Report, type Summary } from './report.js'

type ServiceConfig = ReturnType<typeof documents.serviceDocument>
type ServerConfig = ReturnType<typeof documents.serverDocument>

export interface ImportedDocument {
  virtualServices: Record<string, ServiceConfig>
  settings?: { timeouts: Partial<Record<TimeoutName, number>> }
}
export type TimeoutName = 'tcpSeconds' | 'tcpFinSeconds' | 'udpSeconds'

export interface Imported {
  document: ImportedDocument
  summary: Summary
  /** By line. */
  report: readonly Entry[]
}

export interface PlannedServer {
  spec: DestSpec
  entry: Entry
  /** Absent: as its service has them. */
  checks?: Checks
}

export interface PlannedService {
  spec: ServiceSpec
  entry: Entry
  /** By endpoint, in the order of the text. */
  servers: Map<string, PlannedServer>
  checks?: Checks
  /** The entry is where its faults belong. */
  policy?: { document: Policy; entry: Entry }
}

/** A few lines can stand for many services; that many, and as many that turn out to be doubles. */
const WORK_MAX = 4 * (SERVICES_MAX + DESTS_MAX)

export class Assembly {
  readonly services = new Map<string, PlannedService>()
  readonly #report: Report
  readonly #present: Present
  readonly #manageAddress: boolean
  #timeouts: Partial<Record<TimeoutName, number>> | null = null
  #serverCount = 0
  #budget = WORK_MAX

  constructor(report: Report, present: Present, manageAddress: boolean) {
    this.#report = report
    this.#present = present
    this.#manageAddress = manageAddress
  }

  find(key: ServiceKey): PlannedService | null {
    return this.services.get(documents.keyText(key)) ?? null
  }

  /** Null when it cannot be: then the entry says why. */
  addService(spec: ServiceSpec, entry: Entry): PlannedService | null {
    const key = documents.keyText(spec.key)
    const holder = this.services.get(key)
    if (holder !== undefined) {
      mark(entry, 'refused', `Line ${holder.entry.line} has this virtual service already.`)
      return null
    }
    if (this.services.size >= SERVICES_MAX - 1) {
      mark(entry, 'refused', `There can be at most ${SERVICES_MAX - 1} virtual services.`)
      return null
    }
    const service: PlannedService = { spec, entry, servers: new Map() }
    this.services.set(key, service)
    return service
  }

  /** False when it cannot be: then its entry says why. */
  addServer(service: PlannedService, server: PlannedServer): boolean {
    const endpoint = endpointOf(server.spec)
    const holder = service.servers.get(endpoint)
    if (holder !== undefined) {
      const reason = `Line ${holder.entry.line} has the real server ${endpoint} already.`
      mark(server.entry, 'refused', reason)
      return false
    }
    if (this.#serverCount >= DESTS_MAX - 1) {
      mark(server.entry, 'refused', `At most ${DESTS_MAX - 1} real servers fit in all.`)
      return false
    }
    this.#serverCount++
    service.servers.set(endpoint, server)
    return true
  }

  /** Whether that many services and real servers may still be looked at. */
  spend(count: number): boolean {
    if (count > this.#budget) return false
    this.#budget -= count
    return true
  }

  removeService(key: ServiceKey): void {
    const text = documents.keyText(key)
    this.#serverCount -= this.services.get(text)?.servers.size ?? 0
    this.services.delete(text)
  }

  removeServer(service: PlannedService, endpoint: string): void {
    if (service.servers.delete(endpoint)) this.#serverCount--
  }

  setTimeouts(timeouts: Partial<Record<TimeoutName, number>>): void {
    this.#timeouts = { ...this.#timeouts, ...timeouts }
  }

  async finish(pause: () => Promise<void>): Promise<Imported> {
    const virtualServices: Record<string, ServiceConfig> = {}
    const used = new Set<string>()
    for (const [key, service] of this.services) {
      await pause()
      const name = this.#serviceName(key, service, used)
      const document = this.#check(name, service)
      if (document === null) continue
      used.add(name)
      virtualServices[name] = document
      service.entry.pointer ??= `/virtualServices/${name}`
    }
    const timeouts = this.#timeouts === null ? {} : { settings: { timeouts: this.#timeouts } }
    const report = this.#report.sorted()
    return { document: { virtualServices, ...timeouts }, summary: this.#report.summary(), report }
  }

  /** What is there already keeps its name, so that importing twice is importing once. */
  #serviceName(key: string, service: PlannedService, used: ReadonlySet<string>): string {
    const there = this.#present.services.get(key)
    if (there !== undefined) return there.name
    for (const name of candidates(serviceName(service.spec.key)))
      if (!used.has(name) && !this.#present.names.has(name)) return name
    throw new RangeError('candidates never end')
  }

  #check(name: string, service: PlannedService): ServiceConfig | null {
    const { spec } = service
    const unmanaged = this.#manageAddress ? {} : { manageAddress: false }
    const document: ServiceConfig = { ...documents.serviceDocument(spec), ...unmanaged }
    if (service.checks !== undefined) document.healthChecks = { inline: { ...service.checks } }
    const { faults } = readService(name, document, {})
    if (faults.length > 0) {
      refuseService(service, faults)
      return null
    }
    const policy = checkedPolicy(name, document, service)
    if (policy !== null) document.policy = policy
    const context: ServiceContext = {
      family: spec.key.family === 4 ? 'ipv4' : 'ipv6',
      port: spec.key.fwmark === 0 ? spec.key.port : null,
    }
    const realServers: Record<string, ServerConfig> = {}
    for (const [serverName, { spec, entry, checks }] of this.#serverNames(service)) {
      const server = withoutPort(documents.serverDocument(spec), context)
      if (checks !== undefined) server.healthChecks = { named: [], inline: { ...checks } }
      const { faults } = readServer(serverName, server, context)
      for (const { detail } of faults) mark(entry, 'refused', detail)
      if (faults.length > 0) continue
      realServers[serverName] = server
      entry.pointer ??= `/virtualServices/${name}/realServers/${serverName}`
    }
    return { ...document, realServers }
  }

  #serverNames(service: PlannedService): Map<string, PlannedServer> {
    const there = this.#present.services.get(documents.keyText(service.spec.key))
    const reserved = new Set(there?.servers.values() ?? [])
    const names = new Map<string, PlannedServer>()
    for (const [endpoint, server] of service.servers) {
      let name = there?.servers.get(endpoint)
      for (const candidate of candidates(serverName(server.spec))) {
        name ??= names.has(candidate) || reserved.has(candidate) ? undefined : candidate
        if (name !== undefined) break
      }
      names.set(name!, server)
    }
    return names
  }
}

/** Null when there is none, or when something is wrong with it: then its entry says what. */
function checkedPolicy(name: string, document: ServiceConfig, service: PlannedService) {
  if (service.policy === undefined) return null
  const { document: policy, entry } = service.policy
  const { sorryServer } = policy
  if (sorryServer !== undefined && service.servers.has(endpointOf(sorryServer))) {
    mark(entry, 'refused', 'The sorry server is one of the real servers.')
    return null
  }
  const { faults } = readService(name, { ...document, policy }, {})
  for (const { detail } of faults) mark(entry, 'refused', detail)
  return faults.length > 0 ? null : policy
}

/** One whose port has to be its service's leaves it out, so that it follows when that changes. */
function withoutPort(document: ServerConfig, { port }: ServiceContext): ServerConfig {
  if (document.forwarding === 'masq' || document.port !== port) return document
  return Object.fromEntries(
    Object.entries(document).filter(([name]) => name !== 'port'),
  ) as ServerConfig
}

function refuseService(service: PlannedService, faults: readonly Fault[]): void {
  for (const { detail } of faults) mark(service.entry, 'refused', detail)
  const reason = `The virtual service of line ${service.entry.line} was refused.`
  for (const { entry } of service.servers.values()) mark(entry, 'refused', reason)
}
