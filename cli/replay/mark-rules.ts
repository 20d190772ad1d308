import type { MarkRule, PortRange } from '../../dataplane/ipvs/mark-rules.js'
import * as address from '../../dataplane/wire/address.js'
import { escapePointer } from '../../server/errors.js'
import type { Findings } from '../../server/findings.js'
import { ORDER_DEFAULT } from '../../server/schemas/mark-rule.js'
import type { MarkRuleDocument } from './document.js'
import type { NetworkPlan } from './network-plan.js'

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132, esp: 50, ah: 51 }
const ICMP = { 4: 1, 6: 58 } as const
const RANGE = /^(\d{1,5})(?:-(\d{1,5}))?$/
const PORT_MAX = 65535

/** In the order in which they are tried: by `order`, then by name. */
export function readMarkRules(
  documents: Record<string, MarkRuleDocument>,
  network: NetworkPlan | null,
  found: Findings,
): MarkRule[] {
  const rules: { order: number; rule: MarkRule }[] = []
  for (const name of Object.keys(documents).sort()) {
    const document = documents[name]!
    const at = `/markRules/${escapePointer(name)}`
    if (found.isFaulty(at)) continue
    const family = document.addressFamily === 'ipv4' ? 4 : 6
    const rule = {
      mark: document.mark | 0,
      family,
      protocol: protocolOf(document.protocol ?? 'any', family, `${at}/protocol`, found),
      source: prefixOf(document.source, family, `${at}/source`, found),
      destination: prefixOf(document.destination, family, `${at}/destination`, found),
      sourcePorts: rangesOf(document.sourcePorts, `${at}/sourcePorts`, found),
      destinationPorts: rangesOf(document.destinationPorts, `${at}/destinationPorts`, found),
      port: portOf(document.interface, network, `${at}/interface`, found),
    }
    rules.push({ order: document.order ?? ORDER_DEFAULT, rule })
  }
  return rules.sort((a, b) => a.order - b.order).map(({ rule }) => rule)
}

/** Null for all. */
function protocolOf(text: string, family: 4 | 6, pointer: string, found: Findings): number | null {
  if (text === 'any') return null
  const number = text === 'icmp' ? ICMP[family] : (PROTOCOLS[text] ?? Number(text))
  if (Number.isInteger(number) && number >= 0 && number <= 255 && text !== '') return number
  found.add({ pointer, code: 'INVALID_VALUE', detail: `'${text}' is not an IP protocol.` })
  return null
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
    const match = RANGE.exec(text)
    const first = Number(match?.[1])
    const last = Number(match?.[2] ?? match?.[1])
    if (!(first <= last && last <= PORT_MAX)) {
      const detail = `'${text}' is not a port or a range of ports.`
      found.add({ pointer: `${pointer}/${i}`, code: 'INVALID_VALUE', detail })
    }
    return { first, last }
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
