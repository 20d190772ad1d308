/**
 * Puts IPv4 (RFC 791, RFC 815) and IPv6 (RFC 8200 section 4.5) fragments together. As in the kernel
 * (inet_fragment.c): a fragment that repeats octets already here is ignored, one that overlaps them
 * in part destroys the datagram (RFC 5722), and so does one that contradicts its length.
 *
 * Memory is bounded. One source may hold a quarter of it; beyond that, or when all is full, the
 * oldest datagram goes, so that a flood costs unfinished datagrams and never more.
 */
import { Counter } from './counters.js'
import { DUPLICATE, OVERLAP, type FragmentQueue } from './fragment-queue.js'
import { BLOCK_OCTETS, FragmentStore } from './fragment-store.js'
import { FragmentTable, type Ages, type Source } from './fragment-table.js'
import { DATAGRAM_MAX } from './limits.js'
import { IPV4, Packet } from './packet.js'
import { parse } from './parse.js'
import * as checksum from './wire/checksum.js'
import * as ipv4 from './wire/ipv4.js'
import * as ipv6 from './wire/ipv6.js'
import * as ipv6Extension from './wire/ipv6-extension.js'
import * as ipv6Fragment from './wire/ipv6-fragment.js'
import * as virtioNet from './wire/virtio-net.js'

/** Some 8,000 fragments of 1500 octets on their way; four times the kernel's ipfrag_high_thresh. */
const OCTETS_DEFAULT = 16 << 20
/** A single source may hold one in so many blocks. */
const SOURCE_SHARE = 4
/** Room before the datagram: tunnel headers, virtio_net_hdr, Ethernet header. */
const HEADROOM = 256

export interface ReassemblerOptions {
  /** Memory for waiting fragments. */
  octetsMax?: number
  /** A random word (see FragmentTable). */
  seed?: number
}

export class Reassembler {
  readonly #counters: Float64Array
  readonly #store: FragmentStore
  readonly #table: FragmentTable
  readonly #upper = new ipv6Extension.UpperLayer()
  readonly #out = new Packet(new Uint8Array(HEADROOM + ipv6.LENGTH + DATAGRAM_MAX))
  readonly #sizes: number[] = []

  constructor(counters: Float64Array, options: ReassemblerOptions = {}) {
    this.#counters = counters
    this.#store = new FragmentStore(options.octetsMax ?? OCTETS_DEFAULT)
    this.#table = new FragmentTable(options.seed ?? 0)
  }

  /** Datagrams that are waiting. */
  get count(): number {
    return this.#table.count
  }

  /** Octets of memory that they hold. */
  get octetsHeld(): number {
    return (this.#store.blocks - this.#store.free) * BLOCK_OCTETS
  }

  /**
   * Takes a copy of a parsed fragment. Returns the whole datagram, parsed, when that was the last
   * piece of it: a packet of our own that is valid until the next `add` or `expire`; else null.
   * Every reason for dropping is counted here; the caller counts fragments and whole datagrams.
   */
  add(pkt: Packet, nowMs: number): Packet | null {
    const isIpv4 = pkt.flow.family === IPV4
    const { view, l2, l3, flow, fragmentOffset, moreFragments } = pkt
    const data = isIpv4 ? pkt.l4 : this.#fragmentData6(pkt)
    if (data === 0) return this.#drop(Counter.badIpHeader)
    // Only the last piece may have an odd length; the kernel cuts others.
    const octets = moreFragments ? (pkt.end - data) & ~7 : pkt.end - data
    if (octets <= 0) return this.#drop(Counter.truncated)
    const blocks = FragmentStore.blocksFor(data + octets - l2)
    const source = this.#table.sourceOf(flow)
    if (!this.#makeRoom(blocks, source)) return this.#drop(Counter.reassemblyFull)
    const id = isIpv4
      ? ipv4.identification(view, l3)
      : ipv6Fragment.identification(view, this.#upper.fragmentAt)
    const queue = this.#table.find(flow, id) ?? this.#table.create(flow, id, nowMs)
    const end = fragmentOffset + octets
    if (!queue.fits(end, !moreFragments)) return this.#discard(queue)
    const found = queue.mark(fragmentOffset, end)
    if (found === DUPLICATE) return this.#drop(Counter.fragmentDuplicate)
    if (found === OVERLAP) return this.#discard(queue)
    const before = queue.fragments
    queue.fragments = this.#store.put(
      pkt.bytes,
      l2,
      data + octets,
      data - l2,
      fragmentOffset,
      before,
    )
    source.blocks += blocks
    this.#note(queue, pkt, octets)
    return queue.received === queue.total ? this.#finish(queue) : null
  }

  /**
   * Gives up on datagrams whose time is over. `onTimeout` gets the first fragment, parsed, for the
   * ICMP error that is due (RFC 792, RFC 4443), or null when it never came.
   */
  expire(nowMs: number, onTimeout: (first: Packet | null) => void): void {
    this.#expireFamily(this.#table.ages4, nowMs, onTimeout)
    this.#expireFamily(this.#table.ages6, nowMs, onTimeout)
  }

  #expireFamily(ages: Ages, nowMs: number, onTimeout: (first: Packet | null) => void): void {
    while (ages.oldest !== null && ages.oldest.deadlineMs <= nowMs) {
      const queue = ages.oldest
      this.#counters[Counter.reassemblyTimeout]!++
      const first = queue.first === 0 ? null : this.#firstFragment(queue)
      this.#remove(queue)
      onTimeout(first)
    }
  }

  #drop(reason: number): null {
    this.#counters[reason]!++
    return null
  }

