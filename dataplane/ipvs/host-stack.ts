import { Counter } from '../counters.js'
import type { Driver } from '../driver/driver.js'
import { completeChecksum } from '../gso.js'
import { Flow, IPV4, IPV6, type Packet } from '../packet.js'
import { QuotedPacket, parseQuoted } from '../parse.js'
import * as icmp from '../wire/icmp.js'
import { AH, ESP, ICMP, ICMPV6, SCTP, TCP, UDP } from '../wire/ip-protocol.js'
import { Verdict } from '../verdict.js'
import * as checksum from '../wire/checksum.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as ipv6Extension from '../wire/ipv6-extension.js'
import * as seq from '../wire/seq.js'
import * as sctp from '../wire/sctp.js'
import * as tcp from '../wire/tcp.js'
import type { EchoedOptions } from './echoed-options.js'
import type { Forwarder } from './forwarder.js'
import type { Guarded } from './guarded.js'
import { isRelated } from './icmp.js'
import { isIntact } from './intact.js'
import { originate } from './originate.js'
import { answerTo } from './out-of-the-blue.js'

/** ECN capable: what the kernel's SCTP puts on the packets it sends. */
const TOS_ECT0 = 2
/** Kinds of routing headers (RFC 6554, RFC 8754). */
const RPL_ROUTING = 3
const SEGMENT_ROUTING = 4

export interface HostStackOptions {
  guarded: Guarded
  forwarder: Forwarder
  driver: Driver
  counters: Float64Array
  echoed: EchoedOptions
}

/**
 * What the host would have done with a packet that IPVS leaves to it, for those that the packet
 * guard hides from the host: a reset, a port unreachable, an abort, or plain forwarding. All other
 * packets reached the host itself, so nothing is done about them here.
 */
export class HostStack {
  readonly #guarded: Guarded
  readonly #forwarder: Forwarder
  readonly #driver: Driver
  readonly #counters: Float64Array
  readonly #echoed: EchoedOptions
  readonly #source = new Int32Array(4)
  /** What the last `accept` answered with; null when it was no transport packet. */
  reply: Packet | null = null
  readonly #quoted = new Flow()
  readonly #where = new QuotedPacket()
  readonly #upper = new ipv6Extension.UpperLayer()

  constructor({ guarded, forwarder, driver, counters, echoed }: HostStackOptions) {
    this.#guarded = guarded
    this.#echoed = echoed
    this.#forwarder = forwarder
    this.#driver = driver
    this.#counters = counters
  }

  /** Whether the packet guard keeps such a packet from the host. */
  hides(f: Flow, marked: boolean): boolean {
    return marked || this.#guarded.isToVip(f, false) || this.#guarded.isFromReal(f, false)
  }

