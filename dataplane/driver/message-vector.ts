import * as libc from '../sys/libc.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import { Mapping } from '../sys/mapping.js'

/** struct mmsghdr on 64-bit Linux: struct msghdr of 56 octets, then msg_len. */
export const HEADER_OCTETS = 64
const IOVEC_OCTETS = 16
const HIGH = 4294967296

/**
 * An array of struct mmsghdr, each with one iovec, for sendmmsg and recvmmsg. Everything but the
 * iovecs is written once; setting one is three stores.
 */
export class MessageVector {
  readonly capacity: number
  /** Process address of header 0; header i is HEADER_OCTETS further each. */
  readonly address: number
  readonly #mapping: Mapping
  readonly #vectors: Uint32Array
  readonly #headers: Uint32Array

  constructor(ledger: DescriptorLedger, capacity: number) {
    this.capacity = capacity
    this.#mapping = new Mapping(ledger, capacity * (HEADER_OCTETS + IOVEC_OCTETS))
    this.address = this.#mapping.address
    const buffer = this.#mapping.buffer
    this.#headers = new Uint32Array(buffer, 0, capacity * (HEADER_OCTETS >>> 2))
    this.#vectors = new Uint32Array(buffer, capacity * HEADER_OCTETS)
    const v = new DataView(buffer)
    const vectors = this.address + capacity * HEADER_OCTETS
    for (let i = 0; i < capacity; i++) {
      const at = i * HEADER_OCTETS
      v.setBigUint64(at + 16, BigInt(vectors + i * IOVEC_OCTETS), libc.HOST_ORDER) // msg_iov
      v.setBigUint64(at + 24, 1n, libc.HOST_ORDER) // msg_iovlen
    }
  }

  /** Points message `i` at `octets` octets from `address`. */
  set(i: number, address: number, octets: number): void {
    const at = i << 2
    this.#vectors[at] = address
    this.#vectors[at + 1] = address / HIGH
    this.#vectors[at + 2] = octets
  }

  /** msg_len: octets received or sent by message `i`. */
  octetsMoved(i: number): number {
    return this.#headers[(i << 4) + 14]!
  }

  close(): void {
    this.#mapping.close()
  }
}
