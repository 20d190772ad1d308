/**
 * Finds out what the engine decided about a packet by comparing what it left behind: counters,
 * connection records and statistics before and after. The packet path knows nothing of it.
 */
import { COUNTER_NAMES, type CounterName } from '../../dataplane/counters.js'
import { isRelated } from '../../dataplane/ipvs/icmp.js'
import type { Ipvs } from '../../dataplane/ipvs/ipvs.js'
import { ONEPACKET, type Service } from '../../dataplane/ipvs/service.js'
import { Flow, IPV4, Packet } from '../../dataplane/packet.js'
import { parse, parseQuoted, QuotedPacket } from '../../dataplane/parse.js'
import { ConnReader, type ConnRecord } from '../../dataplane/shared/conn-reader.js'
import { FWD_MASK, SERIAL, WORDS } from '../../dataplane/shared/conn-record.js'
import type { Dest } from '../../dataplane/ipvs/dest.js'
import { Col, STRIDE } from '../../dataplane/shared/statistics.js'
import * as address from '../../dataplane/wire/address.js'
import * as icmp from '../../dataplane/wire/icmp.js'
import { ICMP, ICMPV6 } from '../../dataplane/wire/ip-protocol.js'
import { endpointOf } from '../../server/documents.js'
import type { ConnectionView, Decision, ServerView, Verdict } from './decision.js'
import type { Directory } from './directory.js'
import { FragmentPorts } from './fragment-ports.js'
import type { Stage } from './stage.js'

/** Counters that are no reason for a drop. */
const TRAFFIC: ReadonlySet<CounterName> = new Set<CounterName>([
  ...(['received', 'forwarded', 'answered', 'accepted', 'kernelEgress'] as const),
  ...(['fragmentHeld', 'reassembled', 'fragmentedOut', 'segmented'] as const),
])

/** A connection as it stood at one moment. */
interface Seen {
  c: number
  direction: Decision['direction']
  serial: number
  record: ConnRecord | null
}

export class Observer {
  readonly #ipvs: Ipvs
  readonly #counters: Float64Array
  readonly #countersBefore: Float64Array
  readonly #destStats: Float64Array
  readonly #reader: ConnReader
  readonly #directory: Directory
  readonly #fragments = new FragmentPorts()
  readonly #quoted = new Flow()
  readonly #where = new QuotedPacket()
  #packet: Packet | null = null
  #isQuote = false
  #service: Service | undefined
  #mark = 0
  #before: Seen | null = null
  #inPkts: number[] = []
  /** Of the last packet that reached the engine. */
  #decision: Decision | null = null
  /** Whether that one was a fragment. */
  wasFragment = false

  constructor(stage: Pick<Stage, 'ipvs' | 'memory' | 'counters'>, directory: Directory) {
    const { ipvs, memory, counters } = stage
    this.#ipvs = ipvs
    this.#counters = counters
    this.#countersBefore = counters.slice()
    this.#destStats = new Float64Array(memory.dests)
    this.#reader = new ConnReader(memory.conns, memory.control)
    this.#directory = directory
  }