  accept(pkt: Packet, local: boolean): Verdict {
    this.#counters[Counter.accepted]!++
    this.reply = null
    const f = pkt.flow
    if (pkt.fragmentOffset !== 0 || pkt.moreFragments) return Verdict.accept
    if (!local) {
      const hidden = this.#guarded.isFromReal(f, false) || this.#isHiddenError(pkt)
      return hidden ? this.#forwarder.forward(pkt) : Verdict.accept
    }
    if (pkt.mark === 0 && !this.#guarded.isToVip(f, false)) return Verdict.accept
    // Linux answers for no IPv4 address that only a mark has made local.
    if (pkt.mark !== 0 && f.family === IPV4 && !this.#isOurs(f)) return Verdict.drop
    if (f.family === IPV6 && pkt.l4 - pkt.l3 > ipv6.LENGTH && !this.#isForUs(pkt))
      return Verdict.drop
    if (!isIntact(pkt)) {
      this.#counters[Counter.badTransportChecksum]!++
      return Verdict.drop
    }
    switch (f.protocol) {
      case TCP:
      case SCTP:
        this.refuse(pkt)
        break
      case UDP:
        this.#forwarder.errors.portUnreachable(pkt)
        break
      case AH:
      case ESP:
        this.#forwarder.errors.protocolUnreachable(pkt)
        break
      default:
        return Verdict.accept
    }
    return Verdict.stolen
  }

  /** Tells the sender of a TCP or SCTP packet, by the packet's own numbers, that nobody is there. */
  refuse(pkt: Packet): void {
    if (pkt.flow.protocol === TCP) this.#reset(pkt)
    else this.#abort(pkt)
  }

  /** For a real server on this host: its own stack gets the packet, past the guard. */
  deliver(pkt: Packet): Verdict {
    this.#counters[Counter.forwarded]!++
    completeChecksum(pkt)
    this.#driver.sendIp(pkt)
    return Verdict.stolen
  }

  /**
   * With segments left a packet is for whoever comes next on its route (RFC 8200 section 4.4): the
   * host drops those of kinds that have to be switched on, and tells of all others.
   */
  #isForUs(pkt: Packet): boolean {
    const { view, l3, end } = pkt
    ipv6Extension.walk(view, l3 + 6, l3 + ipv6.LENGTH, end, this.#upper)
    const { routedAt } = this.#upper
    if (routedAt === 0) return true
    const type = view.getUint8(routedAt + 2)
    this.#counters[Counter.sourceRoute]!++
    if (type !== SEGMENT_ROUTING && type !== RPL_ROUTING)
      this.#forwarder.errors.badHeader(pkt, routedAt + 2 - l3)
    return false
  }

  #isOurs(f: Flow): boolean {
    return this.#forwarder.network.isLocal(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
  }

  /** Whether it is an ICMP error that the guard hides for what it quotes. */
  #isHiddenError(pkt: Packet): boolean {
    const { view, l4, end, flow } = pkt
    const { protocol } = flow
    if (protocol !== (flow.family === IPV4 ? ICMP : ICMPV6)) return false
    if (end - l4 < icmp.MIN_LENGTH) return false
    const type = icmp.type(view, l4)
    if (!isRelated(flow.family, type)) return false
    if (parseQuoted(pkt, l4 + icmp.MIN_LENGTH, this.#quoted, this.#where) !== 0) return false
    return this.#guarded.isToVip(this.#quoted, true) || this.#guarded.isFromReal(this.#quoted, true)
  }

  /** RFC 9293 3.10.7.1: the reset that a closed port sends. */
  #reset(pkt: Packet): void {
    const { view, l4 } = pkt
    const flags = tcp.flags(view, l4)
    if ((flags & tcp.RST) !== 0) return
    const isIpv4 = pkt.flow.family === IPV4
    const tos = isIpv4 ? ipv4.tos(view, pkt.l3) : ipv6.trafficClass(view, pkt.l3)
    // The class of service of what it answers, but no congestion mark (tcp_v4_send_reset).
    const reply = this.#reply(pkt, tcp.MIN_LENGTH, TCP, tos & ~ipv4.ECN_MASK)
    if (reply === null) return
    const out = reply.view
    const at = reply.l4
    const acknowledges = (flags & tcp.ACK) !== 0
    const payload = Math.max(0, pkt.end - l4 - tcp.headerLength(view, l4))
    const octets = payload + ((flags & tcp.SYN) !== 0 ? 1 : 0) + ((flags & tcp.FIN) !== 0 ? 1 : 0)
    tcp.setSrcPort(out, at, pkt.flow.dstPort)
    tcp.setDstPort(out, at, pkt.flow.srcPort)
    tcp.setSeq(out, at, acknowledges ? tcp.ack(view, l4) : 0)
    tcp.setAck(out, at, acknowledges ? 0 : seq.add(tcp.seq(view, l4), octets))
    tcp.setOffsetFlags(out, at, 0x5000 | (acknowledges ? tcp.RST : tcp.RST | tcp.ACK))
    tcp.setWindow(out, at, 0)
    tcp.setUrgent(out, at, 0)
    tcp.setChecksum(out, at, 0)
    tcp.setChecksum(out, at, checksum.transport(reply))
    this.#send(reply)
  }

  /** RFC 9260 8.4: with the packet's own verification tag; an INIT's answer has the INIT's new one. */
  #abort(pkt: Packet): void {
    const { view, l4, end } = pkt
    const chunk = l4 + sctp.MIN_LENGTH
    const type = answerTo(view, l4, end)
    if (type < 0) return
    const init = sctp.chunkType(view, chunk) === sctp.INIT && end - chunk >= 8
    const reply = this.#reply(pkt, sctp.MIN_LENGTH + 4, SCTP, TOS_ECT0)
    if (reply === null) return
    const out = reply.view
    const at = reply.l4
    sctp.setSrcPort(out, at, pkt.flow.dstPort)
    sctp.setDstPort(out, at, pkt.flow.srcPort)
    sctp.setVerificationTag(
      out,
      at,
      init ? sctp.initiateTag(view, chunk) : sctp.verificationTag(view, l4),
    )
    sctp.writeChunk(out, at + sctp.MIN_LENGTH, type, init ? 0 : sctp.T_BIT, sctp.CHUNK_LENGTH)
    sctp.setChecksum(out, at, sctp.computeChecksum(out, at, reply.end))
    this.#send(reply)
  }

  /** An empty datagram from the packet's destination to its source. */
  #reply(pkt: Packet, octets: number, protocol: number, tos: number): Packet | null {
    const f = pkt.flow
    this.#source[0] = f.dst0
    this.#source[1] = f.dst1
    this.#source[2] = f.dst2
    this.#source[3] = f.dst3
    this.#echoed.clear()
    // SCTP's answers have no options (sctp_ootb_pkt_new).
    const isEchoed = f.family === IPV4 && protocol === TCP
    if (isEchoed && !this.#echoed.take(pkt, f.dst0, 0)) return null
    const options = this.#echoed
    const origin = { protocol, octets, tos, identification: 0, dontFragment: true, options }
    const reply = originate(this.#driver, f, this.#source, origin)
    if (reply === null) return null
    reply.flow.srcPort = f.dstPort
    reply.flow.dstPort = f.srcPort
    return reply
  }

  #send(reply: Packet): void {
    const t = reply.flow
    this.reply = reply
    this.#counters[Counter.answered]!++
    const adjacency = this.#forwarder.network.resolve(t.family, t.dst0, t.dst1, t.dst2, t.dst3)
    this.#forwarder.output.send(reply, adjacency)
  }
}
