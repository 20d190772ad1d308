/** Who is behind an address: names by key and endpoint, and what the host has to provide. */
import { isDeepStrictEqual } from 'node:util'
import type { ServiceKey } from '../../dataplane/protocol.js'
import type { HostChange, HostMarkRules, HostService, HostState } from './host-state.js'
import { isInDataplane } from '../change/plan.js'
import { policyOf } from '../policy/standing.js'
import { MarkRuleBook } from './mark-rule-book.js'
import type { ChangeSet, ServiceChange } from '../repo/configuration.js'
import type { MarkRuleRecord, ServiceRecord, SettingsRecord } from '../repo/records.js'
import { endpointOf, keyOf, keyText } from '../documents/service-key.js'

const FTP_PORT = 21

interface Entry {
  key: string
  host: HostService
  /** Endpoint to name. */
  servers: ReadonlyMap<string, string>
}

export class Directory {
  /** Services whose address is to be off the host for now. */
  readonly #isWithdrawn: (service: ServiceRecord) => boolean
  readonly markRules = new MarkRuleBook()
  readonly #entries = new Map<string, Entry>()
  /** Key to name of the service. */
  readonly #names = new Map<string, string>()
  /** So that what was planned with a record is the very object that is later applied with it. */
  readonly #made = new WeakMap<ServiceRecord, Entry>()
  /** Services whose data connections are the dataplane's, by what they are without. */
  readonly #ftp = new WeakMap<HostService, HostService>()
  #ftpPorts: readonly number[] = [FTP_PORT]
  /** Mark services together with the rules of their time, likewise. */
  readonly #marked = new WeakMap<HostService, WeakMap<HostMarkRules, HostService>>()

  constructor(isWithdrawn: (service: ServiceRecord) => boolean = () => false) {
    this.#isWithdrawn = isWithdrawn
  }

  load(
    services: readonly ServiceRecord[],
    markRules: readonly MarkRuleRecord[],
    settings: SettingsRecord,
  ): void {
    this.#entries.clear()
    this.#names.clear()
    this.#ftpPorts = settings.config.ftpPorts
    this.markRules.load(markRules)
    this.apply({ services: services.map(after => ({ before: null, after })) })
  }

  apply({ services = [], markRules = [], settings }: ChangeSet): void {
    if (markRules.length > 0) this.markRules.apply(markRules)
    if (settings !== undefined) this.#ftpPorts = settings.after.config.ftpPorts
    this.#applyServices(services)
  }

