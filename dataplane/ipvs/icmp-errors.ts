import { Counter } from '../counters.js'
import type { Driver } from '../driver/driver.js'
import { Refusal, type NetworkView, type RefusalKind } from '../net/network.js'
import type { Output } from '../output.js'
import { IPV4, type Flow, type Packet } from '../packet.js'
import type { QuotedPacket } from '../parse.js'
import * as checksum from '../wire/checksum.js'
import * as icmp from '../wire/icmp.js'
import * as icmpv6 from '../wire/icmpv6.js'
import { ICMP, ICMPV6 } from '../wire/ip-protocol.js'
import * as ipv4 from '../wire/ipv4.js'
import type { EchoedOptions } from './echoed-options.js'
import { originate } from './originate.js'
import { IcmpRateLimit } from './icmp-rate-limit.js'
import type { Settings } from './settings.js'

/** RFC 1812 4.3.2.3 lets an error grow to 576 octets, RFC 4443 2.4(c) to 1280. */
const MAX4 = 576
const MAX6 = 1280
const HEADERS4 = 20 + 8
const HEADERS6 = 40 + 8
/** Precedence of network control (RFC 1812 4.3.2.5). */
const TOS_CONTROL = 0xc0
const TOS_MASK = 0x1e
/** RFC 4443 3.4: code, and where the Next Header field stands. */
const UNKNOWN_NEXT_HEADER = 1
const NEXT_HEADER_AT = 6
/** Codes of IPv4's unreachable, by Refusal. */
const NO_ROUTE4 = [icmp.NET, icmp.HOST, icmp.PROHIBITED]

export interface IcmpErrorsOptions {
  driver: Driver
  network: NetworkView
  output: Output
  counters: Float64Array
  settings: Settings
  echoed: EchoedOptions
  nowMs: () => number
}

/**
 * The ICMP and ICMPv6 errors that the director itself sends, in the form the kernel's stack gives
 * them: source, quoted length, type of service, rate limit (semantics 6.5).
 */
export class IcmpErrors {
  readonly #o: IcmpErrorsOptions
  readonly #limit: IcmpRateLimit
  readonly #source = new Int32Array(4)
  /** Octets of the IP packet that the last call sent; 0 when it sent none. */
  sentOctets = 0
  #identification = 0

  constructor(options: IcmpErrorsOptions) {
    this.#o = options
    this.#limit = new IcmpRateLimit()
  }

  /** Sends and withholds what `other` would. */
  resemble(other: IcmpErrors): void {
    this.#limit.resemble(other.#limit)
    this.#identification = other.#identification
  }

  portUnreachable(pkt: Packet): void {
    if (pkt.flow.family === IPV4) this.#send4(pkt, icmp.UNREACHABLE, icmp.PORT, 0, true)
    else this.#send6(pkt, icmpv6.UNREACHABLE, icmpv6.PORT, 0)
  }

  protocolUnreachable(pkt: Packet): void {
    if (pkt.flow.family === IPV4) this.#send4(pkt, icmp.UNREACHABLE, icmp.PROTOCOL, 0, true)
    else this.#send6(pkt, icmpv6.PARAMETER_PROBLEM, UNKNOWN_NEXT_HEADER, NEXT_HEADER_AT)
  }

  hostUnreachable(pkt: Packet): void {
    this.#o.counters[Counter.noRoute]!++
    if (pkt.flow.family === IPV4) this.#send4(pkt, icmp.UNREACHABLE, icmp.HOST, 0, true)
    else this.#send6(pkt, icmpv6.UNREACHABLE, icmpv6.ADDRESS, 0)
  }

