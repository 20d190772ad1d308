/**
 * Drops what comes to some UDP ports right where it arrives: `udp-sink.js DEVICE FIRST LAST`. An eBPF
 * program at the interface's ingress (tcx, Linux 6.6), because on veth the receiver's work is done on
 * the sender's core: a rule of nftables there took an eighth of a balancer's time for a small packet.
 * It stays as long as this process does, which prints "ready".
 */
import { readFileSync } from 'node:fs'
import { DescriptorLedger } from '../../../dataplane/sys/descriptors.js'
import * as ebpf from '../../../dataplane/sys/ebpf.js'

const UDP = 17
const [device = '', ...ports] = process.argv.slice(2)
const [first = 0, last = 0] = ports.map(Number)

// prettier-ignore
const PROGRAM: readonly ebpf.Instruction[] = [
  [0xbf, 0x16,  0, 0],       // r6 = the packet
  [0x28, 0x00,  0, 12],      // r0 = EtherType
  [0x15, 0x00,  5, 0x86dd],  // IPv6: go there
  [0x55, 0x00, 11, 0x0800],  // not IPv4: leave
  [0x30, 0x00,  0, 23],      // r0 = protocol
  [0x55, 0x00,  9, UDP],     // another: leave
  [0x28, 0x00,  0, 36],      // r0 = destination port, behind a header without options
  [0x05, 0x00,  3, 0],       // go and compare it
  [0x30, 0x00,  0, 20],      // IPv6: r0 = next header
  [0x55, 0x00,  5, UDP],     // another: leave
  [0x28, 0x00,  0, 56],      // r0 = destination port
  [0xa5, 0x00,  3, first],   // compare: below the first: leave
  [0x25, 0x00,  2, last],    // above the last: leave
  [0xb7, 0x00,  0, 2],       // r0 = TCX_DROP
  [0x95, 0x00,  0, 0],
  [0xb7, 0x00,  0, -1],      // leave: r0 = TCX_NEXT
  [0x95, 0x00,  0, 0],
]

const ifIndex = Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'latin1'))
const ledger = new DescriptorLedger()
ebpf.link(ledger, ebpf.loadClassifier(ledger, PROGRAM), ifIndex, ebpf.INGRESS)
process.stdout.write('ready\n')
process.stdin.resume()