  /** The whole datagram goes: an overlap, or lengths that contradict each other. */
  #discard(queue: FragmentQueue): null {
    this.#remove(queue)
    return this.#drop(Counter.reassemblyOverlap)
  }

  #remove(queue: FragmentQueue): void {
    const source = this.#table.sourceOf(queue)
    source.blocks -= this.#store.release(queue.fragments)
    this.#table.remove(queue, source)
  }

  /** Evicts until there are that many free blocks, and the source has that many left. */
  #makeRoom(blocks: number, source: Source): boolean {
    const share = Math.ceil(this.#store.blocks / SOURCE_SHARE)
    if (blocks > share) return false
    while (source.blocks + blocks > share) this.#evict(source.oldest!)
    while (this.#store.free < blocks) this.#evict(this.#table.oldest()!)
    return true
  }

  #evict(queue: FragmentQueue): void {
    this.#counters[Counter.reassemblyFull]!++
    this.#remove(queue)
  }

  /** Where the fragment's data starts, leaving in `#upper` what names it; 0 when it is none. */
  #fragmentData6({ view, l3, end }: Packet): number {
    const upper = this.#upper
    const walked = ipv6Extension.walk(view, l3 + 6, l3 + ipv6.LENGTH, end, upper)
    return walked && upper.fragmentAt !== 0 ? upper.fragmentAt + ipv6Fragment.LENGTH : 0
  }

  /** Takes down what the fragment just put in front of the chain says about its datagram. */
  #note(queue: FragmentQueue, pkt: Packet, octets: number): void {
    const { view, l2, l3, end, fragmentOffset } = pkt
    const isIpv4 = pkt.flow.family === IPV4
    queue.received += octets
    queue.furthest = Math.max(queue.furthest, fragmentOffset + octets)
    if (!pkt.moreFragments) queue.total = fragmentOffset + octets
    queue.largestOctets = Math.max(queue.largestOctets, end - l3)
    if (isIpv4 && ipv4.dontFragment(view, l3)) {
      queue.largestDfOctets = Math.max(queue.largestDfOctets, end - l3)
    }
    const tos = isIpv4 ? ipv4.tos(view, l3) : ipv6.trafficClass(view, l3)
    queue.ecnSeen |= 1 << (tos & ipv4.ECN_MASK)
    if (fragmentOffset !== 0) return
    const upper = this.#upper
    queue.first = queue.fragments
    queue.port = pkt.port
    queue.toHost = pkt.toHost
    queue.linkOctets = l3 - l2
    queue.headerOctets = (isIpv4 ? pkt.l4 : upper.fragmentAt) - l3
    if (isIpv4) return
    queue.namedAt = upper.fragmentNamedAt - l3
    queue.nextHeader = ipv6Fragment.nextHeader(view, upper.fragmentAt)
  }

  /** The datagram in `#out`, parsed, or null when there may be no such datagram. */
  #finish(queue: FragmentQueue): Packet | null {
    const out = this.#begin(queue, queue.linkOctets + queue.headerOctets)
    const payload = out.l3 + queue.headerOctets
    const fixed = queue.family === IPV4 ? 0 : ipv6.LENGTH
    out.end = payload + queue.total
    const ecn = mergeEcn(queue.ecnSeen)
    if (out.end - out.l3 - fixed > DATAGRAM_MAX || ecn < 0) {
      this.#remove(queue)
      return this.#drop(Counter.badIpHeader)
    }
    this.#collect(queue, payload)
    const dontFragment = queue.largestDfOctets === queue.largestOctets
    if (queue.family === IPV4) restore4(out, dontFragment, ecn)
    else restore6(out, queue, ecn)
    out.pieces = { sizes: this.#sizes, largestOctets: queue.largestOctets, dontFragment }
    this.#remove(queue)
    const reason = parse(out)
    if (reason !== 0) return this.#drop(reason)
    return out
  }

  /** The first fragment as it came, in `#out`. */
  #firstFragment(queue: FragmentQueue): Packet | null {
    const octets = this.#store.header(queue.first) + this.#store.octets(queue.first)
    const out = this.#begin(queue, octets)
    out.end = out.l2 + octets
    return parse(out) === 0 ? out : null
  }

  /** Starts `#out` with so many octets of the first fragment's frame. */
  #begin(queue: FragmentQueue, octets: number): Packet {
    const out = this.#out
    out.l2 = HEADROOM - queue.linkOctets
    out.l3 = HEADROOM
    out.port = queue.port
    out.toHost = queue.toHost
    out.mark = 0
    out.pieces = null
    virtioNet.clear(out.view, out.l2 - virtioNet.LENGTH)
    this.#store.read(queue.first, 0, octets, out.bytes, out.l2)
    return out
  }

  /** Copies all payloads to their places and lists their sizes in order of offset. */
  #collect(queue: FragmentQueue, payload: number): void {
    const store = this.#store
    const sizes = this.#sizes
    sizes.length = 0
    for (let fragment = queue.fragments; fragment !== 0; fragment = store.next(fragment)) {
      const header = store.header(fragment)
      const offset = store.offset(fragment)
      const octets = store.octets(fragment)
      store.read(fragment, header, header + octets, this.#out.bytes, payload + offset)
      // Sorted by offset as one number, then cut down to the size.
      sizes.push(offset * 65536 + octets)
    }
    sizes.sort(ascending)
    for (let i = 0; i < sizes.length; i++) sizes[i] = sizes[i]! % 65536
  }
}

