/** The checks of /v1/health-checks. */
import { isDeepStrictEqual } from 'node:util'
import { checkConditions, type Conditions } from '../http/conditions.js'
import { healthCheckFields } from '../documents/declared.js'
import type { Configuration, State } from '../change/draft.js'
import { Problem, problemOf, type Fault } from '../errors.js'
import type { Ground, Plan } from '../change/ground.js'
import { unavailable } from '../health/check-platform.js'
import { readHealthCheck } from '../health/check-document.js'
import { usersOf } from '../health/check-references.js'
import { ALLOW_HINT, notAllowed } from '../health/check-references.js'
import { isAllowed } from '../health/target.js'
import { mergePatch } from '../http/merge-patch.js'
import { nextMeta } from '../change/next-records.js'
import {
  hasLabels,
  listPage,
  NAME_ORDER,
  type Order,
  type Page,
  type Paging,
} from '../http/paging.js'
import type { HealthCheckRecord } from '../repo/records.js'
import { FIELDS_OF } from '../schemas/health-check-fields.js'
import { isObject } from '../schemas/walk.js'
import type { Wanted } from '../change/service-plans.js'
import { etagOf, type Resource } from '../documents/views.js'

export const HEALTH_CHECKS_MAX = 1024

export interface HealthCheckFilter {
  kind?: string | undefined
}

const CHECK_ORDERS = {
  name: NAME_ORDER,
  kind: (view: HealthCheckView) => String(Reflect.get(view, 'kind')),
  updatedAt: (view: HealthCheckView) => view.meta.updatedAt,
  createdAt: (view: HealthCheckView) => view.meta.createdAt,
} satisfies Record<string, Order<HealthCheckView>>

export class HealthCheckControl {
  readonly #state: State

  constructor(state: State) {
    this.#state = state
  }

  get(name: string): Resource<HealthCheckView> {
    return this.#resource(checkOf(this.#state, name))
  }

