import { Packet } from '../packet.js'
import * as libc from '../sys/libc.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import { Mapping } from '../sys/mapping.js'
import { MSG_DONTWAIT, MSG_TRUNC } from '../sys/socket.js'
import { FRAME_MAX, L2, L3, VNET_OCTETS, bufferOctets } from './frame-layout.js'
import { HEADER_OCTETS, MessageVector } from './message-vector.js'

/** Together 4 MiB: what one turn moves still lies in the processor's cache when it is sent. */
const COUNT = 64
const ATTEMPTS = 4

/**
 * Buffers for frames that a ring slot cannot hold (segmentation offload, up to 64 KiB). The kernel
 * queues those on the socket, in ring order, and marks their slots TP_STATUS_COPY; they are read
 * from there with one recvmmsg a turn. One set of buffers serves all ports and is reused each turn.
 */
export class LargeFrames {
  readonly #mapping: Mapping
  readonly #messages: MessageVector
  readonly #packets: Packet[] = []
  readonly #expected = new Int32Array(COUNT)
  #taken = 0
  #filled = 0

  constructor(ledger: DescriptorLedger) {
    const stride = bufferOctets(FRAME_MAX)
    this.#mapping = new Mapping(ledger, stride * COUNT)
    this.#messages = new MessageVector(ledger, COUNT)
    for (let i = 0; i < COUNT; i++) {
      const bytes = new Uint8Array(this.#mapping.buffer, i * stride, stride)
      const pkt = new Packet(bytes, this.#mapping.address + i * stride)
      pkt.l2 = L2
      pkt.l3 = L3
      this.#packets.push(pkt)
      const from = L2 - VNET_OCTETS
      this.#messages.set(i, pkt.address + from, stride - from)
    }
  }

  /** The next buffer, for a frame of that length which `fill` will read; null when all are taken. */
  take(frameOctets: number): Packet | null {
    if (this.#taken === COUNT) return null
    const pkt = this.#packets[this.#taken]!
    this.#expected[this.#taken++] = frameOctets
    // The last turn may have moved them: tunnel headers are put in front of a frame.
    pkt.l2 = L2
    pkt.l3 = L3
    pkt.end = L2 + frameOctets
    return pkt
  }

  /**
   * Reads the frames of all buffers taken since the last call from one port's socket. False when
   * they are not the frames that the ring announced: the two went out of step.
   */
  fill(fd: number): boolean {
    const messages = this.#messages
    for (let attempt = 0; this.#filled < this.#taken && attempt < ATTEMPTS; attempt++) {
      const first = this.#filled
      const header = messages.address + first * HEADER_OCTETS
      // An error pending on the socket (its link went down) is reported once, before any frame.
      // MSG_TRUNC: be told a frame's whole length even where it did not fit (BIG TCP).
      const n = libc.recvmmsg(fd, header, this.#taken - first, MSG_DONTWAIT | MSG_TRUNC, 0)
      if (n <= 0) continue
      for (let i = first; i < first + n; i++) {
        if (messages.octetsMoved(i) !== this.#expected[i]! + VNET_OCTETS) return this.#giveUp()
      }
      this.#filled = first + n
    }
    return this.#filled === this.#taken || this.#giveUp()
  }

  #giveUp(): boolean {
    this.#filled = this.#taken
    return false
  }

  /** Makes all buffers free again, at the end of a turn. */
  reset(): void {
    this.#taken = 0
    this.#filled = 0
  }

  close(): void {
    this.#mapping.close()
    this.#messages.close()
  }
}
