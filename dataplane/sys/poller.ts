import type { DescriptorLedger } from './descriptors.js'
import * as libc from './libc.js'
import { Mapping } from './mapping.js'
import { takeError } from './socket.js'

const POLLIN = 0x01
const POLLERR = 0x08
const STRUCT = 8 // struct pollfd: int fd, short events, short revents
const COUNT_MAX = 512

/** Waits for any of a set of descriptors to become readable. Calls allocate nothing. */
export class Poller {
  readonly #mapping: Mapping
  readonly #fds: Int32Array
  readonly #events: Int16Array
  #count = 0

  constructor(ledger: DescriptorLedger) {
    this.#mapping = new Mapping(ledger, COUNT_MAX * STRUCT)
    this.#fds = new Int32Array(this.#mapping.buffer)
    this.#events = new Int16Array(this.#mapping.buffer)
  }

  /** Replaces the set; positions in `fds` are what `isReady` takes. */
  watch(fds: readonly number[]): void {
    if (fds.length > COUNT_MAX) throw new RangeError(`more than ${COUNT_MAX} descriptors`)
    fds.forEach((fd, i) => {
      this.#fds[i * 2] = fd
      this.#events[i * 4 + 2] = POLLIN
      this.#events[i * 4 + 3] = 0
    })
    this.#count = fds.length
  }

  /**
   * Sleeps until something is readable, at most `timeoutMs`; returns how many are ready. A packet
   * socket with an error pending (its link went down) would be ready for ever, as nobody reads it:
   * the error is taken here. Netlink's own, ENOBUFS, comes with data and is left to its reader.
   */
  wait(timeoutMs: number): number {
    const ready = libc.poll(this.#mapping.address, this.#count, timeoutMs)
    if (ready <= 0) return 0
    for (let i = 0; i < this.#count; i++) {
      if ((this.#events[i * 4 + 3]! & (POLLIN | POLLERR)) === POLLERR) takeError(this.#fds[i * 2]!)
    }
    return ready
  }

  /** Whether the descriptor at that position was ready at the last `wait`. */
  isReady(position: number): boolean {
    return this.#events[position * 4 + 3] !== 0
  }

  close(): void {
    this.#count = 0
    this.#mapping.close()
  }
}
