import type { NetworkView, Adjacency } from '../net/network.js'
import { NextHop } from '../net/network.js'
import type { Output } from '../output.js'
import { segmentOctets } from '../gso.js'
import { IPV4, type Packet } from '../packet.js'
import { Verdict } from '../verdict.js'
import * as ipv4 from '../wire/ipv4.js'
import * as virtioNet from '../wire/virtio-net.js'
import type { IcmpErrors } from './icmp-errors.js'
import { hasOptions, type IpOptions } from './ip-options.js'
import { decrementTtl, ttl } from './xmit/ttl.js'

/** The tests that routing makes before a packet may leave: TTL and MTU, each with its answer. */
export class Forwarder {
  readonly network: NetworkView
  readonly output: Output
  readonly errors: IcmpErrors
  readonly #options: IpOptions
  readonly #source = new Int32Array(4)

  constructor(network: NetworkView, output: Output, errors: IcmpErrors, options: IpOptions) {
    this.#options = options
    this.network = network
    this.output = output
    this.errors = errors
  }

  /**
   * Client to real server, as ip_vs_xmit.c: TTL test, decrement, MTU test. False when the packet
   * was answered instead; an MTU answer quotes it with the TTL already decremented.
   */
  passIn(pkt: Packet, adjacency: Adjacency, mtuOctets: number): boolean {
    if (adjacency.kind === NextHop.unreachable) {
      this.errors.hostUnreachable(pkt)
      return false
    }
    if (adjacency.kind === NextHop.local) return true
    if (ttl(pkt) <= 1) {
      this.errors.timeExceeded(pkt)
      return false
    }
    decrementTtl(pkt)
    if (!exceeds(pkt, mtuOctets)) return true
    this.errors.tooBig(pkt, mtuOctets)
    return false
  }

  /** Real server to client, as ip_forward.c: route, TTL, MTU, decrement, and only then IPVS. */
  passOut(pkt: Packet, adjacency: Adjacency): boolean {
    // The route is looked up before ip_forward is called (ip_error, ip6_pkt_drop).
    if (adjacency.kind === NextHop.unreachable) {
      this.errors.noRoute(pkt, adjacency.refusal)
      return false
    }
    if (ttl(pkt) <= 1) {
      this.errors.timeExceeded(pkt)
      return false
    }
    if (exceeds(pkt, adjacency.mtuOctets)) {
      this.errors.tooBig(pkt, adjacency.mtuOctets)
      return false
    }
    decrementTtl(pkt)
    return true
  }

  /** Plain routing of a packet that only the guard keeps from the host. */
  forward(pkt: Packet): Verdict {
    const f = pkt.flow
    const adjacency = this.network.resolve(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
    if (!this.passOut(pkt, adjacency)) return Verdict.drop
    if (hasOptions(pkt) && this.network.sourceFor(IPV4, f.dst0, 0, 0, 0, this.#source))
      this.#options.depart(pkt, f.src0, this.#source[0]!)
    this.output.send(pkt, adjacency)
    return Verdict.stolen
  }
}

/**
 * Whether the datagram may not be cut and does not fit: IPv4 with DF, IPv6 always. An offload frame
 * is judged by the frames that it stands for, as they were on the wire; a reassembled datagram by
 * its largest fragment.
 */
function exceeds(pkt: Packet, mtuOctets: number): boolean {
  const { view, l3 } = pkt
  const whole = pkt.end - l3
  if (whole <= mtuOctets) return false
  if (virtioNet.isGso(view, pkt.l2 - virtioNet.LENGTH) && segmentOctets(pkt) <= mtuOctets)
    return false
  if (pkt.flow.family === IPV4) {
    return ipv4.dontFragment(view, l3) || (pkt.pieces !== null && pkt.pieces.dontFragment)
  }
  return pkt.pieces === null || pkt.pieces.largestOctets > mtuOctets
}
