/**
 * The rules of /v1/maintenances: drains of every real server with an address or labels, begun and
 * ended together, now or by schedule. They stand beside the configuration, as drains do, and make no
 * revision.
 */
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Cause } from '../auth/actor.js'
import { permit } from '../auth/permit.js'
import type { State } from '../change/draft.js'
import type { ImpactReader } from '../change/impact.js'
import type { Writer } from '../change/writer.js'
import { readMaintenance } from '../documents/maintenance-document.js'
import { etagOf, type Resource } from '../documents/views.js'
import { Problem, problemOf } from '../errors.js'
import { checkConditions, type Author, type Conditions } from '../http/conditions.js'
import { listPage, NAME_ORDER, type Page, type Paging } from '../http/paging.js'
import { begun, type MaintenanceBook } from '../maintenance/maintenance-book.js'
import type { MaintenanceClock } from '../maintenance/maintenance-clock.js'
import { select, whyNothing } from '../maintenance/selection.js'
import { shortfallText } from '../maintenance/shortfalls.js'
import type { MaintenanceRecord, MaintenanceSpec } from '../repo/maintenances.js'
import { MAINTENANCES_MAX, type Maintenance, type Phase } from '../schemas/maintenance.js'
import type { PlanDocument } from '../schemas/plan.js'
import { assigned, type Assignment } from '../maintenance/assignment.js'

export interface MaintenancesOptions {
  /** Who did the last of these to a thing, for messages. */
  author: Author
  book: MaintenanceBook
  clock: MaintenanceClock
  state: State
  writer: Writer
  impact: ImpactReader
  now: () => Date
}

export interface MaintenanceRequested {
  conditions: Conditions
  dryRun: boolean
  by: Cause
}

/** What a request came to, or would come to. */
export type MaintenanceAnswer =
  | { status: 200 | 201 | 204; resource: Resource<Maintenance> | null; plan?: never }
  | { plan: PlanDocument }

export class MaintenanceControl {
  readonly #o: MaintenancesOptions

  constructor(options: MaintenancesOptions) {
    this.#o = options
  }

  start = (): Promise<void> => this.#o.clock.start()
  stop = (): void => this.#o.clock.stop()

  get(name: string): Resource<Maintenance> {
    const record = this.#o.book.get(name)
    if (record === null) throw notFound(name)
    return this.#resource(record)
  }

  /** Without members. */
  list(phase: Phase | undefined, paging: Paging): Page<Maintenance> {
    const { book } = this.#o
    const names = book.all().map(({ name }) => name)
    const passing = (name: string): MaintenanceRecord | null => {
      const record = book.get(name)!
      return phase === undefined || book.phaseOf(record) === phase ? record : null
    }
    return listPage(names, passing, paging, { name: NAME_ORDER }, record => {
      const view = book.viewOf(record)
      delete view.status.members
      return view
    })
  }