  declared(name: string) {
    const check = checkOf(this.#state, name)
    return { view: { name, ...healthCheckFields(check, 'declared') }, etag: etagOf(check) }
  }

  /** By name, unless `sort` says otherwise. */
  list({ kind }: HealthCheckFilter, paging: Paging): Page<HealthCheckView> {
    const checks = new Map([...this.#state.healthChecks()].map(check => [check.name, check]))
    const passing = (name: string): HealthCheckRecord | null => {
      const check = checks.get(name)!
      const wanted = kind === undefined || check.config.kind === kind
      return wanted && hasLabels(check.config.labels, paging.labels) ? check : null
    }
    const view = (record: HealthCheckRecord) => this.#view(record)
    return listPage([...checks.keys()].sort(), passing, paging, CHECK_ORDERS, view)
  }

  declaredList(filter: HealthCheckFilter, paging: Paging) {
    const { items, nextCursor } = this.list(filter, paging)
    return { items: items.map(({ name }) => this.declared(name).view), nextCursor }
  }

  put(name: string, body: unknown, wanted: Conditions): Plan<Resource<HealthCheckView>> {
    return ground => {
      const created = ground.draft.healthCheck(name) === null
      return this.#planned(ground, this.putCheck(ground, name, body, wanted), created)
    }
  }

  patch(name: string, patch: unknown, wanted: Conditions): Plan<Resource<HealthCheckView>> {
    return ground => this.#planned(ground, this.patchCheck(ground, name, patch, wanted), false)
  }

  delete(name: string, wanted: Conditions, missingOk: boolean): Plan<null> {
    return ground => {
      const before = this.deleteCheck(ground, name, wanted)
      const fault = this.inUse(ground, name)
      if (fault !== null) throw problemOf([fault])
      const missing = before === null && !missingOk
      return {
        ...{ status: 204, body: () => null },
        ...(missing ? { problem: healthCheckNotFound(name) } : {}),
      }
    }
  }

  putCheck({ draft, stamp, tell }: Ground, name: string, body: unknown, wanted: Wanted) {
    const before = draft.healthCheck(name)
    if (wanted !== null) checkConditions(wanted, before, tell)
    const config = readHealthCheck(name, body)
    if (before === null && [...draft.healthChecks()].length >= HEALTH_CHECKS_MAX) {
      const detail = `There can be at most ${HEALTH_CHECKS_MAX} health checks.`
      throw problemOf([{ pointer: '', code: 'LIMIT_REACHED', detail }])
    }
    if (before !== null && isDeepStrictEqual(config, before.config)) return before
    const after = { name, meta: nextMeta(before, stamp), config }
    draft.setHealthCheck(name, after)
    return after
  }

  patchCheck(ground: Ground, name: string, patch: unknown, wanted: Wanted): HealthCheckRecord {
    const before = checkOf(ground.draft, name)
    return this.putCheck(ground, name, mergePatch(patchable(before, patch), patch), wanted)
  }

  /** Returns what was there. */
  deleteCheck({ draft, tell }: Ground, name: string, wanted: Wanted): HealthCheckRecord | null {
    const before = draft.healthCheck(name)
    if (wanted !== null) checkConditions(wanted, before, tell)
    draft.setHealthCheck(name, null)
    return before
  }

  /** What is wrong with a deletion once all of the change is known; null when nothing is. */
  inUse({ draft }: Ground, name: string): Fault | null {
    if (draft.healthCheck(name) !== null) return null
    const users = usersOf(draft.services(), name)
    if (users.length === 0) return null
    const detail = `Health check '${name}' is used by ${some(users)}.`
    return { pointer: '', code: 'HEALTH_CHECK_IN_USE', detail }
  }

  /** What is wrong with a check in the light of the settings; null when nothing is. */
  fault({ draft }: Ground, name: string): Fault | null {
    const check = draft.healthCheck(name)
    if (check === null) return null
    const missing = unavailable(check.config, draft.platform)
    const stored = draft.stored().healthCheck(name)?.config ?? null
    if (missing !== null && !isDeepStrictEqual(stored, check.config)) {
      const { field, detail, hint } = missing
      return { pointer: `/${field}`, code: 'NOT_AVAILABLE_HERE', detail, hint }
    }
    const address = check.config.targetAddress
    if (address === undefined) return null
    if (isAllowed(address, draft.settings().config.healthCheckTargets)) return null
    const detail = notAllowed(name, address)
    return { pointer: '/targetAddress', code: 'TARGET_NOT_ALLOWED', detail, hint: ALLOW_HINT }
  }

  #planned(ground: Ground, check: HealthCheckRecord, created: boolean) {
    const fault = this.fault(ground, check.name)
    if (fault !== null) throw problemOf([fault])
    return {
      status: created ? (201 as const) : (200 as const),
      body: () => this.#resource(check),
    }
  }

  #resource(check: HealthCheckRecord): Resource<HealthCheckView> {
    return { view: this.#view(check), etag: etagOf(check) }
  }

  #view({ name, config, meta }: HealthCheckRecord) {
    return { name, ...config, meta, status: { usedBy: usersOf(this.#state.services(), name) } }
  }
}

export interface HealthCheckView {
  name: string
  meta: HealthCheckRecord['meta']
  status: { usedBy: string[] }
}

/** Of another kind, what only its old kind has is gone without being named. */
function patchable({ config }: HealthCheckRecord, patch: unknown): object {
  const kind: unknown = isObject(patch) ? patch.kind : undefined
  if (typeof kind !== 'string' || !Object.hasOwn(FIELDS_OF, kind)) return config
  const { labels, ...check } = config
  const table = FIELDS_OF[kind as keyof typeof FIELDS_OF]
  const kept = Object.entries(check).filter(([name]) => Object.hasOwn(table, name))
  return { kind, ...Object.fromEntries(kept), labels }
}

const LISTED_MAX = 10
function some(users: readonly string[]): string {
  const more = users.length - LISTED_MAX
  return `${users.slice(0, LISTED_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function checkOf(configuration: Configuration, name: string): HealthCheckRecord {
  const found = configuration.healthCheck(name)
  if (found === null) throw healthCheckNotFound(name)
  return found
}

export const healthCheckNotFound = (name: string) =>
  new Problem('HEALTH_CHECK_NOT_FOUND', `There is no health check '${name}'.`)
