/**
 * What this host's own stack sends, for real servers on the balancer itself. The kernel's IPVS meets
 * those packets in LOCAL_OUT; a packet socket meets them where they leave. The packet guard marks
 * the ones that concern us:
 *
 *  - those from a masquerading real server are routed to the loopback interface instead of out,
 *    where one socket takes them and the guard then drops them: they are ours to translate and send.
 *    The sender notices nothing, as it would of a drop in OUTPUT (EPERM, and TCP would not go on);
 *  - those from a virtual service's endpoint go on as they are, and a second socket, on every
 *    interface, reads their headers, from which the connection's state follows.
 */
import { DIVERTED_MARK, SEEN_MARK } from '../limits.js'
import { Packet } from '../packet.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import { interfaceProperties } from '../sys/interface.js'
import * as libc from '../sys/libc.js'
import { Mapping } from '../sys/mapping.js'
import {
  AF_PACKET,
  MSG_DONTWAIT,
  MSG_TRUNC,
  openSocket,
  setBuffer,
  setOption,
  SOCK_DGRAM,
  SOCK_RAW,
} from '../sys/socket.js'
import type { HostTap } from './driver.js'
import { FRAME_MAX, L2, L3, VNET_OCTETS, bufferOctets } from './frame-layout.js'
import { MessageVector } from './message-vector.js'
import { bindToInterface, PACKET_VNET_HDR, SOL_PACKET } from './packet-options.js'
import { hostShareProgram, type Portion } from './share-filter.js'
import type { Instruction } from './bpf.js'
import { attachFilter, markProgram } from './socket-filter.js'

const COUNT = 64
/** All headers there may be in front of a state machine's bits. */
const SEEN_OCTETS = 512
const RECEIVE_OCTETS = 8 << 20

export class PacketHostTap implements HostTap {
  readonly #ledger: DescriptorLedger
  #diverted: Tap | null = null
  #seen: Tap | null = null
  /** Which clients' packets are read here, where several workers share them. */
  readonly #portion: Portion | undefined

  constructor(ledger: DescriptorLedger, portion?: Portion) {
    this.#ledger = ledger
    this.#portion = portion
  }

  get descriptors(): readonly number[] {
    return [this.#diverted, this.#seen].flatMap(tap => (tap === null ? [] : [tap.descriptor]))
  }

  watch(on: boolean): boolean {
    if (on === (this.#seen !== null)) return false
    if (!on) this.close()
    else {
      const ledger = this.#ledger
      const lo = interfaceProperties(ledger, 'lo')
      this.#diverted = new Tap(ledger, SOCK_RAW, this.#program(DIVERTED_MARK), lo?.ifIndex ?? 1)
      this.#seen = new Tap(ledger, SOCK_DGRAM, this.#program(SEEN_MARK), 0)
    }
    return true
  }

  #program(mark: number): readonly Instruction[] {
    return this.#portion ? hostShareProgram(this.#portion, mark) : markProgram(mark)
  }

  receive(burst: Packet[], max: number, diverted: boolean): number {
    const tap = diverted ? this.#diverted : this.#seen
    return tap === null ? 0 : tap.receive(burst, max)
  }

  close(): void {
    this.#diverted?.close()
    this.#seen?.close()
    this.#diverted = null
    this.#seen = null
  }
}

/** One packet socket, read with one recvmmsg a turn into buffers that are reused each turn. */
class Tap {
  readonly descriptor: number
  readonly #ledger: DescriptorLedger
  readonly #mapping: Mapping
  readonly #messages: MessageVector
  readonly #packets: Packet[] = []
  readonly #whole: boolean
  /** What a message holds in front of the IP packet. */
  readonly #front: number
  readonly #room: number

  constructor(
    ledger: DescriptorLedger,
    type: number,
    program: readonly Instruction[],
    ifIndex: number,
  ) {
    this.#ledger = ledger
    this.#whole = type === SOCK_RAW
    this.#front = this.#whole ? L3 - L2 + VNET_OCTETS : 0
    this.#room = this.#whole ? VNET_OCTETS + FRAME_MAX : SEEN_OCTETS
    // The memory of a frame even where only its start is read: what parses it sees its real length.
    const stride = bufferOctets(FRAME_MAX)
    this.#mapping = new Mapping(ledger, stride * COUNT)
    this.#messages = new MessageVector(ledger, COUNT)
    for (let i = 0; i < COUNT; i++) {
      const bytes = new Uint8Array(this.#mapping.buffer, i * stride, stride)
      const pkt = new Packet(bytes, this.#mapping.address + i * stride)
      pkt.port = -1
      this.#packets.push(pkt)
      this.#messages.set(i, pkt.address + L3 - this.#front, this.#room)
    }
    this.descriptor = this.#open(type, program, ifIndex)
  }

  #open(type: number, program: readonly Instruction[], ifIndex: number): number {
    const fd = openSocket(this.#ledger, AF_PACKET, 0, type)
    try {
      if (this.#whole) setOption(fd, SOL_PACKET, PACKET_VNET_HDR, 1)
      setBuffer(fd, 'receive', RECEIVE_OCTETS)
      attachFilter(this.#ledger, fd, program)
      bindToInterface(fd, ifIndex)
      return fd
    } catch (error) {
      this.#ledger.close(fd)
      throw error
    }
  }

  receive(burst: Packet[], max: number): number {
    const most = Math.min(max, COUNT)
    const flags = MSG_DONTWAIT | MSG_TRUNC
    const got = libc.recvmmsg(this.descriptor, this.#messages.address, most, flags, 0)
    let n = 0
    for (let i = 0; i < got; i++) {
      const octets = this.#messages.octetsMoved(i)
      if (this.#whole && octets > this.#room) continue
      const pkt = this.#packets[i]!
      pkt.l2 = L2
      pkt.l3 = L3
      pkt.end = Math.min(L3 + octets - this.#front, L2 + FRAME_MAX)
      burst[n++] = pkt
    }
    return n
  }

  close(): void {
    this.#ledger.close(this.descriptor)
    this.#mapping.close()
    this.#messages.close()
  }
}
