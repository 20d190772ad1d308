/**
 * Hands IP packets to the host's own stack through raw sockets, which routes them and resolves the
 * next hop's link address: raw(7) with IP_HDRINCL, RFC 3542 section 3 with IPV6_HDRINCL (implied by
 * IPPROTO_RAW). The source address may be anybody's. The IPv4 header checksum is filled in by the
 * kernel, as is an identification of 0 without DF. Packets leave by OUTPUT and POSTROUTING of the
 * packet filter, like any that the host sends.
 */
import { Counter } from '../counters.js'
import type { Packet } from '../packet.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import * as libc from '../sys/libc.js'
import { Mapping } from '../sys/mapping.js'
import { EAGAIN, ENOBUFS } from '../sys/errno.js'
import { SENT_MARK } from '../limits.js'
import {
  AF_INET,
  AF_INET6,
  MSG_DONTWAIT,
  openSocket,
  setBuffer,
  setOption,
  SO_MARK,
  SOL_SOCKET,
} from '../sys/socket.js'
import type { Via } from './driver.js'

const IPPROTO_RAW = 255
const SOCKADDR_IN = 16
const SOCKADDR_IN6 = 28
/** Where the address stands in struct sockaddr_in and struct sockaddr_in6. */
const ADDRESS4 = 4
const ADDRESS6 = 8
const AT6 = 32
const SEND_OCTETS = 4 << 20

export class KernelEgress {
  readonly #ledger: DescriptorLedger
  readonly #counters: Float64Array
  readonly #memory: Mapping
  readonly #v: DataView
  readonly #fd4: number
  /** -1 where the host has no IPv6. */
  readonly #fd6: number

  /** Throws SystemError without CAP_NET_RAW. */
  constructor(ledger: DescriptorLedger, counters: Float64Array) {
    this.#ledger = ledger
    this.#counters = counters
    this.#memory = new Mapping(ledger, 4096)
    this.#v = new DataView(this.#memory.buffer)
    this.#v.setUint16(0, AF_INET, libc.HOST_ORDER)
    this.#v.setUint16(AT6, AF_INET6, libc.HOST_ORDER)
    this.#fd4 = this.#open(AF_INET)
    this.#fd6 = this.#open6()
  }

  #open6(): number {
    try {
      return this.#open(AF_INET6)
    } catch {
      return -1
    }
  }

  #open(domain: number): number {
    const fd = openSocket(this.#ledger, domain, IPPROTO_RAW)
    setBuffer(fd, 'send', SEND_OCTETS)
    // The guard tells it by this from what the host's programs send.
    setOption(fd, SOL_SOCKET, SO_MARK, SENT_MARK)
    return fd
  }

  /**
   * Sends the IP packet [l3, end) at once; the memory is free afterwards. Failures are counted. The
   * kernel routes by the address given with the call and takes that for the neighbour too, not the
   * header's (FLOWI_FLAG_KNOWN_NH), which is what direct routing needs.
   */
  send(pkt: Packet, via: Via | null = null): void {
    const { view, l3 } = pkt
    const address = pkt.address + l3
    const octets = pkt.end - l3
    const v = this.#v
    let sent: number
    if (view.getUint8(l3) >>> 4 === 4) {
      v.setInt32(ADDRESS4, via === null ? view.getInt32(l3 + 16) : via.w0)
      const to = this.#memory.address
      sent = libc.sendto(this.#fd4, address, octets, MSG_DONTWAIT, to, SOCKADDR_IN)
    } else {
      const at = AT6 + ADDRESS6
      v.setInt32(at, via === null ? view.getInt32(l3 + 24) : via.w0)
      v.setInt32(at + 4, via === null ? view.getInt32(l3 + 28) : via.w1)
      v.setInt32(at + 8, via === null ? view.getInt32(l3 + 32) : via.w2)
      v.setInt32(at + 12, via === null ? view.getInt32(l3 + 36) : via.w3)
      const to = this.#memory.address + AT6
      sent = libc.sendto(this.#fd6, address, octets, MSG_DONTWAIT, to, SOCKADDR_IN6)
    }
    if (sent >= 0) return
    const error = libc.errno()
    const full = error === EAGAIN || error === ENOBUFS
    const reason = full ? Counter.transmitFull : Counter.transmitError
    this.#counters[reason] = this.#counters[reason]! + 1
  }

  close(): void {
    this.#memory.close()
    this.#ledger.close(this.#fd4)
    if (this.#fd6 >= 0) this.#ledger.close(this.#fd6)
  }
}
