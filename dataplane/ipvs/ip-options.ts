/**
 * What becomes of the options of an IPv4 packet that this host received, as in the kernel
 * (ip_options_compile, called by ip_rcv_finish): they are checked (RFC 1122 section 3.2.1.8,
 * RFC 1812 section 4.2.2.11), routes and times are recorded, and what is behind the end is blanked.
 * Nothing here looks at more than the 40 octets that a header has room for.
 */
import type { NetworkView } from '../net/network.js'
import { IPV4, type Packet } from '../packet.js'
import * as checksum from '../wire/checksum.js'
import * as ipv4 from '../wire/ipv4.js'
import * as options from '../wire/ipv4-options.js'

/** What `receive` says of a packet; any other answer is the offset of the octet that is wrong. */
export const FINE = 0
export const SOURCE_ROUTED = -1

const SLOT_OCTETS = 4
/** Of addresses with times. */
const PAIR_OCTETS = 8
/** The first slot's pointer: type, length, pointer, and for times the flags before it. */
const FIRST_SLOT = 4
const FIRST_TIME = 5
/** RFC 781: no more than 15 routers without room are counted. */
const OVERFLOW_MAX = 15
/** The shortest CIPSO option: type, length and a domain of interpretation, then one tag. */
const CIPSO_MIN = 8

/** Kinds that may be there once only, as bits of `#seen`. */
const ROUTE_SEEN = 1
const TIME_SEEN = 2
const SOURCE_SEEN = 4

/** Whether the packet has IPv4 options at all. */
export const hasOptions = (pkt: Packet): boolean =>
  pkt.flow.family === IPV4 && (pkt.view.getUint8(pkt.l3) & 0x0f) > 5

export class IpOptions {
  readonly #network: NetworkView
  readonly #timeOfDayMs: () => number
  readonly #address = new Int32Array(4)
  #seen = 0
  #changed = false

  /** `timeOfDayMs`: milliseconds since midnight, UTC. */
  constructor(network: NetworkView, timeOfDayMs: () => number) {
    this.#network = network
    this.#timeOfDayMs = timeOfDayMs
  }