  /** Asked for again as it is, it stays as it is, unless it was refused: then it tries again. */
  put(name: string, body: unknown, requested: MaintenanceRequested): Promise<MaintenanceAnswer> {
    return this.#o.writer.exclusive(async () => {
      const { book, clock } = this.#o
      const { dryRun, by, conditions } = requested
      const before = book.get(name)
      this.#checkConditions(conditions, before)
      const spec = readMaintenance(name, body)
      const after = this.#next(name, before, spec)
      if (after === before) return this.#unchanged(before, dryRun)
      // Each time: with it comes a selector that nothing else bounds.
      if (spec.ignoreMinimum) permit(by.actor, 'write')
      this.#check(before, after)
      const plan = book.plan(before, after)
      const status = before === null ? 201 : 200
      if (after.stage === 'active' && plan.shortfalls.length > 0 && !spec.ignoreMinimum)
        throw problemOf(
          plan.shortfalls.map(each => {
            return { pointer: '', code: 'BELOW_MINIMUM', detail: `${shortfallText(each)}.` }
          }),
        )
      if (dryRun) return this.#trial(status, after, plan.assignments)
      this.#makeRoom(before)
      await book.commit(name, after, plan.assignments, by)
      this.#tellOf(before, after, by)
      clock.wind()
      return { status, resource: this.#resource(after) }
    })
  }

  /** Ends it, if it has begun: those drains that it began are cancelled. */
  delete(
    name: string,
    missingOk: boolean,
    { conditions, dryRun, by }: MaintenanceRequested,
  ): Promise<MaintenanceAnswer> {
    return this.#o.writer.exclusive(async () => {
      const { book, clock } = this.#o
      const before = book.get(name)
      this.#checkConditions(conditions, before)
      if (before === null) {
        if (!missingOk) throw notFound(name)
        return dryRun ? this.#trial(204, null, []) : { status: 204, resource: null }
      }
      const { assignments } = book.plan(before, null)
      if (dryRun) return this.#trial(204, null, assignments)
      const { servers, connections } = book.viewOf(before).status.totals
      await book.commit(name, null, assignments, by)
      if (before.stage === 'active')
        book.tell('ended', before, { detail: { servers, connections } }, by)
      else book.tell('deleted', before, {}, by)
      clock.wind()
      return { status: 204, resource: null }
    })
  }

  #checkConditions(conditions: Conditions, before: MaintenanceRecord | null): void {
    if (before === null) return checkConditions(conditions, null)
    const types = ['scheduled', 'started', 'changed'].map(verb => `maintenance.${verb}`)
    const tell = () => this.#o.author('maintenance', before.name, ...types)
    checkConditions(conditions, identity(before), tell)
  }

  /** `before` itself when nothing is to be done. */
  #next(name: string, before: MaintenanceRecord | null, spec: MaintenanceSpec): MaintenanceRecord {
    const now = this.#o.now()
    const at = now.toISOString()
    if (before !== null && isDeepStrictEqual(before.spec, spec) && before.stage !== 'refused')
      return before
    const record: MaintenanceRecord = {
      ...{ name, uid: before?.uid ?? randomUUID(), version: (before?.version ?? 0) + 1 },
      ...{ createdAt: before?.createdAt ?? at, updatedAt: at, spec },
      ...{ stage: 'scheduled', startedAt: null, endedAt: null, refusal: [], told: 'draining' },
    }
    if (spec.startAt !== undefined && spec.startAt > at) return record
    const after = begun(record, now)
    return before?.stage === 'active' ? { ...after, startedAt: before.startedAt } : after
  }

  #check(before: MaintenanceRecord | null, { spec }: MaintenanceRecord): void {
    const { now, state } = this.#o
    if (spec.endAt !== undefined && spec.endAt <= now().toISOString()) {
      const detail = `It would have ended at ${spec.endAt}, which is in the past.`
      throw problemOf([{ pointer: '/endAt', code: 'INVALID_TIME', detail }])
    }
    const selects = select(state.services(), spec.selector).length > 0
    const same = before !== null && isDeepStrictEqual(before.spec.selector, spec.selector)
    if (selects || (same && before.stage === 'active')) return
    const why = whyNothing(state.services(), spec.selector)
    throw problemOf([{ pointer: '/selector', code: 'NOTHING_SELECTED', ...why }])
  }

  /** What is over goes when there is too much, the oldest first. */
  #makeRoom(before: MaintenanceRecord | null): void {
    const { book } = this.#o
    const all = book.all()
    if (before !== null || all.length < MAINTENANCES_MAX) return
    const [oldest] = all
      .filter(({ stage }) => stage === 'ended' || stage === 'refused')
      .sort((a, b) => (a.endedAt! < b.endedAt! ? -1 : 1))
    if (oldest !== undefined) return book.forget(oldest.name)
    const detail = `There can be at most ${MAINTENANCES_MAX} maintenances.`
    throw new Problem('LIMIT_REACHED', detail)
  }

  #unchanged(record: MaintenanceRecord, dryRun: boolean): MaintenanceAnswer {
    if (dryRun) return this.#trial(200, record, [])
    return { status: 200, resource: this.#resource(record) }
  }

  #trial(
    status: number,
    after: MaintenanceRecord | null,
    assignments: readonly Assignment[],
  ): MaintenanceAnswer {
    const { book, state, impact } = this.#o
    const changes = assigned(assignments)
    const changed = new Map(changes.map(({ after: service }) => [service.name, service]))
    const services = [...state.services()].map(each => changed.get(each.name) ?? each)
    const body = after === null ? null : book.viewOf(after, services)
    const { revision } = state
    return {
      plan: { revision, status, body, changes: [], impact: impact.of({ services: changes }) },
    }
  }

  #tellOf(before: MaintenanceRecord | null, after: MaintenanceRecord, by: Cause): void {
    const { book } = this.#o
    if (after.stage === 'scheduled') {
      if (before?.stage === 'active') book.tell('ended', before, {}, by)
      return book.tell('scheduled', after, {}, by)
    }
    const { services, servers, connections } = book.viewOf(after).status.totals
    const verb = before?.stage === 'active' ? 'changed' : 'started'
    book.tell(verb, after, { detail: { services, servers, connections } }, by)
  }

  #resource(record: MaintenanceRecord): Resource<Maintenance> {
    return { view: this.#o.book.viewOf(record), etag: etagOf(identity(record)) }
  }
}

/** As conditional requests want it: its ETag moves with what was asked for. */
const identity = ({ name, uid, version, createdAt, updatedAt }: MaintenanceRecord) => ({
  name,
  meta: { uid, revision: version, createdAt, updatedAt },
})

const notFound = (name: string): Problem =>
  new Problem('MAINTENANCE_NOT_FOUND', `There is no maintenance '${name}'.`)
