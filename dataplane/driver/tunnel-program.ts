/**
 * An eBPF program where frames leave (tcx egress): it tells the kernel that the TCP offload frames of
 * one packet socket are inside a plain IP tunnel, which a virtio_net_hdr cannot say. The frame comes
 * with its outer header in place; taking that off and putting it on again as an encapsulation sets
 * what the kernel's own tunnels set (skb->encapsulation, SKB_GSO_IPXIP4 and 6), so that the device, or
 * the kernel for it, cuts it into right segments. Nobody else's frames are touched.
 */
import type { Instruction } from '../sys/ebpf.js'
import * as libc from '../sys/libc.js'
import { IPIP, IPV6 as IPV6_IN } from '../wire/ip-protocol.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'

// Functions of the kernel (enum bpf_func_id).
const STORE_BYTES = 9
const LOAD_BYTES = 26
const SOCKET_COOKIE = 46
const ADJUST_ROOM = 50

// Fields of struct __sk_buff.
const PROTOCOL = 16
const GSO_SIZE = 176

// bpf_skb_adjust_room: mode "behind the link-layer header", and flags.
const ROOM_MAC = 1
const FIXED_GSO = 1 << 0
const ENCAP_IPV4 = 1 << 1
const ENCAP_IPV6 = 1 << 2
const NO_CSUM_RESET = 1 << 5
const DECAP_IPV4 = 1 << 7
const DECAP_IPV6 = 1 << 8

/** What an end of the chain answers: on to the next program; drop. */
const NEXT = -1
const DROP = 2

const PROTOCOL_AT4 = 9
const NEXT_HEADER_AT6 = 6

/** An instruction, a place to jump to, or a jump to such a place. */
type Line = Instruction | string | readonly [jump: Instruction, to: string]

// Registers: 0 results, 1 to 5 arguments, 6 the packet, 7 flags, 10 the end of the stack.
const call = (id: number): Instruction => [0x85, 0, 0, id]
const set = (register: number, value: number): Instruction => [0xb7, register, 0, value]
const copy = (register: number, from: number): Instruction => [0xbf, register | (from << 4), 0, 0]
const unless = (register: number, value: number): Instruction => [0x55, register, 0, value]
const when = (register: number, value: number): Instruction => [0x15, register, 0, value]

/** The program for the socket of that cookie (SO_COOKIE). */
export function tunnelProgram(cookie: bigint): Instruction[] {
  return assemble([
    copy(6, 1),
    [0x61, 0x60, GSO_SIZE, 0], // r0 = gso_size
    [when(0, 0), 'next'],
    copy(1, 6),
    call(SOCKET_COOKIE),
    // r1 = the cookie, in two halves
    [0x18, 0x01, 0, Number(BigInt.asIntN(32, cookie))],
    [0, 0, 0, Number(BigInt.asIntN(32, cookie >> 32n))],
    [[0x5d, 0x10, 0, 0], 'next'], // r0 is another
    [0x61, 0x60, PROTOCOL, 0], // r0 = EtherType as on the wire
    [when(0, onWire(ethernet.IPV4)), 'ipv4'],
    [unless(0, onWire(ethernet.IPV6)), 'next'],
    ...rewrap('6', ipv6.LENGTH, NEXT_HEADER_AT6, ENCAP_IPV6),
    'ipv4',
    ...rewrap('4', ipv4.MIN_LENGTH, PROTOCOL_AT4, ENCAP_IPV4),
    'next',
    set(0, NEXT),
    [0x95, 0, 0, 0],
    'drop',
    set(0, DROP),
    [0x95, 0, 0, 0],
  ])
}

/** Takes an outer header of that many octets off and puts it on again; ends at `next` or `drop`. */
function rewrap(name: string, octets: number, protocolAt: number, encap: number): Line[] {
  const header: Line[] = [set(2, ethernet.MIN_LENGTH), copy(3, 10), [0x07, 3, 0, -octets]]
  const checked = (id: number): Line[] => [call(id), [unless(0, 0), 'drop']]
  return [
    ...[copy(1, 6), ...header, set(4, octets), ...checked(LOAD_BYTES)],
    [0x71, 0xa0, protocolAt - octets, 0], // r0 = what is inside
    set(7, FIXED_GSO | NO_CSUM_RESET | DECAP_IPV4),
    [when(0, IPIP), `inside${name}`],
    set(7, FIXED_GSO | NO_CSUM_RESET | DECAP_IPV6),
    [unless(0, IPV6_IN), 'next'],
    `inside${name}`,
    ...[copy(1, 6), set(2, -octets), set(3, ROOM_MAC), copy(4, 7), ...checked(ADJUST_ROOM)],
    ...[copy(1, 6), set(2, octets), set(3, ROOM_MAC), set(4, FIXED_GSO | NO_CSUM_RESET | encap)],
    ...checked(ADJUST_ROOM),
    ...[copy(1, 6), ...header, set(4, octets), set(5, 0), ...checked(STORE_BYTES)],
    [[0x05, 0, 0, 0], 'next'],
  ]
}

/** A field that the kernel leaves in network order, as this machine reads it. */
const onWire = (value: number): number =>
  libc.HOST_ORDER ? ((value & 0xff) << 8) | (value >>> 8) : value

function assemble(lines: readonly Line[]): Instruction[] {
  const places = new Map<string, number>()
  let count = 0
  for (const line of lines) {
    if (typeof line === 'string') places.set(line, count)
    else count++
  }
  const program: Instruction[] = []
  for (const line of lines) {
    if (typeof line === 'string') continue
    if (line.length === 4) program.push(line)
    else {
      const [[code, registers, , immediate], to] = line
      program.push([code, registers, places.get(to)! - program.length - 1, immediate])
    }
  }
  return program
}