  /**
   * Takes a packet in, once: `local` says whether it goes to an address of this host, which is then
   * what is recorded. Answers FINE, SOURCE_ROUTED (which no host takes by default), or with the
   * offset in the header of the octet that a parameter problem points to.
   */
  receive(pkt: Packet, local: boolean): number {
    const { view, l3 } = pkt
    this.#seen = 0
    this.#changed = false
    if (local) this.#address[0] = pkt.flow.dst0
    else this.#sourceTowards(pkt.flow.src0)
    const wrongAt = this.#walk(view, l3 + ipv4.MIN_LENGTH, l3 + ipv4.headerLength(view, l3))
    if (this.#changed) ipv4.setChecksum(view, l3, checksum.computeIpv4(view, l3))
    // The kernel's answer to one that is wrong as well takes that route backwards; none is better.
    if ((this.#seen & SOURCE_SEEN) !== 0) return SOURCE_ROUTED
    return wrongAt === 0 ? FINE : wrongAt - l3
  }

  /**
   * A packet leaves for somebody else (ip_forward_options): the address in its route is that of the
   * side it leaves by, in place of the side it came in by. `peer` is who sent it.
   */
  depart(pkt: Packet, peer: number, address: number): void {
    const { view, l3 } = pkt
    const end = l3 + ipv4.headerLength(view, l3)
    const at = options.find(view, l3 + ipv4.MIN_LENGTH, end, options.RECORD_ROUTE)
    if (at <= 0) return
    const slot = at + view.getUint8(at + options.POINTER_AT) - 1 - SLOT_OCTETS
    if (slot <= at + options.POINTER_AT || slot + SLOT_OCTETS > end) return
    this.#sourceTowards(peer)
    if (view.getInt32(slot) !== this.#address[0]) return
    view.setInt32(slot, address)
    ipv4.setChecksum(view, l3, checksum.computeIpv4(view, l3))
  }

  #sourceTowards(peer: number): void {
    if (!this.#network.sourceFor(IPV4, peer, 0, 0, 0, this.#address)) this.#address[0] = 0
  }

  /** Offset of what is wrong in `[at, end)`, 0 for nothing. */
  #walk(view: DataView, at: number, end: number): number {
    while (at < end) {
      const type = options.type(view, at)
      if (type === options.END) {
        this.#blank(view, at + 1, end)
        return 0
      }
      const octets = options.length(view, at, end)
      if (octets === 0) return at
      const wrongAt = type === options.NOP ? 0 : this.#option(view, at, octets, type)
      if (wrongAt !== 0) return wrongAt
      at += octets
    }
    return 0
  }

  #option(view: DataView, at: number, octets: number, type: number): number {
    switch (type) {
      case options.RECORD_ROUTE:
        return this.#once(ROUTE_SEEN) ? this.#route(view, at, octets) : at
      case options.TIMESTAMP:
        return this.#once(TIME_SEEN) ? this.#time(view, at, octets) : at
      case options.LOOSE_SOURCE_ROUTE:
      case options.STRICT_SOURCE_ROUTE:
        return this.#sourceRoute(view, at, octets)
      case options.ROUTER_ALERT:
        return octets < 4 ? at + 1 : 0
      case options.CIPSO:
        // No domain of interpretation is known to a host where none was configured.
        return octets < CIPSO_MIN ? at + 1 : at + 2
      default:
        return 0
    }
  }

  #once(kind: number): boolean {
    if ((this.#seen & kind) !== 0) return false
    this.#seen |= kind
    return true
  }

  #route(view: DataView, at: number, octets: number): number {
    const wrongAt = checkSlots(view, at, octets, FIRST_SLOT, SLOT_OCTETS)
    if (wrongAt !== 0) return wrongAt
    const pointer = view.getUint8(at + options.POINTER_AT)
    if (pointer > octets) return 0
    view.setInt32(at + pointer - 1, this.#address[0]!)
    this.#advance(view, at, pointer + SLOT_OCTETS)
    return 0
  }

  #time(view: DataView, at: number, octets: number): number {
    if (octets < 4) return at + 1
    const wrongAt = checkSlots(view, at, octets, FIRST_TIME, SLOT_OCTETS)
    if (wrongAt !== 0) return wrongAt
    const pointer = view.getUint8(at + options.POINTER_AT)
    const kind = view.getUint8(at + options.FLAGS_AT) & 0x0f
    if (pointer > octets) return kind === options.PRESPECIFIED ? 0 : this.#overflow(view, at)
    const slot = at + pointer - 1
    if (kind === options.TIMES) {
      view.setInt32(slot, this.#timeOfDayMs())
      this.#advance(view, at, pointer + SLOT_OCTETS)
    } else if (kind === options.ADDRESSES || kind === options.PRESPECIFIED) {
      if (pointer + PAIR_OCTETS - 1 > octets) return at + options.POINTER_AT
      if (kind === options.ADDRESSES) view.setInt32(slot, this.#address[0]!)
      else if (this.isOthers(view.getInt32(slot))) return 0
      view.setInt32(slot + SLOT_OCTETS, this.#timeOfDayMs())
      this.#advance(view, at, pointer + PAIR_OCTETS)
    }
    return 0
  }

  /** Whether it is another host's unicast address (RTN_UNICAST), so not for us to write beside. */
  isOthers(address: number): boolean {
    if (address >>> 24 === 0 || address >>> 28 === 14 || address === -1) return false
    return !this.#network.isLocal(IPV4, address, 0, 0, 0)
  }

  /** One more that found no room. */
  #overflow(view: DataView, at: number): number {
    const flags = view.getUint8(at + options.FLAGS_AT)
    if (flags >>> 4 === OVERFLOW_MAX) return at + options.FLAGS_AT
    view.setUint8(at + options.FLAGS_AT, flags + 0x10)
    this.#changed = true
    return 0
  }

  #advance(view: DataView, at: number, pointer: number): void {
    view.setUint8(at + options.POINTER_AT, pointer)
    this.#changed = true
  }

  #sourceRoute(view: DataView, at: number, octets: number): number {
    if (octets < 3) return at + 1
    if (view.getUint8(at + options.POINTER_AT) < FIRST_SLOT) return at + options.POINTER_AT
    return this.#once(SOURCE_SEEN) ? 0 : at
  }

  #blank(view: DataView, at: number, end: number): void {
    for (; at < end; at++) {
      if (view.getUint8(at) === 0) continue
      view.setUint8(at, 0)
      this.#changed = true
    }
  }
}

/** Whether the pointer is a possible one: behind the header, and a whole slot where one is free. */
function checkSlots(
  view: DataView,
  at: number,
  octets: number,
  first: number,
  slotOctets: number,
): number {
  if (octets < 3) return at + 1
  const pointer = view.getUint8(at + options.POINTER_AT)
  if (pointer < first) return at + options.POINTER_AT
  return pointer <= octets && pointer + slotOctets - 1 > octets ? at + options.POINTER_AT : 0
}
