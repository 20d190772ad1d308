import * as libc from '../sys/libc.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import { AF_PACKET, openSocket, setBuffer, setOption } from '../sys/socket.js'
import { RESERVE } from './frame-layout.js'
import type { Instruction } from './bpf.js'
import { attachFilter } from './socket-filter.js'

/** Options of packet sockets, packet(7) and include/uapi/linux/if_packet.h. */
export const SOL_PACKET = 263
const PACKET_STATISTICS = 6
const PACKET_COPY_THRESH = 7
const PACKET_VERSION = 10
const PACKET_RESERVE = 12
export const PACKET_VNET_HDR = 15
const PACKET_QDISC_BYPASS = 20
const PACKET_IGNORE_OUTGOING = 23
const TPACKET_V2 = 1
const ETH_P_ALL = 0x0003

/** What may stand in a port's send queue: bursts of one turn, 256 frames of 64 KiB at the worst. */
export const SEND_OCTETS = 16 << 20
/** Bound of frames too large for a ring slot that wait to be read (the kernel doubles it). */
const RECEIVE_OCTETS = 24 << 20

/** A packet socket with all that must be set before its ring is made; it receives nothing yet. */
export function openPacketSocket(
  ledger: DescriptorLedger,
  filter?: readonly Instruction[],
): number {
  const fd = openSocket(ledger, AF_PACKET, 0)
  try {
    setOption(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2)
    setOption(fd, SOL_PACKET, PACKET_RESERVE, RESERVE)
    setOption(fd, SOL_PACKET, PACKET_VNET_HDR, 1)
    setOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    setOption(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    // Any value: frames longer than a slot are queued on the socket whole, besides their start.
    setOption(fd, SOL_PACKET, PACKET_COPY_THRESH, 1)
    setBuffer(fd, 'send', SEND_OCTETS)
    setBuffer(fd, 'receive', RECEIVE_OCTETS)
    attachFilter(ledger, fd, filter)
    return fd
  } catch (error) {
    ledger.close(fd)
    throw error
  }
}

/** struct sockaddr_ll of an interface, for bind and sendto. */
export function linkAddress(ifIndex: number, etherType: number): Uint8Array {
  const address = new Uint8Array(20)
  const v = new DataView(address.buffer)
  v.setUint16(0, AF_PACKET, libc.HOST_ORDER)
  v.setUint16(2, etherType) // network order
  v.setInt32(4, ifIndex, libc.HOST_ORDER)
  return address
}

/** Starts reception of everything that arrives on that interface. Throws SystemError. */
export function bindToInterface(fd: number, ifIndex: number): void {
  libc.must('bind', libc.bindSocket(fd, linkAddress(ifIndex, ETH_P_ALL), 20))
}

const statistics = new Uint32Array(2)
const length = new Int32Array(1)
/** Frames lost because ring or queue were full, since the last call. */
export function takeLosses(fd: number): number {
  length[0] = 8
  const bytes = new Uint8Array(statistics.buffer)
  if (libc.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, bytes, length) < 0) return 0
  return statistics[1]!
}
