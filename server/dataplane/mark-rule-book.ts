/** All mark rules in the order in which they are asked. */
import { isDeepStrictEqual } from 'node:util'
import type { MarkRuleConfig } from '../../dataplane/protocol.js'
import { planeRule } from '../documents/mark-rule-document.js'
import type { MarkRuleChange } from '../repo/configuration.js'
import type { MarkRuleRecord } from '../repo/records.js'

export class MarkRuleBook {
  readonly #records = new Map<string, MarkRuleRecord>()
  #current: readonly MarkRuleConfig[] = []
  #planned: readonly MarkRuleConfig[] = []

  /** Names in the order in which the rules are asked. */
  names(): string[] {
    return [...this.#records.values()].sort(inOrder).map(({ name }) => name)
  }

  load(rules: readonly MarkRuleRecord[]): void {
    this.#records.clear()
    this.apply(rules.map(after => ({ before: null, after })))
  }

  apply(changes: readonly MarkRuleChange[]): void {
    this.#current = this.rules(changes)
    change(this.#records, changes)
  }

  /** As they will be after `changes`; the same object for as long as they are the same. */
  rules(changes: readonly MarkRuleChange[] = []): readonly MarkRuleConfig[] {
    const rules = this.imagined(changes)
    if (rules !== this.#current) this.#planned = rules
    return rules
  }

  /** The same for a trial run, which must not displace what a change under way has planned. */
  imagined(changes: readonly MarkRuleChange[] = []): readonly MarkRuleConfig[] {
    if (changes.length === 0) return this.#current
    const records = new Map(this.#records)
    change(records, changes)
    const rules = [...records.values()].sort(inOrder).map(({ config }) => planeRule(config))
    for (const known of [this.#current, this.#planned])
      if (isDeepStrictEqual(known, rules)) return known
    return rules
  }
}

function change(records: Map<string, MarkRuleRecord>, changes: readonly MarkRuleChange[]): void {
  for (const { before, after } of changes) {
    if (after === null) records.delete(before!.name)
    else records.set(after.name, after)
  }
}

/** Also how lists have them. */
export function inOrder(a: MarkRuleRecord, b: MarkRuleRecord): number {
  return a.config.order - b.config.order || (a.name < b.name ? -1 : 1)
}
