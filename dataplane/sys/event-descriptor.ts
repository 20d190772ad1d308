import type { DescriptorLedger } from './descriptors.js'
import * as libc from './libc.js'

const EFD_NONBLOCK = 0o4000
const EFD_CLOEXEC = 0o2000000

/**
 * An eventfd: what wakes the worker out of `Poller.wait`. Any thread of the process may signal it
 * by writing eight octets (a 64-bit integer of its own byte order, not 0) to `descriptor`.
 */
export class EventDescriptor {
  readonly descriptor: number
  readonly #ledger: DescriptorLedger | null
  readonly #value = new Uint8Array(8)

  /** `ledger` null: nobody closes it; `existing` is one that was made so, to go on with. */
  constructor(ledger: DescriptorLedger | null, existing = 0) {
    this.#ledger = ledger
    const fd =
      existing > 0 ? existing : libc.must('eventfd', libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))
    this.descriptor = ledger?.record(fd) ?? fd
  }

  /** Makes it unreadable again. */
  drain(): void {
    libc.readBytes(this.descriptor, this.#value, 8)
  }

  close(): void {
    this.#ledger?.close(this.descriptor)
  }
}
