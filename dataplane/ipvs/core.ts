import { Counter } from '../counters.js'
import { NextHop, type NetworkView } from '../net/network.js'
import { IPV4, UNPARSED, type Packet } from '../packet.js'
import { parse } from '../parse.js'
import type { Reassembler } from '../reassembly.js'
import { FWD_MASK, HELPED, KILLED, MASQ, NO_CPORT, ONE_PACKET } from '../shared/conn-record.js'
import { Verdict } from '../verdict.js'
import { AH, ESP, ICMP, ICMPV6, SCTP, TCP, UDP } from '../wire/ip-protocol.js'
import type { Crew } from './crew.js'
import type { Connections } from './conn.js'
import type { Forwarder } from './forwarder.js'
import type { HostStack } from './host-stack.js'
import type { Icmp } from './icmp.js'
import type { IcmpErrors } from './icmp-errors.js'
import type { Ipsec } from './ipsec.js'
import type { Tombstones } from './kill/tombstones.js'
import type { LocalOut } from './local-out.js'
import type { MarkRules } from './mark-rules.js'
import { Direction, Gate, type Protocol } from './proto/protocol.js'
import type { Probes } from './probes.js'
import type { Protocols } from './proto/index.js'
import { FINE, hasOptions, SOURCE_ROUTED, type IpOptions } from './ip-options.js'
import { isHelpedOffload, type Responder } from './responder.js'
import { Outcome, type Scheduling } from './scheduling.js'
import type { Service } from './service.js'
import type { ServiceTable } from './service-table.js'
import type { Settings } from './settings.js'
import type { Traffic } from './traffic.js'
import type { Clients } from './clients.js'
import type { Transmit } from './xmit/transmit.js'

const FTP_PORT = 21
const INPUT = Direction.input

export interface CoreOptions {
  conns: Connections
  services: ServiceTable
  marks: MarkRules
  protocols: Protocols
  scheduling: Scheduling
  traffic: Traffic
  icmp: Icmp
  ipsec: Ipsec
  errors: IcmpErrors
  forwarder: Forwarder
  responder: Responder
  localOut: LocalOut
  hostStack: HostStack
  tombstones: Tombstones
  network: NetworkView
  transmit: Transmit
  clients: Clients
  probes: Probes
  reassembler: Reassembler
  options: IpOptions
  counters: Float64Array
  settings: Settings
  /** Null when this is the only worker. */
  crew: Crew | null
  nowMs: () => number
}

/**
 * What IPVS does with a packet (ip_vs_core.c). The hooks of the kernel become one decision: a
 * packet for an address of ours is LOCAL_IN, any other FORWARD.
 */
export class Core {
  readonly #o: CoreOptions
  readonly #conns: Connections
  readonly #network: NetworkView
  readonly #counters: Float64Array
  readonly #isServed: (family: number, mark: number) => boolean
  readonly #crew: Crew | null
  readonly #probes: Probes

  constructor(options: CoreOptions) {
    this.#o = options
    this.#conns = options.conns
    this.#network = options.network
    this.#counters = options.counters
    const { services } = options
    this.#isServed = (family, mark) => services.getMark(family, mark) !== undefined
    this.#crew = options.crew
    this.#probes = options.probes
  }

  /**
   * Parses a burst and touches the connections that its packets will ask for. In a large table each
   * is two cache misses of 100 ns and more, one behind the other; asked for together they overlap.
   */
  expect(burst: readonly Packet[], count: number): void {
    const network = this.#network
    const { expected } = this.#conns.table
    for (let i = 0; i < count; i++) {
      const pkt = burst[i]!
      const f = pkt.flow
      const reason = parse(pkt)
      pkt.parsed = reason
      if (reason !== 0) continue
      expected.add(f, network.isLocal(f.family, f.dst0, f.dst1, f.dst2, f.dst3))
    }
    expected.warm()
  }

