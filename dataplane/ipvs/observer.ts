/**
 * Finds out what the engine decided about a packet by comparing what it left behind: counters,
 * connection records and statistics before and after. The packet path knows nothing of it.
 * Replay and simulation tell of packets by it.
 */
import { COUNTER_NAMES, type CounterName } from '../counters.js'
import { Flow, IPV4, Packet } from '../packet.js'
import { parse, parseQuoted, QuotedPacket } from '../parse.js'
import { ConnReader, type ConnRecord } from '../shared/conn-reader.js'
import { SERIAL, WORDS } from '../shared/conn-record.js'
import { Col, STRIDE } from '../shared/statistics.js'
import * as icmp from '../wire/icmp.js'
import { ICMP, ICMPV6 } from '../wire/ip-protocol.js'
import type { Dest } from './dest.js'
import { isRelated } from './icmp.js'
import type { Ipvs } from './ipvs.js'
import { ONEPACKET, type Service } from './service.js'

/** Counters that are no reason for a drop. */
const TRAFFIC: ReadonlySet<CounterName> = new Set<CounterName>([
  ...(['received', 'forwarded', 'answered', 'accepted', 'kernelEgress'] as const),
  ...(['fragmentHeld', 'reassembled', 'fragmentedOut', 'segmented'] as const),
])

export type CountersMoved = Partial<Record<CounterName, number>>

export type PacketVerdict =
  /** Sent on to a real server or a client. */
  | 'forwarded'
  /** Answered by the dataplane: a reset, an abort, an ICMP error. */
  | 'answered'
  /** A fragment that waits for the rest of its datagram. */
  | 'held'
  | 'dropped'
  /** None of IPVS's business: the host's own stack goes on with it. */
  | 'host'

/** A connection as it stood at one moment. */
export interface SeenConn {
  c: number
  direction: 'in' | 'out'
  serial: number
  record: ConnRecord | null
}

export interface Observed {
  direction: 'in' | 'out' | 'none'
  verdict: PacketVerdict
  /** Drop reasons, by counter name. */
  reasons: CounterName[]
  /** Every counter that moved, and by how much. */
  counters: CountersMoved
  mark: number
  service: Service | undefined
  /** The real server that it was for or came from. */
  dest: Dest | undefined
  before: SeenConn | null
  after: SeenConn | null
  /** Whether the connection that there is now was made for this packet. */
  isNew: boolean
  /** Chosen for this packet, by the scheduler or a template. */
  scheduled: boolean
  template: { isNew: boolean; record: ConnRecord } | null
}

export interface ObserverOptions {
  ipvs: Ipvs
  /** Gives later fragments the ports that the first one had. */
  completeFragment?: (pkt: Packet) => void
}

export class PacketObserver {
  readonly #ipvs: Ipvs
  readonly #counters: Float64Array
  readonly #countersBefore: Float64Array
  readonly #destStats: Float64Array
  readonly #reader: ConnReader
  readonly #completeFragment: (pkt: Packet) => void
  readonly #quoted = new Flow()
  readonly #where = new QuotedPacket()
  #packet: Packet | null = null
  #isQuote = false
  #service: Service | undefined
  #mark = 0
  #before: SeenConn | null = null
  /** Of the newest connection before the packet. */
  #serial = 0
  #inPkts: number[] = []
  /** Whether the last packet was a fragment. */
  wasFragment = false

  constructor({ ipvs, completeFragment = () => undefined }: ObserverOptions) {
    const { memory } = ipvs
    this.#ipvs = ipvs
    this.#counters = new Float64Array(memory.counters)
    this.#countersBefore = this.#counters.slice()
    this.#destStats = new Float64Array(memory.dests)
    this.#reader = new ConnReader(memory.conns, memory.control, memory.engineData)
    this.#completeFragment = completeFragment
  }

  /** Called for every frame, before the driver gets it: it may refuse it and count that. */
  begin(): void {
    this.#countersBefore.set(this.#counters)
    this.#packet = null
    this.wasFragment = false
  }

