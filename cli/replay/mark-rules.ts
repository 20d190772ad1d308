import type { MarkRule, PortRange } from '../../dataplane/ipvs/mark-rules.js'
import * as address from '../../dataplane/wire/address.js'
import { escapePointer } from '../../server/errors.js'
import type { Findings } from '../../server/findings.js'
import type { MarkRuleDocument } from './document.js'
import type { NetworkPlan } from './network-plan.js'

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const
const PORT_MAX = 65535

/** In the order in which they are tried: by `order`, then as they stand in the document. */
export function readMarkRules(
  documents: Record<string, MarkRuleDocument>,
  network: NetworkPlan | null,
  found: Findings,
): MarkRule[] {
  const rules: { order: number; rule: MarkRule }[] = []
  for (const [name, document] of Object.entries(documents)) {
    const at = `/markRules/${escapePointer(name)}`
    if (found.isFaulty(at)) continue
    const family = document.addressFamily === 'ipv4' ? 4 : 6
    const rule = {
      mark: document.mark | 0,
      family,
      protocol: document.protocol === undefined ? null : PROTOCOLS[document.protocol],
      source: prefixOf(document.source, family, `${at}/source`, found),
      destination: prefixOf(document.destination, family, `${at}/destination`, found),
      sourcePorts: rangesOf(document.sourcePorts, `${at}/sourcePorts`, found),
      destinationPorts: rangesOf(document.destinationPorts, `${at}/destinationPorts`, found),
      port: portOf(document.interface, network, `${at}/interface`, found),
    }
    rules.push({ order: document.order ?? 0, rule })
  }
  return rules.sort((a, b) => a.order - b.order).map(({ rule }) => rule)
}

function prefixOf(
  text: string | undefined,
  family: number,
  pointer: string,
  found: Findings,
): address.Prefix | null {
  if (text === undefined) return null
  const prefix = address.parsePrefix(text)
  if (prefix?.family === family) return prefix
  const detail = `'${text}' is not an IPv${family} address or prefix.`
  found.add({ pointer, code: 'INVALID_ADDRESS', detail })
  return null
}

function rangesOf(
  texts: readonly string[] | undefined,
  pointer: string,
  found: Findings,
): PortRange[] | null {
  if (texts === undefined) return null
  return texts.map((text, i) => {
    const [first, last = first] = text.split('-').map(Number) as [number, number?]
    if (first > last! || last! > PORT_MAX) {
      const detail = `'${text}' is not a port or a range of ports.`
      found.add({ pointer: `${pointer}/${i}`, code: 'INVALID_VALUE', detail })
    }
    return { first, last: last! }
  })
}

function portOf(
  name: string | undefined,
  network: NetworkPlan | null,
  pointer: string,
  found: Findings,
): number | null {
  if (name === undefined) return null
  const index = network?.interfaces.findIndex(each => each.name === name) ?? -1
  if (index >= 0) return index
  const detail = `There is no interface '${name}' in /network/interfaces.`
  found.add({ pointer, code: 'INVALID_VALUE', detail })
  return null
}
