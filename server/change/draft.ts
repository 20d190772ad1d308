/**
 * The configuration in memory. `State` is what is stored; a `Draft` is what it would become: it
 * notes changes over a state or over another draft, which stay as they are. Whatever checks a write
 * runs over a draft, so a trial run, one write of many and a list of changes take one way.
 */
import { isDeepStrictEqual } from 'node:util'
import { EVERYTHING, type CheckPlatform } from '../health/check-platform.js'
import type { ChangeSet, ConfigurationRepo, ServiceChange } from '../repo/configuration.js'
import type { HealthCheckRecord, MarkRuleRecord } from '../repo/records.js'
import type { ServiceRecord, SettingsRecord } from '../repo/records.js'
import { keyOf, keyText } from '../documents/service-key.js'

export interface Counts {
  services: number
  servers: number
}

/** What both can be asked. */
export interface Configuration {
  /** Of the newest change that is stored. */
  readonly revision: number
  service(name: string): ServiceRecord | null
  /** In no order. */
  services(): Iterable<ServiceRecord>
  /** Name of a service with that key (see `keyText`), null when it is free. */
  holder(key: string): string | null
  counts(): Counts
  /** Highest place of a virtual service. */
  lastPosition(): number
  markRule(name: string): MarkRuleRecord | null
  markRules(): Iterable<MarkRuleRecord>
  healthCheck(name: string): HealthCheckRecord | null
  healthChecks(): Iterable<HealthCheckRecord>
  settings(): SettingsRecord
  /** What is stored: itself, or what a draft is over. */
  stored(): Configuration
  /** What checks can be had here. */
  readonly platform: CheckPlatform
}

const keyTextOf = (service: ServiceRecord): string => keyText(keyOf(service))

export class State implements Configuration {
  revision: number
  readonly platform: CheckPlatform
  readonly #services = new Map<string, ServiceRecord>()
  readonly #holders = new Map<string, string>()
  readonly #markRules = new Map<string, MarkRuleRecord>()
  readonly #healthChecks = new Map<string, HealthCheckRecord>()
  #settings: SettingsRecord
  #servers = 0
  #lastPosition = 0
  #names: string[] | null = null

  constructor(repo: ConfigurationRepo, platform = EVERYTHING) {
    this.platform = platform
    this.revision = repo.revision()
    this.#settings = repo.settings.get()
    this.apply({
      services: repo.services.all().map(after => ({ before: null, after })),
      markRules: repo.markRules.all().map(after => ({ before: null, after })),
      healthChecks: repo.healthChecks.all().map(after => ({ before: null, after })),
    })
  }

