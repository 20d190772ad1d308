import type { Driver } from '../driver/driver.js'

export const NextHop = {
  /** Reached through `port` with the stored MAC addresses. */
  ethernet: 0,
  /** Reached by the kernel (neighbour unknown yet, or not one of our ports): `Driver.sendIp`. */
  kernel: 1,
  /** The address is this host's own. */
  local: 2,
  /** No route, or an unreachable, prohibit or blackhole one. */
  unreachable: 3,
} as const
export type NextHopKind = (typeof NextHop)[keyof typeof NextHop]

/** Why there is no way to a destination: the kernel answers each in its own way (ip_error). */
export const Refusal = {
  /** No route, or one that says so by `throw`. */
  network: 0,
  /** A route of type unreachable. */
  host: 1,
  prohibited: 2,
  /** A blackhole: nobody is told. */
  silent: 3,
} as const
export type RefusalKind = (typeof Refusal)[keyof typeof Refusal]

/** How to leave towards a destination. Immutable: a change makes a new one and a new generation. */
export interface Adjacency {
  /** Position in the network's table, below 2^20. */
  readonly index: number
  readonly kind: NextHopKind
  /** Only meant where `kind` is unreachable. */
  readonly refusal: RefusalKind
  /** Index in `Driver.ports`; -1 unless `kind` is ethernet. */
  readonly port: number
  /** Destination MAC, then source MAC: first two octets as a number, last four as a signed word. */
  readonly dstMacHigh: number
  readonly dstMacLow: number
  readonly srcMacHigh: number
  readonly srcMacLow: number
  /** MTU of the route or of the interface, whichever is set; Infinity for local. */
  readonly mtuOctets: number
}

/**
 * Routes, local addresses and neighbours as the dataplane sees them. Fed by rtnetlink in the
 * appliance and by hand in tests. Addresses are four signed words, IPv4 in the first.
 */
export interface NetworkView {
  /** Changes whenever an adjacency that somebody cached may be wrong. 12 bits, wraps. */
  readonly generation: number
  /** Whether the host would deliver this destination to itself (local route). */
  isLocal(family: number, w0: number, w1: number, w2: number, w3: number): boolean
  /** Never null. Does one longest-prefix match, so callers cache it with `generation`. */
  resolve(family: number, w0: number, w1: number, w2: number, w3: number): Adjacency
  adjacency(index: number): Adjacency
  /** The same network for one who only asks: its questions leave no trace in this view. */
  reader(): NetworkView
  /**
   * The address this host would use as the source of an ICMP error on that port for that peer:
   * the primary address of the port's interface in that family. Writes four words to `out`;
   * false when there is none.
   */
  sourceAddress(portIndex: number, family: number, out: Int32Array): boolean
  /**
   * The source address that the host's routes choose towards a destination: what a tunnel's outer
   * header carries. Writes four words to `out`; false when there is no route or no address.
   */
  sourceFor(
    family: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    out: Int32Array,
  ): boolean
}

export type { Driver }
