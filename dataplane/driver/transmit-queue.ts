import { Counter } from '../counters.js'
import { BURST_MAX } from '../limits.js'
import type { Packet } from '../packet.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import { EAGAIN, EINTR, ENETDOWN, ENOBUFS } from '../sys/errno.js'
import * as libc from '../sys/libc.js'
import { MSG_DONTWAIT } from '../sys/socket.js'
import type { Backoff } from './backoff.js'
import { VNET_OCTETS } from './frame-layout.js'
import { HEADER_OCTETS, MessageVector } from './message-vector.js'

/** Frames staged for one port, sent straight from the memory that they were received into. */
export class TransmitQueue {
  readonly #messages: MessageVector
  readonly #counters: Float64Array
  readonly #backoff: Backoff
  #fd: number
  #count = 0

  constructor(ledger: DescriptorLedger, fd: number, counters: Float64Array, backoff: Backoff) {
    this.#messages = new MessageVector(ledger, BURST_MAX)
    this.#counters = counters
    this.#backoff = backoff
    this.#fd = fd
  }

  /** Stages [l2, end), with the virtio_net_hdr in front of it. A full queue is sent at once. */
  push(pkt: Packet): void {
    if (this.#count === BURST_MAX) this.flush()
    const from = pkt.l2 - VNET_OCTETS
    this.#messages.set(this.#count++, pkt.address + from, pkt.end - from)
  }

  /**
   * Sends what is staged. A full socket or device is waited for within the turn's budget, then the
   * rest is dropped; a frame that the kernel refuses is dropped alone.
   */
  flush(): void {
    const { address } = this.#messages
    let retried = -1
    for (let sent = 0; sent < this.#count;) {
      const header = address + sent * HEADER_OCTETS
      const n = libc.sendmmsg(this.#fd, header, this.#count - sent, MSG_DONTWAIT)
      if (n > 0) {
        sent += n
        continue
      }
      const error = libc.errno()
      if (error === EINTR) continue
      // EAGAIN: the send buffer is full, the socket says when there is room. ENOBUFS: the device's
      // queue is (veth: the peer's backlog), of which nothing tells.
      if (error === EAGAIN || error === ENOBUFS) {
        if (this.#backoff.wait(error === EAGAIN ? this.#fd : -1)) continue
        this.#drop(Counter.transmitFull, this.#count - sent)
        break
      }
      // That the link once went down is told to the first who sends after it, even when it is up
      // again: only the second time does it concern this frame.
      if (error === ENETDOWN && retried !== sent) {
        retried = sent
        continue
      }
      this.#drop(Counter.transmitError, 1)
      sent++
    }
    this.#count = 0
  }

  #drop(reason: number, frames: number): void {
    this.#counters[reason] = this.#counters[reason]! + frames
  }

  close(): void {
    this.#count = 0
    this.#fd = -1
    this.#messages.close()
  }
}
