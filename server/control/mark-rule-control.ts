/** The rules of /v1/mark-rules. */
import { isDeepStrictEqual } from 'node:util'
import { checkConditions, type Conditions } from '../http/conditions.js'
import type { Dataplane } from '../dataplane/dataplane-client.js'
import { markRuleFields } from '../documents/declared.js'
import type { Configuration, State } from '../change/draft.js'
import { Problem, problemOf } from '../errors.js'
import type { Ground, Plan } from '../change/ground.js'
import { readMarkRule } from '../documents/mark-rule-document.js'
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
import type { MarkRuleRecord } from '../repo/records.js'
import type { Wanted } from '../change/service-plans.js'
import { etagOf, type Resource } from '../documents/views.js'

/** Every packet is held against every rule. */
export const MARK_RULES_MAX = 256

export interface MarkRuleFilter {
  mark?: number | undefined
  addressFamily?: string | undefined
}

const viewOf = ({ name, config, meta }: MarkRuleRecord) => ({ name, ...config, meta })
export type MarkRuleView = ReturnType<typeof viewOf>

const RULE_ORDERS = {
  order: (view: MarkRuleView) => view.order,
  name: NAME_ORDER,
  mark: (view: MarkRuleView) => view.mark,
  updatedAt: (view: MarkRuleView) => view.meta.updatedAt,
  createdAt: (view: MarkRuleView) => view.meta.createdAt,
} satisfies Record<string, Order<MarkRuleView>>

export class MarkRuleControl {
  readonly #state: State
  readonly #dataplane: Dataplane

  constructor(state: State, dataplane: Dataplane) {
    this.#state = state
    this.#dataplane = dataplane
  }

  get = (name: string): Resource<MarkRuleView> => resourceOf(ruleOf(this.#state, name))

  declared(name: string) {
    const rule = ruleOf(this.#state, name)
    return { view: { name, ...markRuleFields(rule, 'declared') }, etag: etagOf(rule) }
  }

  /** In the order in which they are asked, unless `sort` says otherwise. */
  list(filter: MarkRuleFilter, { sort = 'order', ...paging }: Paging): Page<MarkRuleView> {
    const { mark, addressFamily } = filter
    const rules = new Map([...this.#state.markRules()].map(rule => [rule.name, rule]))
    const passing = (name: string): MarkRuleRecord | null => {
      const rule = rules.get(name)!
      const { config } = rule
      const wanted =
        (mark === undefined || config.mark === mark) &&
        (addressFamily === undefined || config.addressFamily === addressFamily)
      return wanted && hasLabels(config.labels, paging.labels) ? rule : null
    }
    const page = { ...paging, sort }
    return listPage([...rules.keys()].sort(), passing, page, RULE_ORDERS, viewOf)
  }

  declaredList(filter: MarkRuleFilter, paging: Paging) {
    const { items, nextCursor } = this.list(filter, paging)
    return { items: items.map(({ name }) => this.declared(name).view), nextCursor }
  }

  put(name: string, body: unknown, wanted: Conditions): Plan<Resource<MarkRuleView>> {
    return ground => {
      const created = ground.draft.markRule(name) === null
      return planned(this.putRule(ground, name, body, wanted), created)
    }
  }

  patch(name: string, patch: unknown, wanted: Conditions): Plan<Resource<MarkRuleView>> {
    return ground => planned(this.patchRule(ground, name, patch, wanted), false)
  }

  delete(name: string, wanted: Conditions, missingOk: boolean): Plan<null> {
    return ground => {
      const before = this.deleteRule(ground, name, wanted)
      const missing = before === null && !missingOk
      return {
        ...{ status: 204, body: () => null },
        ...(missing ? { problem: markRuleNotFound(name) } : {}),
      }
    }
  }

  /** `lenient`: it may name an interface of another day. */
  putRule(ground: Ground, name: string, body: unknown, wanted: Wanted, lenient = false) {
    const { draft, stamp, tell } = ground
    const before = draft.markRule(name)
    if (wanted !== null) checkConditions(wanted, before, tell)
    const config = readMarkRule(name, body, text =>
      lenient || text === before?.config.interface ? null : this.#interfaceFault(text),
    )
    if (before === null && [...draft.markRules()].length >= MARK_RULES_MAX) {
      const detail = `There can be at most ${MARK_RULES_MAX} mark rules.`
      throw problemOf([{ pointer: '', code: 'LIMIT_REACHED', detail }])
    }
    if (before !== null && isDeepStrictEqual(config, before.config)) return before
    const after = { name, meta: nextMeta(before, stamp), config }
    draft.setMarkRule(name, after)
    return after
  }

  patchRule(ground: Ground, name: string, patch: unknown, wanted: Wanted): MarkRuleRecord {
    const before = ruleOf(ground.draft, name)
    return this.putRule(ground, name, mergePatch(before.config, patch), wanted)
  }

  /** Returns what was there. */
  deleteRule({ draft, tell }: Ground, name: string, wanted: Wanted): MarkRuleRecord | null {
    const before = draft.markRule(name)
    if (wanted !== null) checkConditions(wanted, before, tell)
    draft.setMarkRule(name, null)
    return before
  }

  #interfaceFault(name: string): string | null {
    const { ports } = this.#dataplane
    if (ports.some(port => port.name === name)) return null
    const there = ports.map(port => port.name).join(', ')
    return `The dataplane does not work on the interface ${name}, but on: ${there}.`
  }
}

function ruleOf(configuration: Configuration, name: string): MarkRuleRecord {
  const found = configuration.markRule(name)
  if (found === null) throw markRuleNotFound(name)
  return found
}

const resourceOf = (rule: MarkRuleRecord): Resource<MarkRuleView> => ({
  view: viewOf(rule),
  etag: etagOf(rule),
})

const planned = (rule: MarkRuleRecord, created: boolean) => ({
  status: created ? (201 as const) : (200 as const),
  body: () => resourceOf(rule),
})

export const markRuleNotFound = (name: string) =>
  new Problem('MARK_RULE_NOT_FOUND', `There is no mark rule '${name}'.`)
