import { Packet } from '../packet.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import { Mapping } from '../sys/mapping.js'
import { FRAME_MAX, L2, L3, VNET_OCTETS, bufferOctets } from './frame-layout.js'

const SMALL_OCTETS = 2048
const SMALL_COUNT = 1024
/** For reassembled datagrams, and segments of links with jumbo frames. */
const LARGE_COUNT = 32

/** Fixed memory for packets that we make ourselves; all of it is free again after each turn. */
export class Arena {
  readonly #mapping: Mapping
  readonly #small: Packet[] = []
  readonly #large: Packet[] = []
  #smallTaken = 0
  #largeTaken = 0
  #sent = 0

  constructor(ledger: DescriptorLedger) {
    const small = bufferOctets(SMALL_OCTETS)
    const large = bufferOctets(FRAME_MAX)
    this.#mapping = new Mapping(ledger, small * SMALL_COUNT + large * LARGE_COUNT)
    let at = 0
    const add = (packets: Packet[], octets: number): void => {
      const bytes = new Uint8Array(this.#mapping.buffer, at, octets)
      packets.push(new Packet(bytes, this.#mapping.address + at))
      at += octets
    }
    for (let i = 0; i < SMALL_COUNT; i++) add(this.#small, small)
    for (let i = 0; i < LARGE_COUNT; i++) add(this.#large, large)
  }

  /** Null when the fitting buffers are used up. */
  take(octets: number): Packet | null {
    let pkt: Packet | undefined
    if (octets <= SMALL_OCTETS && this.#smallTaken < SMALL_COUNT)
      pkt = this.#small[this.#smallTaken++]
    else if (octets <= FRAME_MAX && this.#largeTaken < LARGE_COUNT)
      pkt = this.#large[this.#largeTaken++]
    if (pkt === undefined) return null
    const { bytes } = pkt
    for (let i = L2 - VNET_OCTETS; i < L2; i++) bytes[i] = 0
    pkt.port = -1
    pkt.toHost = true
    pkt.l2 = L2
    pkt.l3 = L3
    pkt.end = L2 + octets
    return pkt
  }

  /** Told of every packet sent, ours or not. */
  noteSent(pkt: Packet): void {
    const at = pkt.address - this.#mapping.address
    if (at >= 0 && at < this.#mapping.octets) this.#sent++
  }

  /** Whether all packets taken were sent, so that nobody holds one any more. */
  get settled(): boolean {
    return this.#sent === this.#smallTaken + this.#largeTaken
  }

  reset(): void {
    this.#smallTaken = 0
    this.#largeTaken = 0
    this.#sent = 0
  }

  close(): void {
    this.#small.length = 0
    this.#large.length = 0
    this.#mapping.close()
  }
}