  /** Called for every frame, before the driver gets it: it may refuse it and count that. */
  begin(): void {
    this.#countersBefore.set(this.#counters)
    this.#decision = null
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
    if (this.wasFragment) this.#fragments.complete(pkt)
    this.#packet = pkt
    this.#isQuote = this.#readQuote(pkt)
    const mark = marks.size === 0 ? 0 : marks.markOf(pkt)
    if (mark !== 0 && services.getMark(pkt.flow.family, mark) !== undefined) this.#mark = mark
    this.#service = this.#isQuote
      ? services.find(this.#quoted, this.#mark, true)
      : services.find(pkt.flow, this.#mark, false)
    this.#before = this.#look()
    this.#inPkts = this.#service?.dests.map(dest => this.#inPktsOf(dest)) ?? []
  }

  after(): void {
    const packet = this.#packet
    const before = this.#before
    const after = packet === null ? null : this.#look()
    const isNew = after !== null && after.serial !== before?.serial
    const seen = after ?? before
    const onePacket = this.#onePacketDest()
    const dest = seen === null ? onePacket : this.#ipvs.conns.destOf(seen.c)
    const owner = dest === undefined ? null : this.#directory.owner(dest.row)
    const service = owner?.service ?? this.#directory.service(this.#service?.row ?? 0)
    const counters = this.#moved()
    const reasons = names(counters).filter(name => !TRAFFIC.has(name))
    this.#decision = {
      direction: seen?.direction ?? (this.#isForUs() ? 'in' : 'none'),
      verdict: verdictOf(counters, reasons),
      ...{ reasons, counters, mark: this.#mark >>> 0 },
      service,
      server: dest === undefined || owner === null ? null : serverView(owner.name, dest, seen),
      connection: this.#connection(before, after, isNew),
      scheduled: isNew || (seen === null && onePacket !== undefined),
    }
  }

  /** What became of the frame given after `begin`. */
  end(): Decision {
    if (this.#decision !== null) return this.#decision
    // The driver refused it, as a port would have done.
    const counters = this.#moved()
    const reasons = names(counters).filter(name => !TRAFFIC.has(name))
    const nothing = { mark: 0, service: null, server: null, connection: null, scheduled: false }
    return { direction: 'none', verdict: 'dropped', reasons, counters, ...nothing }
  }

  #moved(): Decision['counters'] {
    const moved: Decision['counters'] = {}
    for (const [i, name] of COUNTER_NAMES.entries()) {
      const by = this.#counters[i]! - this.#countersBefore[i]!
      if (by !== 0) moved[name] = by
    }
    return moved
  }

  /** The connection that the packet belongs to, or the one quoted by an ICMP error. */
  #look(): Seen | null {
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

  #readQuote(pkt: Packet): boolean {
    const { flow, view, l4, end } = pkt
    if (flow.protocol !== (flow.family === IPV4 ? ICMP : ICMPV6)) return false
    if (this.wasFragment || end - l4 < icmp.MIN_LENGTH) return false
    if (!isRelated(flow.family, icmp.type(view, l4))) return false
    return parseQuoted(pkt, l4 + icmp.MIN_LENGTH, this.#quoted, this.#where) === 0
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

  #connection(before: Seen | null, after: Seen | null, isNew: boolean): ConnectionView | null {
    const record = after?.record ?? before?.record ?? null
    if (record === null) return null
    const { protocol, client, virtual, realServer, forwarding, expiresInSeconds } = record
    return {
      isNew,
      template: after === null ? null : this.#template(after),
      ...{ protocol, forwarding, expiresInSeconds },
      client: endpointOf(client),
      virtual: endpointOf(virtual),
      realServer: endpointOf(realServer),
      stateBefore: isNew ? null : (before?.record?.state ?? null),
      stateAfter: after?.record?.state ?? null,
    }
  }

  #template({ c, serial }: Seen): ConnectionView['template'] {
    const { records } = this.#ipvs.conns
    const control = records.control(c)
    const record = control === 0 ? null : this.#reader.read(control)
    if (record === null || !record.template) return null
    // Made for this very connection: nothing came between the two.
    const isNew = records.words[control * WORDS + SERIAL] === ((serial - 1) | 0)
    const { client, expiresInSeconds } = record
    return { isNew, client: client.address, expiresInSeconds }
  }
}

function serverView(name: string, dest: Dest, seen: Seen | null): ServerView {
  const { weight, activeConns, inactConns } = dest
  const { endpoint, forwarding } = nameOf(dest)
  const used = seen?.record?.forwarding ?? forwarding
  return { name, endpoint, forwarding: used, weight, activeConns, inactConns }
}

const METHODS = ['masq', 'local', 'tunnel', 'dr', 'bypass']

function nameOf(dest: Dest): { endpoint: string; forwarding: string } {
  const { family, w0, w1, w2, w3, port } = dest
  const text = address.format(family, w0, w1, w2, w3)
  const forwarding = METHODS[dest.connFlags & FWD_MASK]!
  return { endpoint: endpointOf({ address: text, port }), forwarding }
}

function verdictOf(counters: Decision['counters'], reasons: readonly CounterName[]): Verdict {
  if (reasons.length > 0) return 'dropped'
  if (counters.forwarded !== undefined) return 'forwarded'
  if (counters.answered !== undefined) return 'answered'
  if (counters.accepted !== undefined) return 'host'
  return counters.fragmentHeld === undefined ? 'dropped' : 'held'
}

const names = (counters: Decision['counters']): CounterName[] =>
  Object.keys(counters) as CounterName[]

function copyOf(pkt: Packet): Packet {
  const copy = new Packet(pkt.bytes.slice(0, pkt.end))
  copy.port = pkt.port
  copy.l2 = pkt.l2
  copy.l3 = pkt.l3
  copy.end = pkt.end
  return copy
}
