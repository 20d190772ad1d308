/**
 * What this worker holds of the operating system, written into memory that outlives it.
 *
 * Node closes neither descriptors nor mappings that a terminated worker obtained through the C
 * library. A packet socket stays alive while its ring is mapped, even when its descriptor is
 * closed, and the kernel goes on copying frames into it: so mappings are recorded too.
 *
 *     word  0      1   2        3         4      5 ...
 *           count  fd  address  address   pages  next entry
 *                  -1  low      high             (fd -1: a mapping)
 */
import * as libc from './libc.js'

const ENTRY = 4
const PAGE = 4096
const HIGH = 4294967296

export class DescriptorLedger {
  readonly #words: Int32Array

  /** `words` starts at the DESCRIPTORS word of the control block (shared/memory.ts). */
  constructor(words: Int32Array = new Int32Array(1 + 64 * ENTRY)) {
    this.#words = words
  }

  /** Notes an open descriptor; returns it. Throws, having closed it, when the ledger is full. */
  record(fd: number): number {
    if (!this.#add(fd, 0, 0)) {
      libc.close(fd)
      throw new Error('descriptor ledger is full: too many interfaces')
    }
    return fd
  }

  /** Closes a recorded descriptor. */
  close(fd: number): void {
    // Forgotten first: dying in between leaks one descriptor, the other order could close a
    // stranger's that got the same number.
    this.#remove(at => this.#words[at] === fd)
    libc.close(fd)
  }

  recordMapping(address: number, octets: number): void {
    if (this.#add(-1, address, octets)) return
    libc.munmap(address, octets)
    throw new Error('descriptor ledger is full: too many interfaces')
  }

  forgetMapping(address: number): void {
    this.#remove(at => this.#words[at] === -1 && this.#address(at) === address)
  }

  /** Closes and unmaps what a predecessor that died left. Returns how many things that were. */
  closeLeftover(): number {
    const count = this.#words[0]!
    for (let i = count - 1; i >= 0; i--) {
      const at = 1 + i * ENTRY
      this.#words[0] = i
      if (this.#words[at]! >= 0) libc.close(this.#words[at]!)
      else libc.munmap(this.#address(at), this.#words[at + 3]! * PAGE)
    }
    return count
  }

  #address(at: number): number {
    return (this.#words[at + 2]! >>> 0) * HIGH + (this.#words[at + 1]! >>> 0)
  }

  #add(fd: number, address: number, octets: number): boolean {
    const words = this.#words
    const at = 1 + words[0]! * ENTRY
    if (at + ENTRY > words.length) return false
    words[at] = fd
    words[at + 1] = address | 0
    words[at + 2] = Math.floor(address / HIGH)
    words[at + 3] = Math.ceil(octets / PAGE)
    // The count last, so that an entry is whole when it counts.
    words[0] = words[0]! + 1
    return true
  }

  #remove(matches: (at: number) => boolean): void {
    const words = this.#words
    const last = 1 + (words[0]! - 1) * ENTRY
    for (let at = 1; at <= last; at += ENTRY) {
      if (!matches(at)) continue
      words.copyWithin(at, last, last + ENTRY)
      words[0] = words[0]! - 1
      return
    }
  }
}
