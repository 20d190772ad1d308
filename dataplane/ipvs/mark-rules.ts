import type { Packet } from '../packet.js'
import { inPrefix, type Prefix } from '../wire/address.js'

/** One rule; null means "any". The first rule that matches decides. */
export interface MarkRule {
  readonly mark: number
  readonly family: number
  /** IP protocol number. */
  readonly protocol: number | null
  readonly source: Prefix | null
  readonly destination: Prefix | null
  /** Inclusive ranges; a packet without ports matches only where none are asked for. */
  readonly sourcePorts: readonly PortRange[] | null
  readonly destinationPorts: readonly PortRange[] | null
  /** Index of the port it came in by. */
  readonly port: number | null
}

export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * Which packets carry which firewall mark. The kernel's marks never reach user space, so the
 * appliance has rules of its own in their place.
 */
export class MarkRules {
  #rules: readonly MarkRule[] = []

  get size(): number {
    return this.#rules.length
  }

  get rules(): readonly MarkRule[] {
    return this.#rules
  }

  /** Replaces all rules; their order counts. */
  set(rules: readonly MarkRule[]): void {
    this.#rules = rules
  }

  /** The packet's mark, 0 for none. */
  markOf(pkt: Packet): number {
    for (const rule of this.#rules) if (matches(rule, pkt)) return rule.mark
    return 0
  }

  /**
   * Whether a fragment may be of a datagram that a rule with one of these marks takes; its ports
   * stand in the first fragment only, so they are not asked about.
   */
  mayMark(pkt: Packet, isServed: (family: number, mark: number) => boolean): boolean {
    for (const rule of this.#rules)
      if (matchesEnds(rule, pkt) && isServed(rule.family, rule.mark)) return true
    return false
  }

  /** Position of the rule that decides about the packet, -1 for none. */
  indexOf(pkt: Packet): number {
    return this.#rules.findIndex(rule => matches(rule, pkt))
  }
}

function matches(rule: MarkRule, pkt: Packet): boolean {
  const f = pkt.flow
  return (
    matchesEnds(rule, pkt) &&
    inRanges(rule.destinationPorts, f.dstPort) &&
    inRanges(rule.sourcePorts, f.srcPort)
  )
}

/** All of a rule but its ports. */
function matchesEnds(rule: MarkRule, pkt: Packet): boolean {
  const f = pkt.flow
  if (rule.family !== f.family) return false
  if (rule.protocol !== null && rule.protocol !== f.protocol) return false
  if (rule.port !== null && rule.port !== pkt.port) return false
  const { destination, source } = rule
  if (destination !== null && !inPrefix(destination, f.family, f.dst0, f.dst1, f.dst2, f.dst3)) {
    return false
  }
  return source === null || inPrefix(source, f.family, f.src0, f.src1, f.src2, f.src3)
}

function inRanges(ranges: readonly PortRange[] | null, port: number): boolean {
  if (ranges === null) return true
  for (const { first, last } of ranges) if (port >= first && port <= last) return true
  return false
}
