import { Counter } from './counters.js'
import type { Driver, Via } from './driver/driver.js'
import * as fragment from './fragment.js'
import * as gso from './gso.js'
import { NextHop, type Adjacency } from './net/network.js'
import { IPV4, type Packet } from './packet.js'
import * as ethernet from './wire/ethernet.js'
import * as virtioNet from './wire/virtio-net.js'

/**
 * The last step of every packet: cuts it where the link asks for it, puts on the Ethernet header
 * and stages it. Offload frames stay whole wherever the egress interface can take them. What runs
 * out of buffers on the way has been counted by the driver.
 */
export class Output {
  readonly #driver: Driver
  readonly #counters: Float64Array
  readonly #take: (octets: number) => Packet | null
  /** Where the pieces of the packet being cut go. */
  #adjacency: Adjacency | null = null
  /** Where the kernel is to send what is in hand; null for the packet's own destination. */
  #via: Via | null = null
  readonly #piece: (piece: Packet) => void
  /** Starts anywhere: identifications shall not be guessed from outside (RFC 7739). */
  #fragmentId: number

  constructor(driver: Driver, counters: Float64Array, firstFragmentId = 0) {
    this.#fragmentId = firstFragmentId
    this.#driver = driver
    this.#counters = counters
    this.#take = octets => this.#driver.take(octets)
    this.#piece = piece => this.#emit(piece, this.#adjacency!)
  }

  /**
   * Sends [l3, end). What is larger than the adjacency's MTU is cut: callers have already refused
   * what must not be. A reassembled datagram leaves in pieces of the sizes it came in.
   * `limitOctets` cuts smaller than the MTU. `via` is where the adjacency leads when that is not
   * the packet's destination.
   */
  send(pkt: Packet, adjacency: Adjacency, limitOctets = Infinity, via: Via | null = null): void {
    if (adjacency.kind === NextHop.unreachable) {
      this.#counters[Counter.noRoute]!++
      return
    }
    this.#via = via
    const offload = virtioNet.isGso(pkt.view, pkt.l2 - virtioNet.LENGTH)
    const octets = offload ? gso.segmentOctets(pkt) : pkt.end - pkt.l3
    const mtuOctets = Math.min(adjacency.mtuOctets, limitOctets)
    if (pkt.pieces !== null) this.#sendPieces(pkt, adjacency)
    else if (octets > mtuOctets) this.#sendCut(pkt, adjacency, mtuOctets, offload)
    else if (offload && !this.#takesOffload(adjacency)) this.#sendSegments(pkt, adjacency)
    else this.#emit(pkt, adjacency)
  }

  /** Whether a checksum inside a tunnel may be left to the egress interface. */
  sumsFor({ kind, port }: Adjacency): boolean {
    return kind === NextHop.ethernet && this.#driver.ports[port]!.sums
  }

  /** Whether TCP offload frames may be sent there with a plain IP tunnel's header in front of them. */
  takesTunnels({ kind, port }: Adjacency): boolean {
    return kind === NextHop.ethernet && (this.#driver.ports[port]!.openTunnels?.() ?? false)
  }

  /** As `send`, for a frame of which the caller knows that it may leave as it is. */
  sendWhole(pkt: Packet, adjacency: Adjacency): void {
    this.#emit(pkt, adjacency)
  }

  #takesOffload({ kind, port }: Adjacency): boolean {
    return kind === NextHop.ethernet && this.#driver.ports[port]!.segments
  }

  #emit(pkt: Packet, adjacency: Adjacency): void {
    if (adjacency.kind === NextHop.ethernet) {
      ethernet.write(
        pkt.view,
        pkt.l2,
        adjacency.dstMacHigh,
        adjacency.dstMacLow,
        adjacency.srcMacHigh,
        adjacency.srcMacLow,
        pkt.flow.family === IPV4 ? ethernet.IPV4 : ethernet.IPV6,
      )
      this.#driver.send(adjacency.port, pkt)
    } else {
      gso.completeChecksum(pkt)
      this.#counters[Counter.kernelEgress]!++
      this.#driver.sendIp(pkt, this.#via)
    }
  }

  #sendSegments(pkt: Packet, adjacency: Adjacency): void {
    this.#adjacency = adjacency
    this.#counters[Counter.segmented]!++
    gso.segment(pkt, this.#take, this.#piece)
  }

  #sendCut(pkt: Packet, adjacency: Adjacency, mtuOctets: number, offload: boolean): void {
    this.#adjacency = adjacency
    if (offload) {
      this.#counters[Counter.segmented]!++
      const cut = (segment: Packet) => this.#cut(segment, mtuOctets)
      gso.segment(pkt, this.#take, cut)
    } else {
      gso.completeChecksum(pkt)
      this.#cut(pkt, mtuOctets)
    }
  }

  #cut(pkt: Packet, mtuOctets: number): void {
    this.#counters[Counter.fragmentedOut]!++
    const id = (this.#fragmentId = (this.#fragmentId + 1) | 0)
    fragment.cutToMtu(pkt, mtuOctets, id, this.#take, this.#piece)
  }

  #sendPieces(pkt: Packet, adjacency: Adjacency): void {
    this.#adjacency = adjacency
    const pieces = pkt.pieces!
    if (pieces.largestOctets > adjacency.mtuOctets) return this.#cut(pkt, adjacency.mtuOctets)
    this.#counters[Counter.fragmentedOut]!++
    const id = (this.#fragmentId = (this.#fragmentId + 1) | 0)
    fragment.cutAsReceived(pkt, pieces.sizes, id, this.#take, this.#piece)
  }
}
