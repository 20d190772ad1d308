/**
 * Maintenances as they are stored, what drains each of them asks for, and how far it is. A
 * maintenance and its drains are stored in one transaction, so no crash leaves one without the other.
 */
import { SYSTEM, type Cause } from '../auth/actor.js'
import type { Origin } from '../change/commit.js'
import type { State } from '../change/draft.js'
import type { StandingSource } from '../change/plan.js'
import type { DrainControl } from '../control/drain-control.js'
import { assigned, type Assignment } from './assignment.js'
import type { Place } from './assignment.js'
import { messageOf, Problem } from '../errors.js'
import type { DrainFigures } from '../live/drain-figures.js'
import type { Occurrence } from '../journal/journal.js'
import type { MaintenanceRecord, MaintenanceRepo } from '../repo/maintenances.js'
import type { DrainRecord, ServerRecord, ServiceRecord } from '../repo/records.js'
import type { Maintenance, Phase, Shortfall } from '../schemas/maintenance.js'
import { maintenanceView, memberOf, phaseOf } from './progress.js'
import { isSelected, select } from './selection.js'
import { shortfallsOf } from './shortfalls.js'
import { drainOf, wantedDrains } from './wanted-drains.js'

export interface BookOptions {
  repo: MaintenanceRepo
  state: State
  standings: StandingSource
  drains: Pick<DrainControl, 'assign'>
  figures: DrainFigures
  now: () => Date
  /** Writes down what happens. */
  record?: ((...occurrences: readonly Occurrence[]) => void) | undefined
}

/** What a maintenance does to real servers, before it is done. */
export interface MaintenancePlan {
  assignments: Assignment[]
  shortfalls: Shortfall[]
}

const BY_ITSELF: Cause = { actor: SYSTEM, requestId: null }

export class MaintenanceBook {
  readonly #o: BookOptions
  readonly #records = new Map<string, MaintenanceRecord>()
  #active: readonly MaintenanceRecord[] = []

  constructor(options: BookOptions) {
    this.#o = options
    for (const record of options.repo.all()) this.#records.set(record.name, record)
    this.#sortActive()
  }

  get = (name: string): MaintenanceRecord | null => this.#records.get(name) ?? null

