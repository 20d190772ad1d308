/** The rules of /v1/mark-rules. */
import { isDeepStrictEqual } from 'node:util'
import { checkConditions, type Intent } from './conditions.js'
import type { Dataplane } from './dataplane-client.js'
import { nextMeta, type Stamp } from './drafts.js'
import { Problem, problemOf } from './errors.js'
import { inOrder } from './mark-rule-book.js'
import { readMarkRule } from './mark-rule-document.js'
import { mergePatch } from './merge-patch.js'
import { decodeCursor, encodeCursor, NUMBER, type Page, type Paging } from './paging.js'
import type { ConfigurationRepo } from './repo/configuration.js'
import type { MarkRuleRecord } from './repo/records.js'
import { etagOf, type Written } from './views.js'
import type { Writer } from './writer.js'

/** Every packet is held against every rule. */
export const MARK_RULES_MAX = 256

export interface MarkRuleFilter {
  mark?: number | undefined
  addressFamily?: string | undefined
}

const viewOf = ({ name, config, meta }: MarkRuleRecord) => ({ name, ...config, meta })
export type MarkRuleView = ReturnType<typeof viewOf>

export class MarkRuleControl {
  readonly #repo: ConfigurationRepo
  readonly #writer: Writer
  readonly #dataplane: Dataplane

  constructor(repo: ConfigurationRepo, writer: Writer, dataplane: Dataplane) {
    this.#repo = repo
    this.#writer = writer
    this.#dataplane = dataplane
  }

  get(name: string): Written<MarkRuleView> {
    return this.#written(this.#rule(name), false, this.#repo.revision())
  }

  /** In the order in which they are asked. A cursor counts rules: at most all are listed again. */
  list(filter: MarkRuleFilter, { limit, cursor, labels }: Paging): Page<MarkRuleView> {
    const { mark, addressFamily } = filter
    const start = Number(decodeCursor(cursor, NUMBER, '0'))
    const found = this.#repo.markRules
      .all()
      .sort(inOrder)
      .filter(({ config }) => mark === undefined || config.mark === mark)
      .filter(({ config }) => addressFamily === undefined || config.addressFamily === addressFamily)
      .filter(({ config }) =>
        labels.every(
          ([key, value]) => Object.hasOwn(config.labels, key) && config.labels[key] === value,
        ),
      )
    const end = start + limit
    const nextCursor = end < found.length ? encodeCursor(String(end)) : null
    return { items: found.slice(start, end).map(viewOf), nextCursor }
  }

  put(name: string, body: unknown, intent: Intent): Promise<Written<MarkRuleView>> {
    return this.#writer.run(intent.origin, async stamp => {
      const before = this.#repo.markRules.get(name)
      checkConditions(intent, before)
      return this.#write(name, body, before, stamp)
    })
  }

  patch(name: string, patch: unknown, intent: Intent): Promise<Written<MarkRuleView>> {
    return this.#writer.run(intent.origin, async stamp => {
      const before = this.#rule(name)
      checkConditions(intent, before)
      return this.#write(name, mergePatch(before.config, patch), before, stamp)
    })
  }

  delete(name: string, intent: Intent, missingOk: boolean): Promise<number> {
    return this.#writer.run(intent.origin, async () => {
      const before = this.#repo.markRules.get(name)
      checkConditions(intent, before)
      const changes = before === null ? null : { markRules: [{ before, after: null }] }
      const revision = await this.#writer.commit(changes)
      if (before === null && !missingOk) throw notFound(name)
      return revision
    })
  }

  async #write(
    name: string,
    body: unknown,
    before: MarkRuleRecord | null,
    stamp: Stamp,
  ): Promise<Written<MarkRuleView>> {
    const config = readMarkRule(name, body, text =>
      // What is stored may name an interface of another day.
      text === before?.config.interface ? null : this.#interfaceFault(text),
    )
    if (before === null && this.#repo.markRules.all().length >= MARK_RULES_MAX) {
      const detail = `There can be at most ${MARK_RULES_MAX} mark rules.`
      throw problemOf([{ pointer: '', code: 'LIMIT_REACHED', detail }])
    }
    const same = before !== null && isDeepStrictEqual(config, before.config)
    const after = same ? before : { name, meta: nextMeta(before, stamp), config }
    const revision = await this.#writer.commit(same ? null : { markRules: [{ before, after }] })
    return this.#written(after, before === null, revision)
  }

  #interfaceFault(name: string): string | null {
    const { ports } = this.#dataplane
    if (ports.some(port => port.name === name)) return null
    const there = ports.map(port => port.name).join(', ')
    return `The dataplane does not work on the interface ${name}, but on: ${there}.`
  }

  #rule(name: string): MarkRuleRecord {
    const found = this.#repo.markRules.get(name)
    if (found === null) throw notFound(name)
    return found
  }

  #written(rule: MarkRuleRecord, created: boolean, revision: number): Written<MarkRuleView> {
    return { view: viewOf(rule), etag: etagOf(rule), created, revision }
  }
}

const notFound = (name: string) =>
  new Problem('MARK_RULE_NOT_FOUND', `There is no mark rule '${name}'.`)
