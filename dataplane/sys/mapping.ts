import type { DescriptorLedger } from './descriptors.js'
import * as libc from './libc.js'

const PROT_READ_WRITE = 1 | 2
const MAP_SHARED = 0x01
const MAP_PRIVATE_ANONYMOUS = 0x02 | 0x20

/** Memory from mmap: its process address for system calls, and an ArrayBuffer for us. */
export class Mapping {
  readonly address: number
  readonly octets: number
  readonly buffer: ArrayBuffer
  readonly #ledger: DescriptorLedger
  #open = true

  /** Private zeroed memory, or with `fd` what that descriptor maps. Throws SystemError. */
  constructor(ledger: DescriptorLedger, octets: number, fd = -1) {
    const flags = fd < 0 ? MAP_PRIVATE_ANONYMOUS : MAP_SHARED
    this.#ledger = ledger
    this.octets = octets
    this.address = libc.must('mmap', libc.mmap(0, octets, PROT_READ_WRITE, flags, fd, 0))
    ledger.recordMapping(this.address, octets)
    this.buffer = libc.view(this.address, octets)
  }

  /** Gives the memory back. Views of `buffer` are dangling from here on: reading one is a crash. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#ledger.forgetMapping(this.address)
    libc.munmap(this.address, this.octets)
  }
}