  handle(pkt: Packet): Verdict {
    const reason = pkt.parsed === UNPARSED ? parse(pkt) : pkt.parsed
    pkt.parsed = UNPARSED
    if (reason !== 0) {
      this.#counters[reason]!++
      return Verdict.drop
    }
    const f = pkt.flow
    if (this.#probes.size > 0 && this.#probes.awaits(f)) return this.#o.forwarder.forward(pkt)
    // fib_validate_source; IPv6 has no such test, so answers of DR servers pass (semantics 0.5).
    if (f.family === IPV4 && this.#network.isLocal(IPV4, f.src0, 0, 0, 0)) {
      this.#counters[Counter.martianSource]!++
      return Verdict.drop
    }
    // Once, however many workers look at it.
    if (pkt.stage === 0 && hasOptions(pkt) && !this.#takesOptions(pkt)) return Verdict.drop
    // IPVS hooks are registered per family, while there is a service of it.
    if (this.#o.services.count(f.family) === 0) {
      const local = this.#network.isLocal(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
      return this.#o.hostStack.accept(pkt, local)
    }
    if (pkt.fragmentOffset !== 0 || pkt.moreFragments) return this.#fragment(pkt)
    return this.#datagram(pkt)
  }

  /** The host itself answers what the packet guard does not keep from it. */
  #takesOptions(pkt: Packet): boolean {
    const f = pkt.flow
    const { marks, services, hostStack, errors, options } = this.#o
    const mark = marks.size === 0 ? 0 : marks.markOf(pkt)
    const isMarked = mark !== 0 && services.getMark(IPV4, mark) !== undefined
    const local = isMarked || this.#network.isLocal(IPV4, f.dst0, 0, 0, 0)
    const found = options.receive(pkt, local)
    if (found === FINE) return true
    this.#counters[found === SOURCE_ROUTED ? Counter.sourceRoute : Counter.badIpHeader]!++
    if (found !== SOURCE_ROUTED && hostStack.hides(f, isMarked)) errors.badOptions(pkt, found)
    return false
  }

  /** A whole datagram, as received or reassembled. */
  #datagram(pkt: Packet): Verdict {
    const f = pkt.flow
    const { marks, services, hostStack } = this.#o
    const mark = marks.size === 0 ? 0 : marks.markOf(pkt)
    // A mark that no service asks for means nothing here.
    pkt.mark = mark !== 0 && services.getMark(f.family, mark) !== undefined ? mark : 0
    // A marked packet is routed to this host wherever it was going, as a mark service needs it.
    const local =
      pkt.mark !== 0 ||
      this.#network.isLocal(f.family, f.dst0, f.dst1, f.dst2, f.dst3) ||
      // Whose address may be withdrawn, until probes find that it has somebody again.
      this.#isProbe(pkt)
    const verdict = this.#hook(pkt, local)
    if (verdict === Verdict.local) return hostStack.deliver(pkt)
    if (verdict !== Verdict.accept) return verdict
    const answered = hostStack.accept(pkt, local)
    if (local && hostStack.reply !== null) this.#o.localOut.seen(hostStack.reply)
    return answered
  }