  before(original: Packet): void {
    const { services, marks } = this.#ipvs
    const pkt = copyOf(original)
    this.#packet = null
    this.#service = undefined
    this.#before = null
    this.#mark = 0
    if (parse(pkt) !== 0) return
    this.wasFragment = pkt.fragmentOffset !== 0 || pkt.moreFragments
    if (this.wasFragment) this.#completeFragment(pkt)
    this.#packet = pkt
    this.#isQuote = quoteOf(pkt, this.#quoted, this.#where)
    const mark = marks.size === 0 ? 0 : marks.markOf(pkt)
    if (mark !== 0 && services.getMark(pkt.flow.family, mark) !== undefined) this.#mark = mark
    this.#service = this.#isQuote
      ? services.find(this.#quoted, this.#mark, true)
      : services.find(pkt.flow, this.#mark, false)
    this.#before = this.#look()
    this.#serial = this.#ipvs.conns.records.serial
    this.#inPkts = this.#service?.dests.map(dest => this.#inPktsOf(dest)) ?? []
  }

  after(): Observed {
    const packet = this.#packet
    const before = this.#before
    const after = packet === null ? null : this.#look()
    const isNew = after !== null && after.serial !== before?.serial
    const seen = after ?? before
    const onePacket = this.#onePacketDest()
    const dest = seen === null ? onePacket : this.#ipvs.conns.destOf(seen.c)
    const counters = this.moved()
    const reasons = reasonsOf(counters)
    return {
      direction: seen?.direction ?? (this.#isForUs() ? 'in' : 'none'),
      verdict: verdictOf(counters, reasons),
      ...{ reasons, counters, mark: this.#mark >>> 0 },
      ...{ service: this.#service, dest, before, after, isNew },
      scheduled: isNew || (seen === null && onePacket !== undefined),
      template: after === null ? null : this.#template(after),
    }
  }

  /** Counters since `begin`. */
  moved(): CountersMoved {
    const moved: CountersMoved = {}
    for (const [i, name] of COUNTER_NAMES.entries()) {
      const by = this.#counters[i]! - this.#countersBefore[i]!
      if (by !== 0) moved[name] = by
    }
    return moved
  }

  /** The connection that the packet belongs to, or the one quoted by an ICMP error. */
  #look(): SeenConn | null {
    const { table, records } = this.#ipvs.conns
    const { flow } = this.#packet!
    const into = this.#isQuote ? table.inGetInverse(this.#quoted) : table.inGet(flow)
    const c = into !== 0 ? into : this.#outGet()
    if (c === 0) return null
    const serial = records.words[c * WORDS + SERIAL]!
    const direction = into !== 0 ? 'in' : 'out'
    return { c, direction, serial, record: this.#reader.read(c) }
  }

  #outGet(): number {
    const { table } = this.#ipvs.conns
    return this.#isQuote ? table.outGetInverse(this.#quoted) : table.outGet(this.#packet!.flow)
  }

  #isForUs(): boolean {
    if (this.#packet === null) return false
    return this.#mark !== 0 || this.#service !== undefined
  }

  /** One-packet scheduling leaves no connection behind, only its real server's statistics. */
  #onePacketDest(): Dest | undefined {
    const service = this.#service
    if (service === undefined || (service.flags & ONEPACKET) === 0) return undefined
    return service.dests.find((dest, i) => this.#inPktsOf(dest) !== this.#inPkts[i])
  }

  #inPktsOf = (dest: Dest): number => this.#destStats[dest.row * STRIDE + Col.inPkts]!

  #template({ c }: SeenConn): Observed['template'] {
    const { records } = this.#ipvs.conns
    const control = records.control(c)
    const record = control === 0 ? null : this.#reader.read(control)
    if (record === null || !record.template) return null
    const isNew = ((records.words[control * WORDS + SERIAL]! - this.#serial) | 0) > 0
    return { isNew, record }
  }
}

/** Whether a parsed packet is an ICMP error about another, whose flow is then in `quoted`. */
export function quoteOf(pkt: Packet, quoted: Flow, where: QuotedPacket): boolean {
  const { flow, view, l4, end } = pkt
  if (flow.protocol !== (flow.family === IPV4 ? ICMP : ICMPV6)) return false
  const isFragment = pkt.fragmentOffset !== 0 || pkt.moreFragments
  if (isFragment || end - l4 < icmp.MIN_LENGTH) return false
  if (!isRelated(flow.family, icmp.type(view, l4))) return false
  return parseQuoted(pkt, l4 + icmp.MIN_LENGTH, quoted, where) === 0
}

export const reasonsOf = (counters: CountersMoved): CounterName[] =>
  (Object.keys(counters) as CounterName[]).filter(name => !TRAFFIC.has(name))

export function verdictOf(counters: CountersMoved, reasons: readonly CounterName[]): PacketVerdict {
  if (reasons.length > 0) return 'dropped'
  if (counters.forwarded !== undefined) return 'forwarded'
  if (counters.answered !== undefined) return 'answered'
  if (counters.accepted !== undefined) return 'host'
  return counters.fragmentHeld === undefined ? 'dropped' : 'held'
}

export function copyOf(pkt: Packet): Packet {
  const copy = new Packet(pkt.bytes.slice(0, pkt.end))
  copy.port = pkt.port
  copy.l2 = pkt.l2
  copy.l3 = pkt.l3
  copy.end = pkt.end
  return copy
}
