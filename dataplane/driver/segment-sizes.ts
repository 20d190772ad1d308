import type { Packet } from '../packet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as tcp from '../wire/tcp.js'

/** Connections remembered; a power of two. Two that share a place forget each other: no harm. */
const PLACES = 1 << 14
const OPTION_END = 0
const OPTION_NONE = 1
const OPTION_MSS = 2
/** What a TCP without the option is taken to accept, RFC 9293 section 3.7.1. */
const MSS_DEFAULT = 536

/**
 * The smaller MSS that both ends of a TCP connection announced in their SYNs: no end sends
 * segments with more payload, so merged segments that are cut to it fit wherever they came from.
 * The client's endpoint is what both sides of a translated connection have in common: it sends
 * the SYN and gets the SYN/ACK.
 */
export class SegmentSizes {
  /** Two words a place: what the client's endpoint hashes to, and the MSS. */
  readonly #places = new Int32Array(PLACES * 2)

  /** Notes the MSS of a SYN or SYN/ACK. */
  learn({ view, l3, end }: Packet, l4: number): void {
    const mss = mssOf(view, l4, Math.min(end, l4 + tcp.headerLength(view, l4)))
    const answer = (tcp.flags(view, l4) & tcp.ACK) !== 0
    const key = answer ? dstKey(view, l3, l4) : srcKey(view, l3, l4)
    const at = (key & (PLACES - 1)) * 2
    // The SYN starts anew, the answer to it can only lower the value.
    const known = answer && this.#places[at] === key ? this.#places[at + 1]! : mss
    this.#places[at] = key
    this.#places[at + 1] = Math.min(known, mss)
  }

  /** Payload octets of a full segment of this packet's connection, at most `most`. */
  of({ view, l3 }: Packet, l4: number, most: number): number {
    const mss = this.#find(srcKey(view, l3, l4)) || this.#find(dstKey(view, l3, l4))
    if (mss === 0) return most
    // The MSS leaves room for a header without options (RFC 6691); these take from the payload.
    const options = tcp.headerLength(view, l4) - tcp.MIN_LENGTH
    return Math.max(1, Math.min(most, mss - options))
  }

  #find(key: number): number {
    const at = (key & (PLACES - 1)) * 2
    return this.#places[at] === key ? this.#places[at + 1]! : 0
  }
}

const srcKey = (view: DataView, l3: number, l4: number): number =>
  mix(ipv4.src(view, l3), tcp.srcPort(view, l4))
const dstKey = (view: DataView, l3: number, l4: number): number =>
  mix(ipv4.dst(view, l3), tcp.dstPort(view, l4))

/** Spreads an endpoint over 32 bits; never 0, which is an empty place. */
function mix(address: number, port: number): number {
  const h = Math.imul(Math.imul(address, 0x9e3779b1) ^ port, 0x85ebca6b)
  return (h ^ (h >>> 15)) | 0 || 1
}

function mssOf(view: DataView, l4: number, end: number): number {
  let at = l4 + tcp.MIN_LENGTH
  while (at < end) {
    const kind = view.getUint8(at)
    if (kind === OPTION_END) break
    if (kind === OPTION_NONE) {
      at++
      continue
    }
    if (at + 2 > end) break
    const octets = view.getUint8(at + 1)
    if (octets < 2) break
    if (kind === OPTION_MSS && octets === 4 && at + 4 <= end) return view.getUint16(at + 2)
    at += octets
  }
  return MSS_DEFAULT
}