  #hook(pkt: Packet, local: boolean): Verdict {
    const number = pkt.flow.protocol
    const protocol = this.#o.protocols.get(number)
    if (protocol === null) {
      const icmp = pkt.flow.family === IPV4 ? ICMP : ICMPV6
      if (number === ESP || number === AH) {
        return local ? this.#o.ipsec.in(pkt) : this.#o.ipsec.out(pkt)
      }
      if (number !== icmp) return Verdict.accept
      if (local) return this.#o.icmp.in(pkt)
      // Only marks make connections of addresses that are not ours.
      const passing = this.#o.marks.size === 0 ? Verdict.accept : this.#o.icmp.passing(pkt)
      return passing === Verdict.accept ? this.#o.icmp.out(pkt) : passing
    }
    return local ? this.#in(pkt, protocol) : this.#out(pkt, protocol)
  }

  /** Client to virtual service (ip_vs_in_hook). */
  #in(pkt: Packet, protocol: Protocol): Verdict {
    const { table } = this.#conns
    let c = table.inGet(pkt.flow)
    if (c !== 0) {
      // A probe's connection is older than its first packet, and not another's.
      const reused = protocol.isNewConnection(pkt) && !this.#isProbe(pkt)
      if (reused) c = this.#afterReuse(c, protocol)
      const dest = c === 0 ? undefined : this.#conns.destOf(c)
      if (dest !== undefined && !dest.available && !this.#isKilled(c)) {
        if (!this.#o.settings.expireNodestConn) {
          this.#counters[Counter.destUnavailable]!++
          return Verdict.drop
        }
        this.#conns.expireNow(c)
        c = 0
      }
    }
    if (c !== 0) return this.#deliver(pkt, c, protocol)
    if (this.#crew?.passIn(pkt, pkt.flow, false)) return Verdict.stolen
    return this.#schedule(pkt, protocol)
  }

  /** A SYN or INIT for a connection that exists: 0 when it shall have a new one (semantics 0.2). */
  #afterReuse(c: number, protocol: Protocol): number {
    const { expireNodestConn, connReuseMode } = this.#o.settings
    const { records } = this.#conns
    const quiesced = expireNodestConn && this.#conns.destOf(c)?.weight === 0
    const killed = this.#isKilled(c)
    if (killed) this.#o.tombstones.settle(c)
    const over =
      killed ||
      (connReuseMode !== 0 &&
        records.control(c) === 0 &&
        protocol.isReuseExpected(c, connReuseMode))
    if (!quiesced && !over) return c
    if (records.nControl(c) === 0) this.#conns.expireNow(c)
    return 0
  }

  #schedule(pkt: Packet, protocol: Protocol): Verdict {
    const gate = protocol.gate(pkt)
    if (gate !== Gate.schedule) return gate === Gate.accept ? Verdict.accept : Verdict.drop
    const service = this.#o.services.find(pkt.flow, pkt.mark, false)
    if (service === undefined) return Verdict.accept
    if (this.#crew?.reroutes(pkt, pkt.flow, false, service)) return Verdict.stolen
    if (service.refuses) return this.#refuse(pkt, protocol)
    const outcome = this.#o.scheduling.schedule(service, pkt.flow, false, pkt)
    switch (outcome) {
      case Outcome.scheduled:
        return this.#deliver(pkt, this.#o.scheduling.conn, protocol)
      case Outcome.ignored:
        return Verdict.accept
      case Outcome.dropped:
        return Verdict.drop
      case Outcome.leave:
        return this.#leave(service, pkt, protocol)
      default:
        return outcome
    }
  }

  /** Clients are not to wait: a reset, an abort, or what IPVS has for nobody being there. */
  #refuse(pkt: Packet, protocol: Protocol): Verdict {
    this.#counters[Counter.refused]!++
    const { number } = protocol
    if (number === TCP || number === SCTP) this.#o.hostStack.refuse(pkt)
    else this.#o.errors.portUnreachable(pkt)
    return Verdict.drop
  }

  /** Nobody to give it to (ip_vs_leave). */
  #leave(service: Service, pkt: Packet, protocol: Protocol): Verdict {
    const { settings, scheduling, errors } = this.#o
    if (settings.cacheBypass && service.fwmark !== 0 && this.#isElsewhere(pkt)) {
      return scheduling.bypass(service, pkt.flow) === Outcome.scheduled
        ? this.#deliver(pkt, scheduling.conn, protocol)
        : Verdict.drop
    }
    // FTP data is the host's; all others are told that nobody is there.
    if (service.port === FTP_PORT && pkt.flow.dstPort !== FTP_PORT) return Verdict.accept
    this.#counters[Counter.noDest]!++
    errors.portUnreachable(pkt)
    return Verdict.drop
  }

  /**
   * Whether the packet's own destination is another host's unicast address. Of IPv6 the kernel asks
   * only whether it is unicast (ip_vs_addr_is_unicast).
   */
  #isElsewhere(pkt: Packet): boolean {
    const f = pkt.flow
    if (f.family !== IPV4) return f.dst0 >>> 24 !== 0xff
    return (
      !this.#network.isLocal(f.family, f.dst0, f.dst1, f.dst2, f.dst3) &&
      this.#network.resolve(f.family, f.dst0, f.dst1, f.dst2, f.dst3).kind !== NextHop.unreachable
    )
  }

  /** Counts, moves the state, transmits, restarts the timer: in this order, as ip_vs_in_hook. */
  #deliver(pkt: Packet, c: number, protocol: Protocol): Verdict {
    const { records } = this.#conns
    if ((records.flags(c) & (HELPED | NO_CPORT | KILLED)) !== 0) {
      if (this.#isKilled(c) && this.#o.tombstones.fromClient(pkt, c)) return Verdict.drop
      if (isHelpedOffload(pkt, records.flags(c)))
        return this.#o.responder.segments(pkt, piece => this.#deliver(piece, c, protocol))
      // The first packet of an expected connection.
      this.#conns.fillCport(c, pkt.flow.srcPort)
    }
    const dest = this.#conns.destOf(c)
    this.#o.traffic.in(dest, pkt.end - pkt.l3)
    protocol.setState(c, INPUT, pkt)
    const verdict = this.#o.transmit.send(pkt, c, dest)
    // What a one-packet connection carried is counted by its template.
    const onePacket = (records.flags(c) & ONE_PACKET) !== 0
    const counted = onePacket ? records.control(c) : c
    if (counted !== 0) records.setInPkts(counted, records.inPkts(counted) + 1)
    this.#conns.release(c)
    return verdict
  }

  /** Real server to client (ip_vs_out_hook); the routing tests come first, as in ip_forward. */
  #out(pkt: Packet, protocol: Protocol): Verdict {
    const { table, records } = this.#conns
    const c = table.outGet(pkt.flow)
    if (c === 0 && this.#crew?.passOut(pkt, pkt.flow, false)) return Verdict.stolen
    if (c === 0) return this.#startedByServer(pkt, protocol) ?? this.#unknownReply(pkt)
    // Replies of other methods are the host's to forward; the connection only hears of them.
    const masq = (records.flags(c) & FWD_MASK) === MASQ
    if (this.#isKilled(c) && this.#o.tombstones.fromServer(pkt, c))
      return masq ? Verdict.drop : Verdict.accept
    if (isHelpedOffload(pkt, records.flags(c)))
      return this.#o.responder.segments(pkt, piece => this.#out(piece, protocol))
    const adjacency = masq ? this.#o.clients.towards(c) : null
    if (adjacency !== null && !this.#o.forwarder.passOut(pkt, adjacency)) return Verdict.drop
    return this.#o.responder.respond(pkt, c, protocol, adjacency)
  }

  #isProbe(pkt: Packet): boolean {
    return this.#probes.size > 0 && this.#probes.sent(pkt.flow)
  }

  #isKilled(c: number): boolean {
    return (this.#conns.records.flags(c) & KILLED) !== 0
  }

  /**
   * A datagram by which a real server begins a call (ip_vs_sip_conn_out): it leaves as the virtual
   * service, and the client's answers come back to this server. Null when it is no such thing.
   */
  #startedByServer(pkt: Packet, protocol: Protocol): Verdict | null {
    const f = pkt.flow
    const { services, scheduling } = this.#o
    if (!services.hasEngines || f.protocol !== UDP) return null
    const dest = services.serverOf(f)
    if (dest === undefined) return null
    const service = services.byRow(dest.serviceRow)
    if (service === undefined || !scheduling.isStartedBy(service, pkt)) return null
    const adjacency = this.#network.resolve(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
    if (!this.#o.forwarder.passOut(pkt, adjacency)) return Verdict.drop
    if (scheduling.scheduleFrom(service, dest, f) !== Outcome.scheduled) return Verdict.drop
    return this.#o.responder.respond(pkt, scheduling.conn, protocol, adjacency)
  }

  /** nat_icmp_send: a real server's packet that belongs to nothing may draw a port unreachable. */
  #unknownReply(pkt: Packet): Verdict {
    const f = pkt.flow
    if (!this.#o.settings.natIcmpSend || !this.#o.services.isServerSource(f)) return Verdict.accept
    if (this.#o.protocols.get(f.protocol)?.isReset(pkt) ?? true) return Verdict.accept
    // ip_forward comes before IPVS: its tests, and one hop less in the quote.
    const adjacency = this.#network.resolve(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
    if (this.#o.forwarder.passOut(pkt, adjacency)) this.#o.errors.portUnreachable(pkt)
    return Verdict.drop
  }

  /**
   * Fragments are put together first, as the kernel does on both hooks, but only those that IPVS
   * could have to do with: of our services and what may carry their marks, and of masquerading
   * servers.
   */
  #fragment(pkt: Packet): Verdict {
    const f = pkt.flow
    const { services } = this.#o
    const ours =
      services.knowsAddress(f.family, f.dst0, f.dst1, f.dst2, f.dst3) ||
      services.knowsAddress(f.family, f.src0, f.src1, f.src2, f.src3) ||
      (this.#o.marks.size > 0 && this.#o.marks.mayMark(pkt, this.#isServed))
    if (!ours) return Verdict.accept
    if (this.#crew !== null) {
      const local = this.#network.isLocal(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
      if (this.#crew.passFragment(pkt, local)) return Verdict.stolen
    }
    this.#counters[Counter.fragmentHeld]!++
    const whole = this.#o.reassembler.add(pkt, this.#o.nowMs())
    if (whole === null) return Verdict.stolen
    this.#counters[Counter.reassembled]!++
    whole.stage = pkt.stage
    return this.#datagram(whole)
  }
}