  /** The routes lead nowhere. IPv6 has one code for none and for an unreachable one. */
  noRoute(pkt: Packet, refusal: RefusalKind): void {
    this.#o.counters[Counter.noRoute]!++
    if (refusal === Refusal.silent) this.sentOctets = 0
    else if (pkt.flow.family === IPV4)
      this.#send4(pkt, icmp.UNREACHABLE, NO_ROUTE4[refusal]!, 0, true)
    else {
      const code = refusal === Refusal.prohibited ? icmpv6.PROHIBITED : icmpv6.NO_ROUTE
      this.#send6(pkt, icmpv6.UNREACHABLE, code, 0)
    }
  }

  timeExceeded(pkt: Packet): void {
    this.#o.counters[Counter.ttlExpired]!++
    if (pkt.flow.family === IPV4) this.#send4(pkt, icmp.TIME_EXCEEDED, icmp.TTL, 0, true)
    else this.#send6(pkt, icmpv6.TIME_EXCEEDED, icmpv6.HOP_LIMIT, 0)
  }

  /** IPv4 options that make no sense; `wrongAt` is where in the header. */
  badOptions(pkt: Packet, wrongAt: number): void {
    this.#send4(pkt, icmp.PARAMETER_PROBLEM, 0, wrongAt << 24, true, wrongAt)
  }

  /** An IPv6 extension header; `wrongAt` is where in the packet. */
  badHeader(pkt: Packet, wrongAt: number): void {
    this.#send6(pkt, icmpv6.PARAMETER_PROBLEM, icmpv6.ERRONEOUS_FIELD, wrongAt)
  }

  reassemblyTimeExceeded(pkt: Packet): void {
    if (pkt.flow.family === IPV4) this.#send4(pkt, icmp.TIME_EXCEEDED, icmp.REASSEMBLY, 0, true)
    else this.#send6(pkt, icmpv6.TIME_EXCEEDED, icmpv6.REASSEMBLY, 0)
  }

  /** Fragmentation needed, or packet too big. The kernel does not rate-limit the former. */
  tooBig(pkt: Packet, mtuOctets: number): void {
    this.#o.counters[Counter.tooBig]!++
    if (pkt.flow.family === IPV4) {
      this.#send4(pkt, icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, mtuOctets, false)
    } else this.#send6(pkt, icmpv6.PACKET_TOO_BIG, 0, mtuOctets)
  }

