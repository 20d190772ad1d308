/**
 * One packet in a driver's memory, and what parsing found in it.
 *
 *     view:  | headroom | virtio_net_hdr | Ethernet | IP ... | L4 ... |  tail  |
 *                       ^l2 - 10         ^l2        ^l3      ^l4      ^end
 *
 * All offsets are octets from the start of `view`. The ten octets before `l2` always hold a
 * struct virtio_net_hdr (wire/virtio-net.ts), whatever the driver: zeros mean "no offload".
 * The driver owns the memory. It stays valid until the driver's next `flush`.
 */

/** A 5-tuple. Addresses are signed words, IPv4 in word 0 with the rest zero; ports are host integers. */
export class Flow {
  family = 0
  protocol = 0
  src0 = 0
  src1 = 0
  src2 = 0
  src3 = 0
  dst0 = 0
  dst1 = 0
  dst2 = 0
  dst3 = 0
  srcPort = 0
  dstPort = 0
}

/** Address families as IP versions, so that a record needs three bits and a log line no table. */
export const IPV4 = 4
export const IPV6 = 6

/** The fragments that a datagram was put together from. */
export interface Pieces {
  /** Octets of payload of each, in offset order. */
  readonly sizes: readonly number[]
  /** The largest, with its IP header: what must fit the egress MTU. */
  readonly largestOctets: number
  /** Whether one of them forbade fragmentation. */
  readonly dontFragment: boolean
}

/** Nobody has looked into the packet yet. */
export const UNPARSED = -1

export class Packet {
  readonly view: DataView
  /** The same memory as `view`, for copying. */
  readonly bytes: Uint8Array
  /** Process address of the first octet of `view`; 0 where the driver needs none. */
  readonly address: number

  /** Index of the port it came in by (or -1: we made it). */
  port = -1
  /** Whether the link layer addressed it to this host (PACKET_HOST). */
  toHost = true
  /** Firewall mark, given by our own mark rules: user space never sees the kernel's. */
  mark = 0
  /** How far it came between the workers that share the traffic (ipvs/crew.ts); 0 as received. */
  stage = 0
  l2 = 0
  l3 = 0
  l4 = 0
  /** End of the network-layer datagram (Ethernet padding is behind it). */
  end = 0

  /** Set by parse: 5-tuple, ports 0 where the packet carries none (ICMP, later fragments). */
  readonly flow = new Flow()
  /** Octets of this fragment's offset; 0 for a first fragment and for whole datagrams. */
  fragmentOffset = 0
  moreFragments = false
  /** What parse found, when it was parsed ahead of its turn; else UNPARSED. */
  parsed = UNPARSED
  /** How a reassembled datagram came in, so that it can leave alike; null for all others. */
  pieces: Pieces | null = null

  constructor(bytes: Uint8Array, address = 0) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.address = address
  }
}