  #applyServices(changes: readonly ServiceChange[]): void {
    for (const { before, after } of changes) {
      if (before === null) continue
      this.#names.delete(this.#entries.get(before.name)!.key)
      if (after === null) this.#entries.delete(before.name)
    }
    for (const { after } of changes) {
      if (after === null) continue
      const entry = this.#entryOf(after)
      this.#entries.set(after.name, entry)
      this.#names.set(entry.key, after.name)
    }
  }

  /** What the host is to provide, as it will be after `changes`, without services in `except`. */
  hostState(
    changes: ChangeSet = {},
    except: ReadonlySet<string> = new Set(),
    rules: HostMarkRules = this.markRules.rules(changes.markRules),
  ): HostState {
    const ftpPorts = changes.settings?.after.config.ftpPorts ?? this.#ftpPorts
    const whole = (host: HostService) =>
      this.#withFtp(this.#withRules(host, rules, ftpPorts), ftpPorts)
    const changed = new Map(
      (changes.services ?? []).map(({ before, after }) => [(before ?? after)!.name, after]),
    )
    const state: HostService[] = []
    for (const [name, { host }] of this.#entries) {
      if (!changed.has(name) && !except.has(name)) state.push(whole(host))
    }
    for (const after of changed.values()) {
      if (after !== null) state.push(whole(this.#entryOf(after).host))
    }
    return state
  }

  /** The same as a difference; null when the change reaches services that it does not name. */
  hostChange({ services = [], markRules = [], settings }: ChangeSet): HostChange | null {
    if (markRules.length > 0 || settings !== undefined) return null
    const rules = this.markRules.rules()
    const whole = ({ host }: Entry) => {
      const marked = this.#withRules(host, rules, this.#ftpPorts)
      return this.#withFtp(marked, this.#ftpPorts)
    }
    const entriesOf = (entry: Entry | undefined | null) => (entry ? [whole(entry)] : [])
    const stale = new Set(
      services.flatMap(({ before }) => entriesOf(before && this.#entries.get(before.name))),
    )
    const fresh = new Set(services.flatMap(({ after }) => entriesOf(after && this.#entryOf(after))))
    return {
      fresh: [...fresh].filter(service => !stale.has(service)),
      stale: [...stale].filter(service => !fresh.has(service)),
    }
  }

  serviceName(key: string): string | null {
    return this.#names.get(key) ?? null
  }

  serverName(serviceName: string, endpoint: string): string | null {
    return this.#entries.get(serviceName)?.servers.get(endpoint) ?? null
  }

  /** Whether a service has data connections on other ports than its own. */
  isFtp(key: ServiceKey): boolean {
    return isFtp(key, this.#ftpPorts)
  }

  #withFtp(host: HostService, ftpPorts: readonly number[]): HostService {
    if (!isFtp(host.key, ftpPorts)) return host
    const known = this.#ftp.get(host) ?? { ...host, ftp: true }
    this.#ftp.set(host, known)
    return known
  }

  #withRules(host: HostService, markRules: HostMarkRules, ports: readonly number[]): HostService {
    if (!('fwmark' in host.key)) return host
    // IPVS's own port too: its helper may have no port at all.
    const ftpPorts = [...new Set([FTP_PORT, ...ports])]
    const made = this.#marked.get(host) ?? new WeakMap<HostMarkRules, HostService>()
    this.#marked.set(host, made)
    const before = made.get(markRules)
    const same = before !== undefined && isDeepStrictEqual(before.ftpPorts, ftpPorts)
    const known = same ? before : { ...host, markRules, ftpPorts }
    made.set(markRules, known)
    return known
  }

  #entryOf(service: ServiceRecord): Entry {
    const made = this.#made.get(service)
    if (made !== undefined) return made
    const old = this.#entries.get(service.name)
    const host = hostService(service, this.#isWithdrawn(service))
    const servers = new Map(service.servers.map(({ name, config }) => [endpointOf(config), name]))
    // The same object when nothing changed: the host tells by identity what is new.
    const same = old !== undefined && isDeepStrictEqual(old.host, host)
    const entry = { key: keyText(keyOf(service)), host: same ? old.host : host, servers }
    this.#made.set(service, entry)
    return entry
  }
}

/**
 * On a helper's port, or on IPVS's own: without real servers behind NAT there is no helper, but
 * services on port 21 take their data connections all the same.
 */
function isFtp(key: ServiceKey, ftpPorts: readonly number[]): boolean {
  if ('fwmark' in key || key.protocol !== 'tcp') return false
  return key.port === FTP_PORT || ftpPorts.includes(key.port)
}

function hostService(service: ServiceRecord, isWithdrawn: boolean): HostService {
  const key = keyOf(service)
  const protocols = service.config.protocol
  const { sorryServer } = policyOf(service)
  // Whatever their health: connections outlive it, and what they send is not the host's.
  const sorry = sorryServer === undefined ? [] : [sorryServer]
  const every = [...service.servers.map(({ config }) => config), ...sorry]
  const wanted = [...service.servers.filter(isInDataplane).map(({ config }) => config), ...sorry]
  const masq = wanted.filter(({ forwarding }) => forwarding === 'masq')
  return {
    name: service.name,
    key,
    manageAddress: service.config.manageAddress && !isWithdrawn,
    ...(service.config.interface === undefined ? {} : { interface: service.config.interface }),
    // A mark service takes every protocol; its answers come with any of them.
    dests: masq.flatMap(({ address, port }) =>
      (protocols === undefined ? (['tcp', 'udp', 'sctp'] as const) : [protocols]).map(protocol => ({
        address,
        port,
        protocol,
      })),
    ),
    forwardings: [...new Set(every.map(({ forwarding }) => forwarding))].sort(),
    tunnelEnds: every
      .filter(({ forwarding }) => forwarding === 'tunnel')
      .map(({ address }) => address)
      .sort(),
  }
}
