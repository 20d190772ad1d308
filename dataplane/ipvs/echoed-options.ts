/**
 * The options of an answer, taken from the packet that it answers, as in the kernel
 * (__ip_options_echo): the route recorded so far and the times, in this order, each with a slot
 * more where one is free; a route is recorded both ways (RFC 1122 section 3.2.2.6). The packet's
 * own options have been gone through by IpOptions.receive, up to the one that is wrong if one is.
 */
import type { Packet } from '../packet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as options from '../wire/ipv4-options.js'
import type { IpOptions } from './ip-options.js'

const SLOT_OCTETS = 4
const PAIR_OCTETS = 8
const NONE = 0

export class EchoedOptions {
  /** The options, padded to whole words; `length` octets of it count. */
  readonly octets = new Uint8Array(options.MAX_OCTETS)
  readonly #view = new DataView(this.octets.buffer)
  readonly #options: IpOptions
  readonly #timeOfDayMs: () => number
  length = 0

  constructor(ipOptions: IpOptions, timeOfDayMs: () => number) {
    this.#options = ipOptions
    this.#timeOfDayMs = timeOfDayMs
  }

  clear(): void {
    this.length = 0
  }

  /**
   * Sets what an answer to `pkt` from `source` carries. `wrongAt` is the offset in the header of
   * what is wrong with the packet's options, 0 for nothing. False when the kernel finds no way to
   * answer at all: the packet's route or times leave half a slot.
   */
  take(pkt: Packet, source: number, wrongAt: number): boolean {
    this.length = 0
    const { view, l3 } = pkt
    const end = l3 + ipv4.headerLength(view, l3)
    if (end === l3 + ipv4.MIN_LENGTH) return true
    const limit = wrongAt === 0 ? end : l3 + wrongAt
    const route = this.#copy(pkt, options.RECORD_ROUTE, end, limit)
    if (route >= 0 && !this.#recordRoute(route, source)) return false
    const time = this.#copy(pkt, options.TIMESTAMP, end, limit)
    if (time >= 0 && !this.#recordTime(time, source)) return false
    this.#copy(pkt, options.CIPSO, end, limit)
    while ((this.length & 3) !== 0) this.octets[this.length++] = options.END
    return true
  }

  /** Where the packet's option now is here, -1 when it has none. */
  #copy({ view, l3 }: Packet, type: number, end: number, limit: number): number {
    const from = find(view, l3 + ipv4.MIN_LENGTH, limit, end, type)
    if (from === NONE) return -1
    const octets = options.length(view, from, end)
    const at = this.length
    for (let i = 0; i < octets; i++) this.octets[at + i] = view.getUint8(from + i)
    this.length += octets
    return at
  }

  #recordRoute(at: number, source: number): boolean {
    const octets = this.octets[at + 1]!
    const pointer = this.octets[at + options.POINTER_AT]!
    if (pointer > octets) return true
    if (pointer + SLOT_OCTETS - 1 > octets) return false
    this.#view.setInt32(at + pointer - 1, source)
    this.octets[at + options.POINTER_AT] = pointer + SLOT_OCTETS
    return true
  }

  #recordTime(at: number, source: number): boolean {
    const octets = this.octets[at + 1]!
    const pointer = this.octets[at + options.POINTER_AT]!
    const kind = this.octets[at + options.FLAGS_AT]! & 0x0f
    if (pointer > octets) return true
    const isSlotted =
      kind === options.TIMES || kind === options.ADDRESSES || kind === options.PRESPECIFIED
    if (isSlotted && pointer + SLOT_OCTETS - 1 > octets) return false
    const slot = at + pointer - 1
    if (kind === options.TIMES) {
      this.#view.setInt32(slot, this.#timeOfDayMs())
      this.octets[at + options.POINTER_AT] = pointer + SLOT_OCTETS
    } else if (kind === options.ADDRESSES) {
      if (pointer + PAIR_OCTETS - 1 > octets) return false
      this.#view.setInt32(slot, source)
      this.#recordPair(at, pointer)
    } else if (kind === options.PRESPECIFIED && pointer + PAIR_OCTETS - 1 <= octets) {
      if (!this.#options.isOthers(this.#view.getInt32(slot))) this.#recordPair(at, pointer)
    }
    return true
  }

  #recordPair(at: number, pointer: number): void {
    this.#view.setInt32(at + pointer - 1 + SLOT_OCTETS, this.#timeOfDayMs())
    this.octets[at + options.POINTER_AT] = pointer + PAIR_OCTETS
  }
}

/** The first such option that begins before `limit` and was taken in whole: not the wrong one. */
function find(view: DataView, at: number, limit: number, end: number, type: number): number {
  while (at < limit) {
    const found = options.type(view, at)
    if (found === options.END) return NONE
    const octets = options.length(view, at, end)
    if (octets === 0) return NONE
    // CIPSO counts before it is looked at.
    if (found === type && (at + octets <= limit || type === options.CIPSO)) return at
    at += octets
  }
  return NONE
}
