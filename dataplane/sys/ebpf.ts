/**
 * bpf(2): eBPF programs that classify an interface's traffic, and their links to it (tcx, Linux
 * 6.6). A program stays as long as its link, and a link as long as its descriptor. Everything here
 * throws SystemError: EPERM without CAP_BPF and CAP_NET_ADMIN, EINVAL on an older kernel.
 */
import type { DescriptorLedger } from './descriptors.js'
import { ENOSYS, SystemError } from './errno.js'
import * as libc from './libc.js'
import { Mapping } from './mapping.js'

const PROG_LOAD = 5
const LINK_CREATE = 28
const PROG_TYPE_SCHED_CLS = 3
/** bpf_attach_type. */
export const INGRESS = 46
export const EGRESS = 47
const NUMBER: Readonly<Partial<Record<string, number>>> = { x64: 321, arm64: 280 }

/** struct bpf_insn: code, destination | source << 4, offset, immediate. */
export type Instruction = readonly [
  code: number,
  registers: number,
  offset: number,
  immediate: number,
]

/** Verifies and loads a program that only calls functions open to any licence. */
export function loadClassifier(
  ledger: DescriptorLedger,
  instructions: readonly Instruction[],
): number {
  const octets = instructions.length * 8
  const licence = new TextEncoder().encode('Apache-2.0\0')
  const memory = new Mapping(ledger, octets + licence.length)
  try {
    const v = new DataView(memory.buffer)
    instructions.forEach(([code, registers, offset, immediate], i) => {
      v.setUint8(i * 8, code)
      v.setUint8(i * 8 + 1, registers)
      v.setInt16(i * 8 + 2, offset, libc.HOST_ORDER)
      v.setInt32(i * 8 + 4, immediate, libc.HOST_ORDER)
    })
    new Uint8Array(memory.buffer).set(licence, octets)
    const attributes = new DataView(new ArrayBuffer(128))
    attributes.setUint32(0, PROG_TYPE_SCHED_CLS, libc.HOST_ORDER)
    attributes.setUint32(4, instructions.length, libc.HOST_ORDER)
    attributes.setBigUint64(8, BigInt(memory.address), libc.HOST_ORDER)
    attributes.setBigUint64(16, BigInt(memory.address + octets), libc.HOST_ORDER)
    return ledger.record(bpf('PROG_LOAD', PROG_LOAD, attributes))
  } finally {
    memory.close()
  }
}

/** Has all that comes in (INGRESS) or leaves (EGRESS) by that interface pass through a program. */
export function link(
  ledger: DescriptorLedger,
  program: number,
  ifIndex: number,
  direction: number,
): number {
  const attributes = new DataView(new ArrayBuffer(64))
  attributes.setUint32(0, program, libc.HOST_ORDER)
  attributes.setUint32(4, ifIndex, libc.HOST_ORDER)
  attributes.setUint32(8, direction, libc.HOST_ORDER)
  return ledger.record(bpf('LINK_CREATE', LINK_CREATE, attributes))
}

function bpf(name: string, command: number, attributes: DataView): number {
  const number = NUMBER[process.arch]
  if (number === undefined) throw new SystemError(`bpf on ${process.arch}`, ENOSYS)
  const bytes = new Uint8Array(attributes.buffer)
  return libc.must(`bpf ${name}`, libc.syscallBytes(number, command, bytes, bytes.length))
}