  /** By name. */
  all(): MaintenanceRecord[] {
    return [...this.#records.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Those whose drains are there, the longest first. */
  active = (): readonly MaintenanceRecord[] => this.#active

  /** What would change if `after` (null: nothing) stood where `before` stands. */
  plan(before: MaintenanceRecord | null, after: MaintenanceRecord | null): MaintenancePlan {
    const { state, standings, now } = this.#o
    const others = this.#active.filter(each => each !== before)
    const active = byStart(after?.stage === 'active' ? [...others, after] : others)
    const concerned = [...state.services()].filter(({ servers }) =>
      servers.some(server => isConcerned(server, before, after)),
    )
    const assignments = wantedDrains(concerned, active, now(), this.#connectionsOf)
    return { assignments, shortfalls: shortfallsOf(assigned(assignments), standings) }
  }

  /** Only while nothing else writes: stores it (null: no more) with the drains that follow. */
  async commit(
    name: string,
    after: MaintenanceRecord | null,
    assignments: readonly Assignment[] = [],
    by: Cause = BY_ITSELF,
  ): Promise<void> {
    const { repo, drains } = this.#o
    const store = () => (after === null ? repo.delete(name) : repo.put(after))
    try {
      if (assignments.length > 0) await drains.assign(assignments, by, store)
      else stored(store)
    } finally {
      // Whatever happened, the truth is what is stored.
      this.reread(name)
    }
  }

  /** After a transaction that may have changed it. */
  reread(name: string): void {
    const current = this.#o.repo.get(name)
    if (current === null) this.#records.delete(name)
    else this.#records.set(name, current)
    this.#sortActive()
  }

  /** Within the transaction that has real servers join it; to be read anew after that. */
  storeJoined(record: MaintenanceRecord): void {
    if (record.told !== 'draining') this.#o.repo.put({ ...record, told: 'draining' })
  }

  /** Only while nothing else writes: what changes nothing for real servers. */
  note(record: MaintenanceRecord): void {
    this.#o.repo.put(record)
    this.#records.set(record.name, record)
    this.#sortActive()
  }

  /** Only while nothing else writes: one that has no drains. */
  forget(name: string): void {
    stored(() => this.#o.repo.delete(name))
    this.#records.delete(name)
  }

  /** Only while nothing else writes: what active maintenances want of these services as they are now. */
  async bringUp(services: readonly ServiceRecord[]): Promise<Assignment[]> {
    const assignments = this.wanted(services)
    if (assignments.length > 0) await this.#o.drains.assign(assignments, BY_ITSELF)
    return assignments
  }

  /** What active maintenances want to be otherwise in these services. */
  wanted(services: readonly ServiceRecord[]): Assignment[] {
    return wantedDrains(services, this.#active, this.#o.now(), this.#connectionsOf)
  }

  /** What is wanted of one real server that has no drain; null: nothing. */
  drainFor(service: ServiceRecord, given: ServerRecord): DrainRecord | null {
    const { now } = this.#o
    if (this.#active.length === 0) return null
    const server = { ...given }
    delete server.drain
    return drainOf(server, this.#active, now(), () => this.#connectionsOf({ service, server }))
  }

  /** `services`: as they are, or as they would be. */
  viewOf(
    record: MaintenanceRecord,
    services: Iterable<ServiceRecord> = this.#o.state.services(),
    shortfalls = this.#shortfallsOf(record),
  ): Maintenance {
    return maintenanceView(record, this.#members(record, services), shortfalls)
  }

  phaseOf = (record: MaintenanceRecord): Phase =>
    phaseOf(record, this.#members(record, this.#o.state.services()))

  /** Whether a look at figures alone tells that it is not over yet. */
  isBusy({ spec }: MaintenanceRecord): boolean {
    const { state, figures, now } = this.#o
    const at = now().toISOString()
    return select(state.services(), spec.selector).some(
      place =>
        place.server.drain !== undefined &&
        place.server.drain.deadlineAt > at &&
        figures.countersOf(place).activeConns > 0,
    )
  }

  /** Into the journal. */
  tell(
    verb: string,
    record: Pick<MaintenanceRecord, 'name' | 'spec'>,
    extras: Pick<Occurrence, 'outcome' | 'detail'> = {},
    by: Cause = BY_ITSELF,
  ): void {
    this.#o.record?.(occurrenceOf(verb, record, extras, by))
  }

  readonly #connectionsOf = (place: Place): number => {
    const { activeConns, inactConns } = this.#o.figures.countersOf(place)
    return activeConns + inactConns
  }

  #members(record: MaintenanceRecord, services: Iterable<ServiceRecord>) {
    const { figures, now } = this.#o
    if (record.stage === 'ended' || record.stage === 'refused') return []
    const places = select(services, record.spec.selector)
    const lives = figures.allOf(places)
    const at = now()
    return places.map((place, i) => memberOf(place, lives[i]!, at))
  }

  #shortfallsOf(record: MaintenanceRecord): Shortfall[] {
    if (record.stage !== 'scheduled') return record.refusal
    return this.plan(record, begun(record, this.#o.now())).shortfalls
  }

  #sortActive(): void {
    this.#active = byStart([...this.#records.values()].filter(({ stage }) => stage === 'active'))
  }
}

/** As it is when it has begun. */
export const begun = (record: MaintenanceRecord, now: Date): MaintenanceRecord => ({
  ...record,
  ...{ stage: 'active', startedAt: now.toISOString(), endedAt: null },
  ...{ refusal: [], told: 'draining' },
})

/** What the journal is to tell of a maintenance. */
export const occurrenceOf = (
  verb: string,
  { name, spec }: Pick<MaintenanceRecord, 'name' | 'spec'>,
  extras: Pick<Occurrence, 'outcome' | 'detail'>,
  { actor, requestId }: Pick<Origin, 'actor' | 'requestId'>,
): Occurrence => ({
  ...{ type: `maintenance.${verb}`, class: 'state', actor, requestId },
  ...{ kind: 'maintenance', name, after: verb === 'deleted' ? null : spec },
  ...extras,
})

const byStart = (records: readonly MaintenanceRecord[]): MaintenanceRecord[] =>
  [...records].sort((a, b) => (`${a.startedAt} ${a.name}` < `${b.startedAt} ${b.name}` ? -1 : 1))

function isConcerned(
  server: ServerRecord,
  before: MaintenanceRecord | null,
  after: MaintenanceRecord | null,
): boolean {
  if (before !== null && server.drain?.maintenance === before.name) return true
  return after !== null && isSelected(after.spec.selector, server)
}

function stored(store: () => void): void {
  try {
    store()
  } catch (cause) {
    throw new Problem('STORAGE_FAILED', `Nothing was changed: ${messageOf(cause)}.`, { cause })
  }
}
