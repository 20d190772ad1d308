/**
 * What a change would do to traffic: connections that would lose their service or their real server,
 * as the live table has them now; services that nobody would serve; and for the hashing schedulers
 * the share of slots, hence of clients, that would get another server.
 */
import type { SharedMemory } from '../../dataplane/protocol.js'
import { Col, STRIDE } from '../../dataplane/shared/statistics.js'
import { isHashing, slotsOf, type SlotDest } from '../../dataplane/slots.js'
import { restingWeight } from '../documents/effective-weight.js'
import { isInDataplane, type StandingSource } from './plan.js'
import { policyOf } from '../policy/standing.js'
import type { ChangeSet } from '../repo/configuration.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import type { RowTable } from '../live/row-table.js'
import type { ImpactDocument, SlotImpact } from '../schemas/plan.js'
import { endpointOf, keyOf, keyText } from '../documents/service-key.js'

export class ImpactReader {
  /** Of each worker. */
  readonly #dests: readonly Float64Array[]
  readonly #rows: RowTable
  readonly #standings: StandingSource

  constructor(memories: readonly SharedMemory[], rows: RowTable, standings: StandingSource) {
    this.#dests = memories.map(({ dests }) => new Float64Array(dests))
    this.#rows = rows
    this.#standings = standings
  }

  of({ services = [] }: ChangeSet): ImpactDocument {
    const old = byKey(services.map(({ before }) => before))
    const wanted = byKey(services.map(({ after }) => after))
    const keys = [...new Set([...old.keys(), ...wanted.keys()])]
    const items = keys.map(key => this.#service(key, old.get(key) ?? null, wanted.get(key) ?? null))
    const sum = (column: 'connectionsLosingService' | 'connectionsLosingServer') =>
      items.reduce((total, each) => total + each[column], 0)
    return {
      connectionsLosingService: sum('connectionsLosingService'),
      connectionsLosingServer: sum('connectionsLosingServer'),
      servicesWithoutServer: items
        .filter(each => each.action !== 'delete' && each.usableServersAfter === 0)
        .map(({ name }) => name)
        .sort(),
      servicesBelowMinimum: items
        .filter(each => each.action !== 'delete' && each.usableServersAfter < each.minimumUsable)
        .map(({ name }) => name)
        .sort(),
      services: items.sort((a, b) => (a.name < b.name ? -1 : 1)),
    }
  }

  #service(key: string, before: ServiceRecord | null, after: ServiceRecord | null) {
    const kept = new Set(inDataplane(after).map(({ config }) => endpointOf(config)))
    const gone = inDataplane(before).filter(({ config }) => !kept.has(endpointOf(config)))
    const lost = gone.reduce((sum, { config }) => sum + this.#conns(key, endpointOf(config)), 0)
    return {
      name: (after ?? before)!.name,
      action:
        before === null ? ('create' as const) : after === null ? ('delete' as const) : 'update',
      connectionsLosingService: after === null ? lost : 0,
      connectionsLosingServer: after === null ? 0 : lost,
      usableServersBefore: this.#usable(before),
      usableServersAfter: this.#usable(after),
      minimumUsable: after === null ? 0 : policyOf(after).minimumUsable,
      slots: before === null || after === null ? null : slotImpact(before, after),
    } satisfies ImpactDocument['services'][number]
  }

  #usable(service: ServiceRecord | null): number {
    if (service === null) return 0
    return [...this.#standings.of(service).servers.values()].filter(({ usable }) => usable).length
  }

  /** Of one real server, persistence templates not counted. */
  #conns(key: string, endpoint: string): number {
    const at = (this.#rows.dest(key, endpoint) ?? 0) * STRIDE
    return this.#dests.reduce(
      (sum, dests) => sum + dests[at + Col.activeConns]! + dests[at + Col.inactConns]!,
      0,
    )
  }
}

function slotImpact(before: ServiceRecord, after: ServiceRecord): SlotImpact | null {
  const { scheduler } = after.config
  if (!isHashing(scheduler) || before.config.scheduler !== scheduler) return null
  const old = slots(scheduler, before, null)
  const wanted = slots(scheduler, after, before)
  const total = Math.max(old.length, wanted.length)
  let moved = 0
  for (let i = 0; i < total; i++) if (old[i] !== wanted[i]) moved++
  return { scheduler, total, moved, share: total === 0 ? 0 : moved / total }
}

/** The endpoint at each slot; undefined where nobody is. */
function slots(
  scheduler: 'mh' | 'sh',
  service: ServiceRecord,
  before: ServiceRecord | null,
): (string | undefined)[] {
  // Newest first, as the dataplane has them.
  const servers = inDataplane(service).sort((a, b) => b.position - a.position)
  const known = new Map(inDataplane(before).map(each => [endpointOf(each.config), each]))
  const dests = servers.map((server): SlotDest => {
    const { address, port } = server.config
    const was = before === null ? server : known.get(endpointOf(server.config))
    // While one drains, and after it was set to 0, its slots stay with it; one that comes with
    // weight 0 has none. Of one that was at 0 before, what is configured is the best guess.
    const held = was === undefined ? 0 : restingWeight(was) || was.config.weight
    const weight = restingWeight(server)
    return { address, port, weight, lastWeight: weight || held }
  })
  const endpoints = dests.map(endpointOf)
  const family = service.family === 'ipv6' ? 6 : 4
  return Array.from(slotsOf(scheduler, dests, family), place => endpoints[place])
}

const inDataplane = (service: ServiceRecord | null): ServerRecord[] =>
  (service?.servers ?? []).filter(isInDataplane)

const byKey = (services: readonly (ServiceRecord | null)[]): Map<string, ServiceRecord> =>
  new Map(services.flatMap(each => (each === null ? [] : [[keyText(keyOf(each)), each]])))
