/**
 * Takes plain IP tunnels (IPv4 in IPv4, IPv6 in IPv6) apart where they arrive: `decapsulate.js
 * DEVICE`. For kernels without tunnel devices, and fast: an eBPF program at the interface's ingress
 * (tcx, Linux 6.6) takes the outer header off, so that the stack sees the inner packet. It stays as
 * long as this process does, which prints "ready".
 */
import koffi from 'koffi'
import { readFileSync } from 'node:fs'

const BPF_PROG_LOAD = 5
const BPF_LINK_CREATE = 28
const BPF_PROG_TYPE_SCHED_CLS = 3
const BPF_TCX_INGRESS = 46
const ADJUST_ROOM = 50 // bpf_skb_adjust_room
const SYS_BPF: Readonly<Record<string, number>> = { x64: 321, arm64: 280 }

const libc = koffi.load('libc.so.6')
const syscall: (number: number, command: number, attributes: Uint8Array, octets: number) => number =
  libc.func('long syscall(long, int, void*, unsigned int)')

/** code, destination | source << 4, offset, immediate: Linux Documentation/bpf/instruction-set. */
type Instruction = readonly [code: number, registers: number, offset: number, immediate: number]
// prettier-ignore
const PROGRAM: readonly Instruction[] = [
  [0xbf, 0x16,  0, 0],       // r6 = the packet
  [0x28, 0x00,  0, 12],      // r0 = EtherType
  [0x55, 0x00,  4, 0x0800],  // not IPv4: IPv6?
  [0x30, 0x00,  0, 23],      // r0 = protocol
  [0x55, 0x00, 10, 4],       // not IPv4 in IPv4: leave
  [0xb7, 0x02,  0, -20],     // r2 = minus the outer header
  [0x05, 0x00,  4, 0],       // go and take it off
  [0x55, 0x00,  7, 0x86dd],  // not IPv6: leave
  [0x30, 0x00,  0, 20],      // r0 = next header
  [0x55, 0x00,  5, 41],      // not IPv6 in IPv6: leave
  [0xb7, 0x02,  0, -40],     // r2 = minus the outer header
  [0xbf, 0x61,  0, 0],       // r1 = the packet
  [0xb7, 0x03,  0, 1],       // r3 = BPF_ADJ_ROOM_MAC
  [0xb7, 0x04,  0, 1],       // r4 = BPF_F_ADJ_ROOM_FIXED_GSO
  [0x85, 0x00,  0, ADJUST_ROOM],
  [0xb7, 0x00,  0, 0],       // leave: r0 = TCX_PASS
  [0x95, 0x00,  0, 0],
]

const device = process.argv[2] ?? ''
const ifIndex = Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'latin1'))
const program = load()
bpf(BPF_LINK_CREATE, 64, v => {
  v.setUint32(0, program, true)
  v.setUint32(4, ifIndex, true)
  v.setUint32(8, BPF_TCX_INGRESS, true)
})
process.stdout.write('ready\n')
process.stdin.resume()

function load(): number {
  const code = new Uint8Array(PROGRAM.length * 8)
  const v = new DataView(code.buffer)
  PROGRAM.forEach(([operation, registers, offset, immediate], i) => {
    v.setUint8(i * 8, operation)
    v.setUint8(i * 8 + 1, registers)
    v.setInt16(i * 8 + 2, offset, true)
    v.setInt32(i * 8 + 4, immediate, true)
  })
  const license = Buffer.from('Apache-2.0\0')
  return bpf(BPF_PROG_LOAD, 128, v => {
    v.setUint32(0, BPF_PROG_TYPE_SCHED_CLS, true)
    v.setUint32(4, PROGRAM.length, true)
    v.setBigUint64(8, koffi.address(code), true)
    v.setBigUint64(16, koffi.address(license), true)
  })
}

function bpf(command: number, octets: number, write: (v: DataView) => void): number {
  const number = SYS_BPF[process.arch]
  if (number === undefined) throw new Error(`bpf(2) has no known number on ${process.arch}`)
  const attributes = new Uint8Array(octets)
  write(new DataView(attributes.buffer))
  const result = syscall(number, command, attributes, octets)
  if (result < 0) throw new Error(`bpf(${command}): errno ${koffi.errno()}; Linux 6.6 is needed`)
  return result
}