  /**
   * Sends the client an error about a packet of its own that was quoted to us inside a tunnel:
   * from the virtual address, quoting as much as was quoted.
   */
  relay(
    pkt: Packet,
    inner: Flow,
    where: QuotedPacket,
    error: { type: number; code: number; rest: number },
  ): void {
    this.sentOctets = 0
    this.#source.set([inner.dst0, inner.dst1, inner.dst2, inner.dst3])
    const quoted = Math.min(where.end - where.l3, MAX4 - HEADERS4)
    const reply = originate(this.#o.driver, inner, this.#source, {
      protocol: ICMP,
      octets: 8 + quoted,
      tos: (ipv4.tos(pkt.view, where.l3) & TOS_MASK) | TOS_CONTROL,
      identification: this.#nextIdentification(),
      dontFragment: false,
      options: null,
    })
    this.#finish(pkt, where.l3, reply, quoted, error.type, error.code, error.rest)
  }

  #nextIdentification(): number {
    return (this.#identification = (this.#identification + 1) & 0xffff)
  }

  /** `wrongAt`: the octet of the header that the error is about, if it is in the options. */
  #send4(
    pkt: Packet,
    type: number,
    code: number,
    rest: number,
    limited: boolean,
    wrongAt = 0,
  ): void {
    this.sentOctets = 0
    if (pkt.fragmentOffset !== 0 || isIcmpError4(pkt)) return
    if ((limited && !this.#allowed(pkt)) || !this.#chooseSource(pkt)) return
    const { echoed } = this.#o
    if (!echoed.take(pkt, this.#source[0]!, wrongAt)) return
    const quoted = Math.min(pkt.end - pkt.l3, MAX4 - HEADERS4 - echoed.length)
    const reply = originate(this.#o.driver, pkt.flow, this.#source, {
      protocol: ICMP,
      octets: 8 + quoted,
      tos: (ipv4.tos(pkt.view, pkt.l3) & TOS_MASK) | TOS_CONTROL,
      identification: this.#nextIdentification(),
      dontFragment: false,
      options: echoed,
    })
    this.#finish(pkt, pkt.l3, reply, quoted, type, code, rest)
  }

  #send6(pkt: Packet, type: number, code: number, rest: number): void {
    this.sentOctets = 0
    if (pkt.fragmentOffset !== 0 || isIcmpError6(pkt)) return
    if (!this.#allowed(pkt) || !this.#chooseSource(pkt)) return
    const quoted = Math.min(pkt.end - pkt.l3, MAX6 - HEADERS6)
    const reply = originate(this.#o.driver, pkt.flow, this.#source, {
      protocol: ICMPV6,
      octets: 8 + quoted,
      tos: 0,
      identification: 0,
      dontFragment: false,
      options: null,
    })
    this.#finish(pkt, pkt.l3, reply, quoted, type, code, rest)
  }

  /** The packet's own destination where that is ours, else our address on the side it came in by. */
  #chooseSource(pkt: Packet): boolean {
    const f = pkt.flow
    const isOurs = this.#o.network.isLocal(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
    // Linux refuses to send from an address that only a mark has made local.
    if (pkt.mark !== 0 && f.family === IPV4 && !isOurs) return false
    if (isOurs) {
      this.#source[0] = f.dst0
      this.#source[1] = f.dst1
      this.#source[2] = f.dst2
      this.#source[3] = f.dst3
      return true
    }
    return this.#o.network.sourceAddress(pkt.port, f.family, this.#source)
  }

  #allowed(pkt: Packet): boolean {
    const f = pkt.flow
    const periodMs = this.#o.settings.icmpRateLimitMs
    if (this.#limit.allow(f.src0 ^ f.src1, f.src2 ^ f.src3, periodMs, this.#o.nowMs())) return true
    this.#o.counters[Counter.icmpRateLimited]!++
    return false
  }

  /** The ICMP header (alike in both versions), the quote and the checksum. */
  #finish(
    pkt: Packet,
    quoteAt: number,
    reply: Packet | null,
    quoted: number,
    type: number,
    code: number,
    rest: number,
  ): void {
    if (reply === null) return
    const { view, l4, flow } = reply
    icmp.setType(view, l4, type)
    icmp.setCode(view, l4, code)
    icmp.setRest(view, l4, rest)
    reply.bytes.set(pkt.bytes.subarray(quoteAt, quoteAt + quoted), l4 + 8)
    this.sentOctets = reply.end - reply.l3
    icmp.setChecksum(view, l4, 0)
    icmp.setChecksum(view, l4, icmpChecksum(reply))
    this.#o.counters[Counter.answered]!++
    const { network, output } = this.#o
    output.send(reply, network.resolve(flow.family, flow.dst0, flow.dst1, flow.dst2, flow.dst3))
  }
}

/** Over the message; with a pseudo-header in ICMPv6 (RFC 4443 2.3). */
export function icmpChecksum(pkt: Packet): number {
  return pkt.flow.family === IPV4
    ? checksum.compute(pkt.view, pkt.l4, pkt.end)
    : checksum.transport(pkt)
}

/** Errors are never sent about errors (RFC 1122 3.2.2); replies and requests may draw one. */
function isIcmpError4(pkt: Packet): boolean {
  if (pkt.flow.protocol !== ICMP) return false
  if (pkt.end - pkt.l4 < 1) return true
  return !icmp.isQuery(icmp.type(pkt.view, pkt.l4))
}

function isIcmpError6(pkt: Packet): boolean {
  if (pkt.flow.protocol !== ICMPV6) return false
  return pkt.end - pkt.l4 < 1 || icmpv6.type(pkt.view, pkt.l4) < 128
}
