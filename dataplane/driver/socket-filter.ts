/**
 * A classic BPF program (linux/filter.h) for packet sockets: lets in IPv4 and IPv6 frames that the
 * link layer addressed to this host, so that nothing else costs a ring slot. It runs on the frame
 * as the wire had it; PACKET_VNET_HDR does not shift it.
 */
import {
  ACCEPT_ALL,
  AND,
  JUMP_ANY_BIT,
  JUMP_EQUAL,
  LOAD_HALF,
  LOAD_WORD,
  MARK,
  PACKET_OUTGOING,
  PACKET_TYPE,
  RETURN,
  VLAN_TAG,
  type Instruction,
} from './bpf.js'
import * as libc from '../sys/libc.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import { Mapping } from '../sys/mapping.js'
import { SO_ATTACH_FILTER, SOL_SOCKET } from '../sys/socket.js'

// prettier-ignore
export const PROGRAM: readonly Instruction[] = [
  /* 0 */ [LOAD_WORD, 0, 0, PACKET_TYPE],
  /* 1 */ [JUMP_EQUAL, 0, 6, 0],       // PACKET_HOST, or reject
  // Priority tags (VLAN 0, IEEE 802.1Q) belong to the untagged interface; others do not.
  /* 2 */ [LOAD_WORD, 0, 0, VLAN_TAG],
  /* 3 */ [AND, 0, 0, 0x0fff],
  /* 4 */ [JUMP_EQUAL, 0, 3, 0],
  /* 5 */ [LOAD_HALF, 0, 0, 12],
  /* 6 */ [JUMP_EQUAL, 2, 0, 0x0800],
  /* 7 */ [JUMP_EQUAL, 1, 0, 0x86dd],
  /* 8 */ [RETURN, 0, 0, 0],
  /* 9 */ [RETURN, 0, 0, ACCEPT_ALL],
]

/** Lets in only what this host sends and what carries that mark, a single bit. */
export const markProgram = (mark: number): readonly Instruction[] => [
  [LOAD_WORD, 0, 0, PACKET_TYPE],
  [JUMP_EQUAL, 0, 3, PACKET_OUTGOING],
  [LOAD_WORD, 0, 0, MARK],
  [JUMP_ANY_BIT, 0, 1, mark],
  [RETURN, 0, 0, ACCEPT_ALL],
  [RETURN, 0, 0, 0],
]

/** Attaches a program to a packet socket, in place of the one it had. Throws SystemError. */
export function attachFilter(
  ledger: DescriptorLedger,
  fd: number,
  instructions: readonly Instruction[] = PROGRAM,
): void {
  const program = new Mapping(ledger, instructions.length * 8)
  try {
    const v = new DataView(program.buffer)
    instructions.forEach(([code, ifTrue, ifFalse, operand], i) => {
      v.setUint16(i * 8, code, libc.HOST_ORDER)
      v.setUint8(i * 8 + 2, ifTrue)
      v.setUint8(i * 8 + 3, ifFalse)
      v.setUint32(i * 8 + 4, operand, libc.HOST_ORDER)
    })
    const sockFprog = new Uint8Array(16) // unsigned short len; padding; struct sock_filter *
    const f = new DataView(sockFprog.buffer)
    f.setUint16(0, instructions.length, libc.HOST_ORDER)
    f.setBigUint64(8, BigInt(program.address), libc.HOST_ORDER)
    libc.must(
      'setsockopt SO_ATTACH_FILTER',
      libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, sockFprog, 16),
    )
  } finally {
    program.close()
  }
}
