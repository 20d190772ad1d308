import type { Packet } from '../packet.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import * as ebpf from '../sys/ebpf.js'
import * as libc from '../sys/libc.js'
import {
  AF_PACKET,
  openSocket,
  setBuffer,
  setOption,
  SO_COOKIE,
  SOL_SOCKET,
} from '../sys/socket.js'
import type { Backoff } from './backoff.js'
import { linkAddress, PACKET_VNET_HDR, SEND_OCTETS, SOL_PACKET } from './packet-options.js'
import { TransmitQueue } from './transmit-queue.js'
import { tunnelProgram } from './tunnel-program.js'

/**
 * What leaves an interface inside plain IP tunnels, TCP offload frames whole. It has a socket of its
 * own: its frames pass the queueing discipline, behind the program that makes tunnels of them. All
 * tunnelled packets go this way, so that none overtakes another of its connection.
 */
export class TunnelEgress {
  readonly #ledger: DescriptorLedger
  readonly #descriptors: readonly number[]
  readonly #queue: TransmitQueue

  /** Throws SystemError where the kernel has no such programs or we may not load one. */
  constructor(ledger: DescriptorLedger, ifIndex: number, counters: Float64Array, backoff: Backoff) {
    this.#ledger = ledger
    const descriptors: number[] = []
    this.#descriptors = descriptors
    try {
      // Protocol 0: it receives nothing.
      const fd = openSocket(ledger, AF_PACKET, 0)
      descriptors.push(fd)
      setOption(fd, SOL_PACKET, PACKET_VNET_HDR, 1)
      setBuffer(fd, 'send', SEND_OCTETS)
      libc.must('bind', libc.bindSocket(fd, linkAddress(ifIndex, 0), 20))
      const program = ebpf.loadClassifier(ledger, tunnelProgram(cookieOf(fd)))
      descriptors.push(program)
      descriptors.push(ebpf.link(ledger, program, ifIndex, ebpf.EGRESS))
      this.#queue = new TransmitQueue(ledger, fd, counters, backoff)
    } catch (error) {
      for (const fd of descriptors) ledger.close(fd)
      throw error
    }
  }

  push(pkt: Packet): void {
    this.#queue.push(pkt)
  }

  flush(): void {
    this.#queue.flush()
  }

  close(): void {
    this.#queue.close()
    for (const fd of this.#descriptors) this.#ledger.close(fd)
  }
}

/** By what programs in the kernel know a socket; never used again while the kernel runs. */
function cookieOf(fd: number): bigint {
  const cookie = new BigUint64Array(1)
  const length = new Int32Array([8])
  const bytes = new Uint8Array(cookie.buffer)
  libc.must('getsockopt SO_COOKIE', libc.getsockopt(fd, SOL_SOCKET, SO_COOKIE, bytes, length))
  return cookie[0]!
}
