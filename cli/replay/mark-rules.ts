/** Mark rules as the API takes them, checked by the API's own rules, for an engine in this process. */
import type { MarkRule } from '../../dataplane/ipvs/mark-rules.js'
import * as address from '../../dataplane/wire/address.js'
import { escapePointer, Problem } from '../../server/errors.js'
import type { Findings } from '../../server/documents/findings.js'
import { planeRule, readMarkRule } from '../../server/documents/mark-rule-document.js'
import type { NetworkPlan } from './network-plan.js'

/** In the order in which they are tried: by `order`, then by name. */
export function readMarkRules(
  documents: Record<string, unknown>,
  network: NetworkPlan | null,
  found: Findings,
): MarkRule[] {
  const portOf = (name: string) => network?.interfaces.findIndex(each => each.name === name) ?? -1
  const interfaceFault = (name: string) =>
    portOf(name) >= 0 ? null : `There is no interface '${name}' in /network/interfaces.`
  const rules: { order: number; rule: MarkRule }[] = []
  for (const name of Object.keys(documents).sort()) {
    const at = `/markRules/${escapePointer(name)}`
    const fields = collect(at, found, () => readMarkRule(name, documents[name], interfaceFault))
    if (fields === null) continue
    const { interface: from, source, destination, family, ...rest } = planeRule(fields)
    const rule = {
      ...rest,
      family: family === 'ipv4' ? 4 : 6,
      source: source === null ? null : address.parsePrefix(source),
      destination: destination === null ? null : address.parsePrefix(destination),
      port: from === null ? null : portOf(from),
    }
    rules.push({ order: fields.order, rule })
  }
  return rules.sort((a, b) => a.order - b.order).map(({ rule }) => rule)
}

/** What `read` gives; null when it threw a Problem, whose faults then stand in `found`. */
export function collect<T>(at: string, found: Findings, read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    for (const fault of error.errors)
      found.add({ ...fault, pointer: `${at}${fault.pointer ?? ''}` })
    return null
  }
}