/** The kernel sets DF again when the largest fragment carried it. */
function restore4({ view, l3, end }: Packet, dontFragment: boolean, ecn: number): void {
  ipv4.setTos(view, l3, ipv4.tos(view, l3) | ecn)
  ipv4.setTotalLength(view, l3, end - l3)
  ipv4.setFlagsOffset(view, l3, dontFragment ? ipv4.DF : 0)
  ipv4.setChecksum(view, l3, checksum.computeIpv4(view, l3))
}

function restore6({ view, l3, end }: Packet, queue: FragmentQueue, ecn: number): void {
  ipv6.setTrafficClass(view, l3, ipv6.trafficClass(view, l3) | ecn)
  ipv6.setPayloadLength(view, l3, end - l3 - ipv6.LENGTH)
  view.setUint8(l3 + queue.namedAt, queue.nextHeader)
}

/**
 * What to or into the ECN field of the whole (RFC 3168 section 5.3): congestion seen by one piece
 * was seen by all. -1 when some pieces were marked and others cannot have been.
 */
function mergeEcn(seen: number): number {
  if ((seen & (1 << ipv4.ECN_CE)) === 0) return 0
  return (seen & 1) !== 0 ? -1 : ipv4.ECN_CE
}

const ascending = (a: number, b: number): number => a - b