  service = (name: string): ServiceRecord | null => this.#services.get(name) ?? null
  services = (): Iterable<ServiceRecord> => this.#services.values()
  holder = (key: string): string | null => this.#holders.get(key) ?? null
  counts = (): Counts => ({ services: this.#services.size, servers: this.#servers })
  lastPosition = (): number => this.#lastPosition
  markRule = (name: string): MarkRuleRecord | null => this.#markRules.get(name) ?? null
  markRules = (): Iterable<MarkRuleRecord> => this.#markRules.values()
  healthCheck = (name: string): HealthCheckRecord | null => this.#healthChecks.get(name) ?? null
  healthChecks = (): Iterable<HealthCheckRecord> => this.#healthChecks.values()
  settings = (): SettingsRecord => this.#settings
  stored = (): Configuration => this

  /** Names of all services, sorted. */
  names(): readonly string[] {
    this.#names ??= [...this.#services.keys()].sort()
    return this.#names
  }

  /** After the change was stored. */
  apply(changes: ChangeSet, revision = this.revision): void {
    const { services = [], markRules = [], healthChecks = [], settings } = changes
    for (const { before } of services) {
      if (before === null) continue
      this.#services.delete(before.name)
      this.#holders.delete(keyTextOf(before))
      this.#servers -= before.servers.length
    }
    for (const { after } of services) {
      if (after === null) continue
      this.#services.set(after.name, after)
      this.#holders.set(keyTextOf(after), after.name)
      this.#servers += after.servers.length
      this.#lastPosition = Math.max(this.#lastPosition, after.position)
    }
    if (services.some(({ before, after }) => before === null || after === null)) this.#names = null
    for (const { before, after } of markRules) {
      if (after === null) this.#markRules.delete(before!.name)
      else this.#markRules.set(after.name, after)
    }
    for (const { before, after } of healthChecks) {
      if (after === null) this.#healthChecks.delete(before!.name)
      else this.#healthChecks.set(after.name, after)
    }
    if (settings !== undefined) this.#settings = settings.after
    this.revision = revision
  }
}

export class Draft implements Configuration {
  readonly #base: Configuration
  readonly #services = new Map<string, ServiceRecord | null>()
  /** Names of changed services by what they take. */
  readonly #holders = new Map<string, Set<string>>()
  readonly #markRules = new Map<string, MarkRuleRecord | null>()
  readonly #healthChecks = new Map<string, HealthCheckRecord | null>()
  #settings: SettingsRecord | null = null
  #counts: Counts
  #lastPosition: number

  constructor(base: Configuration) {
    this.#base = base
    this.#counts = base.counts()
    this.#lastPosition = base.lastPosition()
  }

  get revision(): number {
    return this.#base.revision
  }

  get platform(): CheckPlatform {
    return this.#base.platform
  }

  stored(): Configuration {
    return this.#base.stored()
  }

  service(name: string): ServiceRecord | null {
    const own = this.#services.get(name)
    return own === undefined ? this.#base.service(name) : own
  }

  *services(): Iterable<ServiceRecord> {
    for (const service of this.#base.services())
      if (!this.#services.has(service.name)) yield service
    for (const service of this.#services.values()) if (service !== null) yield service
  }

  holder(key: string): string | null {
    const [own] = this.#holders.get(key) ?? []
    if (own !== undefined) return own
    const base = this.#base.holder(key)
    return base === null || this.#services.has(base) ? null : base
  }

  /** Name of another service that takes the same packets. */
  rival(service: ServiceRecord): string | null {
    const key = keyTextOf(service)
    for (const name of this.#holders.get(key) ?? []) if (name !== service.name) return name
    const base = this.#base.holder(key)
    return base === null || base === service.name || this.#services.has(base) ? null : base
  }

  counts = (): Counts => this.#counts
  lastPosition = (): number => this.#lastPosition

  markRule(name: string): MarkRuleRecord | null {
    const own = this.#markRules.get(name)
    return own === undefined ? this.#base.markRule(name) : own
  }

  *markRules(): Iterable<MarkRuleRecord> {
    for (const rule of this.#base.markRules()) if (!this.#markRules.has(rule.name)) yield rule
    for (const rule of this.#markRules.values()) if (rule !== null) yield rule
  }

  healthCheck(name: string): HealthCheckRecord | null {
    const own = this.#healthChecks.get(name)
    return own === undefined ? this.#base.healthCheck(name) : own
  }

  *healthChecks(): Iterable<HealthCheckRecord> {
    for (const check of this.#base.healthChecks())
      if (!this.#healthChecks.has(check.name)) yield check
    for (const check of this.#healthChecks.values()) if (check !== null) yield check
  }

  settings = (): SettingsRecord => this.#settings ?? this.#base.settings()

  setService(name: string, after: ServiceRecord | null): void {
    const before = this.service(name)
    if (before === after) return
    if (before !== null) this.#holders.get(keyTextOf(before))?.delete(name)
    if (after !== null) {
      const key = keyTextOf(after)
      this.#holders.set(key, (this.#holders.get(key) ?? new Set()).add(name))
      this.#lastPosition = Math.max(this.#lastPosition, after.position)
    }
    const { services, servers } = this.#counts
    this.#counts = {
      services: services + (after === null ? 0 : 1) - (before === null ? 0 : 1),
      servers: servers + (after?.servers.length ?? 0) - (before?.servers.length ?? 0),
    }
    this.#services.set(name, after)
  }

  setMarkRule(name: string, after: MarkRuleRecord | null): void {
    if (this.markRule(name) !== after) this.#markRules.set(name, after)
  }

  setHealthCheck(name: string, after: HealthCheckRecord | null): void {
    if (this.healthCheck(name) !== after) this.#healthChecks.set(name, after)
  }

  setSettings(after: SettingsRecord): void {
    this.#settings = after
  }

  /** One over this one. */
  fork(): Draft {
    return new Draft(this)
  }

  /** Takes over what another draft over this one has noted. */
  absorb(other: Draft): void {
    for (const [name, after] of other.#services) this.setService(name, after)
    for (const [name, after] of other.#markRules) this.setMarkRule(name, after)
    for (const [name, after] of other.#healthChecks) this.setHealthCheck(name, after)
    if (other.#settings !== null) this.setSettings(other.#settings)
  }

  /** As `changes`, with services whose real servers are only drained otherwise: they come with others. */
  effects(): ChangeSet | null {
    return this.changes(
      (before, after) => isSameService(before, after) && isSameDrained(before, after),
    )
  }

  /** What differs from the base, null when nothing does. */
  changes(isAlike = isSameService): ChangeSet | null {
    const services = [...this.#services]
      .map(([name, after]): ServiceChange => ({ before: this.#base.service(name), after }))
      .filter(({ before, after }) => !isAlike(before, after))
    const markRules = [...this.#markRules]
      .map(([name, after]) => ({ before: this.#base.markRule(name), after }))
      .filter(({ before, after }) => !isSame(before, after))
    const healthChecks = [...this.#healthChecks]
      .map(([name, after]) => ({ before: this.#base.healthCheck(name), after }))
      .filter(({ before, after }) => !isSame(before, after))
    const before = this.#base.settings()
    const after = this.settings()
    const same = isDeepStrictEqual(before.config, after.config)
    const named = [...services, ...markRules, ...healthChecks]
    if (named.length === 0 && same) return null
    return {
      ...(services.length === 0 ? {} : { services }),
      ...(markRules.length === 0 ? {} : { markRules }),
      ...(healthChecks.length === 0 ? {} : { healthChecks }),
      ...(same ? {} : { settings: { before, after } }),
    }
  }
}

interface Identified {
  meta: { uid: string }
  config: object
}

/** Also what was changed and changed back; what was deleted and made again is another. */
function isSame(before: Identified | null, after: Identified | null): boolean {
  if (before === null || after === null) return before === after
  return (
    before === after ||
    (before.meta.uid === after.meta.uid && isDeepStrictEqual(before.config, after.config))
  )
}

function isSameService(before: ServiceRecord | null, after: ServiceRecord | null): boolean {
  if (!isSame(before, after)) return false
  if (before === after) return true
  const { servers } = after!
  return (
    before!.servers.length === servers.length &&
    before!.servers.every((server, i) => isSame(server, servers[i]!))
  )
}

/** Of two that are the same service. */
const isSameDrained = (before: ServiceRecord | null, after: ServiceRecord | null): boolean =>
  before === after ||
  before!.servers.every(({ drain }, i) => isDeepStrictEqual(drain, after!.servers[i]!.drain))
