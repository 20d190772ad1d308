import type { Packet } from '../packet.js'

/** An address that a packet is sent towards, whatever it says itself: IPv4 in word 0. */
export interface Via {
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

/** An Ethernet interface that the dataplane reads frames from and writes frames to. */
export interface Port {
  /** Position in `Driver.ports`; packets carry it. */
  readonly index: number
  readonly name: string
  readonly ifIndex: number
  /** Hardware address: first two octets as a number, last four as a signed word. */
  readonly macHigh: number
  readonly macLow: number
  /** Largest IP packet the link carries; follows link changes. */
  mtuOctets: number
  /**
   * Whether it takes offload frames whole. The kernel drops those that a device cannot cut itself:
   * a socket that bypasses the queueing discipline may not send several for one (dev_direct_xmit).
   */
  segments: boolean
  /**
   * Whether a pending checksum may stand behind a tunnel's header: the device completes any, or the
   * kernel does it. A device that does TCP and UDP alone looks for them behind the first header.
   */
  sums: boolean
  /**
   * Whether TCP offload frames may be sent with the header of a plain IP tunnel in front of them, for
   * the kernel or the device to cut. Asked between turns or within one; absent where never.
   */
  openTunnels?(): boolean
}

/**
 * What this host's own stack sends from endpoints that the dataplane knows: the answers of real
 * servers on the balancer itself. Only `packet-ring` has one, and only while there are such servers.
 */
export interface HostTap {
  /** Opens or closes it; true when the driver's `descriptors` changed. Throws SystemError. */
  watch(on: boolean): boolean
  /**
   * As `Driver.receive`, with `port` -1. Diverted packets are ours to send; the others are on their
   * way already, and only their first octets can be read.
   */
  receive(burst: Packet[], max: number, diverted: boolean): number
}

/**
 * Moves packets between the engine and a network. Nothing here blocks for longer than a
 * millisecond or throws because of a packet.
 *
 * A turn is `receive`, any number of `send`/`sendIp`/`take`, then one `flush`. Packets handed out
 * by `receive` and `take` belong to the driver and stay valid until `flush` returns, whether they
 * were sent or not; one that must live longer is copied. A packet is sent at most once.
 */
export interface Driver {
  readonly name: 'packet-ring' | 'raw-socket' | 'loopback' | 'pcap'
  readonly ports: readonly Port[]
  /** False where only IP packets can be sent (`sendIp`): no MAC, no direct routing. */
  readonly ethernet: boolean
  /** Fills `burst[0..n)` and returns n, at most `max`. `l2`, `l3`, `end`, `port`, `toHost` are set. */
  receive(burst: Packet[], max: number): number
  /**
   * A packet for one that we make ourselves, with room for `octets` from `l2` on; `l2` leaves
   * headroom for tunnel headers, `l3` is `l2 + 14`, the virtio_net_hdr is zeroed, `port` is -1.
   * Null when there is none left: a counted drop.
   */
  take(octets: number): Packet | null
  /** Stages the frame [l2, end) for that port. Failures are counted at `flush`. */
  send(portIndex: number, pkt: Packet): void
  /**
   * Hands the IP packet [l3, end), with complete checksums and not larger than the egress MTU, to
   * the host's kernel, which routes it and resolves its neighbour. Works for any egress interface.
   * With `via` it takes the route to that address, of the packet's own family, instead of the route
   * to the packet's destination: direct routing's is this host's own. Only with `ethernet`.
   */
  sendIp(pkt: Packet, via?: Via | null): void
  /** Puts everything staged on the wire and gives received packets back. */
  flush(): void
  /** Null where the host's own packets cannot be had. */
  readonly host: HostTap | null
  /** File descriptors that become readable when there is something to receive. */
  readonly descriptors: readonly number[]
  /** Brings cumulative driver counters (frames lost before us) up to date. Called about once a second. */
  updateCounters(): void
  /** After news about links: follows their MTU and state. True when `descriptors` changed. */
  refreshPorts(): boolean
  close(): void
}
