/**
 * Takes plain IP tunnels (IPv4 in IPv4, IPv6 in IPv6) apart where they arrive: `decapsulate.js
 * DEVICE`. For kernels without tunnel devices, and fast: an eBPF program at the interface's ingress
 * (tcx, Linux 6.6) takes the outer header off, so that the stack sees the inner packet. It stays as
 * long as this process does, which prints "ready".
 */
import { readFileSync } from 'node:fs'
import { DescriptorLedger } from '../../../dataplane/sys/descriptors.js'
import * as ebpf from '../../../dataplane/sys/ebpf.js'

const ADJUST_ROOM = 50 // bpf_skb_adjust_room

// prettier-ignore
const PROGRAM: readonly ebpf.Instruction[] = [
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
const ledger = new DescriptorLedger()
ebpf.link(ledger, ebpf.loadClassifier(ledger, PROGRAM), ifIndex, ebpf.INGRESS)
process.stdout.write('ready\n')
process.stdin.resume()
