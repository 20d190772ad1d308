/**
 * What a change would do to traffic: connections that would lose their service or their real server,
 * as the live table has them now; services that nobody would serve; and for the hashing schedulers
 * the share of slots, hence of clients, that would get another server.
 */
import type { SharedMemory } from '../../dataplane/protocol.js'
import { Col, STRIDE } from '../../dataplane/shared/statistics.js'
import { isHashing, slotsOf, type HashingScheduler, type SlotDest } from '../../dataplane/slots.js'
import { destsOf, isInDataplane, type StandingSource } from './plan.js'
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
      slots: before === null || after === null ? null : this.#slotImpact(key, before, after),
    } satisfies ImpactDocument['services'][number]
  }

  #usable(service: ServiceRecord | null): number {
    if (service === null) return 0
    return [...this.#standings.of(service).servers.values()].filter(({ usable }) => usable).length
  }

  #slotImpact(key: string, before: ServiceRecord, after: ServiceRecord): SlotImpact | null {
    const { scheduler } = after.config
    if (!isHashing(scheduler) || before.config.scheduler !== scheduler) return null
    const was = this.#slotDests(key, before)
    const old = slots(scheduler, before, was)
    const kept = new Set(was.map(endpointOf))
    const wanted = slots(scheduler, after, this.#slotDests(key, after, kept))
    const total = Math.max(old.length, wanted.length)
    let moved = 0
    for (let i = 0; i < total; i++) if (old[i] !== wanted[i]) moved++
    return { scheduler, total, moved, share: total === 0 ? 0 : moved / total }
  }

  /**
   * As the dataplane has them or would have them, newest first. One that is there, or was (`kept`),
   * has a weight that `mh` goes by while it is at 0; one that comes with weight 0 has none.
   */
  #slotDests(key: string, service: ServiceRecord, kept?: ReadonlySet<string>): SlotDest[] {
    const dests = destsOf(service, this.#standings).reverse()
    return dests.map(({ address, port, weight }): SlotDest => {
      const row = this.#rows.dest(key, endpointOf({ address, port }))
      const isThere =
        row !== null && (kept === undefined || kept.has(endpointOf({ address, port })))
      const held = isThere ? this.#dests[0]![row * STRIDE + Col.lastWeight]! : 0
      return { address, port, weight, lastWeight: weight || held }
    })
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

/** The endpoint at each slot; undefined where nobody is. */
function slots(
  scheduler: HashingScheduler,
  service: ServiceRecord,
  dests: readonly SlotDest[],
): (string | undefined)[] {
  const endpoints = dests.map(endpointOf)
  const family = service.family === 'ipv6' ? 6 : 4
  return Array.from(slotsOf(scheduler, dests, family), place => endpoints[place])
}

const inDataplane = (service: ServiceRecord | null): ServerRecord[] =>
  (service?.servers ?? []).filter(isInDataplane)

const byKey = (services: readonly (ServiceRecord | null)[]): Map<string, ServiceRecord> =>
  new Map(services.flatMap(each => (each === null ? [] : [[keyText(keyOf(each)), each]])))
