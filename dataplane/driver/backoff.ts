import type { DescriptorLedger } from '../sys/descriptors.js'
import * as libc from '../sys/libc.js'
import { Mapping } from '../sys/mapping.js'

const POLLOUT = 0x04
const TIMESPEC = 16
const NANOSECONDS_PER_MS = 1e6

/**
 * Waits for room to send, for a bounded time per turn: long enough for a queue of a thousand
 * frames to drain, short enough that nothing else notices.
 */
export class Backoff {
  readonly #mapping: Mapping
  readonly #fd: Int32Array
  readonly #timespec: BigInt64Array
  #deadlineMs = 0

  readonly budgetMs: number

  constructor(ledger: DescriptorLedger, budgetMs = 1) {
    this.budgetMs = budgetMs
    this.#mapping = new Mapping(ledger, 4096)
    this.#timespec = new BigInt64Array(this.#mapping.buffer, 0, 2)
    this.#timespec[1] = BigInt(0.05 * NANOSECONDS_PER_MS)
    this.#fd = new Int32Array(this.#mapping.buffer, TIMESPEC, 2)
    new Int16Array(this.#mapping.buffer, TIMESPEC + 4, 2)[0] = POLLOUT
  }

  /** Starts a new turn with the whole budget. */
  reset(): void {
    this.#deadlineMs = 0
  }

  /**
   * Sleeps about 50 us; with `fd` less when that socket becomes writable (its buffer was full).
   * False when this turn's budget is used up.
   */
  wait(fd: number): boolean {
    const nowMs = performance.now()
    if (this.#deadlineMs === 0) this.#deadlineMs = nowMs + this.budgetMs
    else if (nowMs >= this.#deadlineMs) return false
    this.#fd[0] = fd
    const address = this.#mapping.address
    libc.ppoll(address + TIMESPEC, fd < 0 ? 0 : 1, address, 0)
    return true
  }

  close(): void {
    this.#mapping.close()
  }
}
