/**
 * What IPVS knows of a transport protocol (struct ip_vs_protocol): which packets may open a
 * connection, how packets move its state, and how long each state lasts.
 */
import type { Packet } from '../../packet.js'

/** Which way a packet goes: `input` is client to server. */
export const Direction = { input: 0, output: 1 } as const
export type Direction = (typeof Direction)[keyof typeof Direction]

/** What a packet without a connection may do. */
export const Gate = {
  /** It may open one. */
  schedule: 0,
  /** Not ours: the host's stack answers. */
  accept: 1,
  /** Too short to tell. */
  drop: 2,
} as const
export type Gate = (typeof Gate)[keyof typeof Gate]

/** Bits of conn_reuse_mode (net.ipv4.vs). */
export const REUSE_FIN_WAIT = 2

export interface Protocol {
  /** As ipvsadm prints it. */
  readonly name: 'TCP' | 'UDP' | 'SCTP'
  readonly number: number
  /** State names by number, as `ipvsadm -lc` prints them. */
  readonly states: readonly string[]
  /** Seconds that a connection in this state lives without a packet; undefined: no such state. */
  timeoutS(state: string): number | undefined
  /** Changes it; connections take it over with their next packet. False when there is no such state. */
  setTimeoutS(state: string, timeoutS: number): boolean
  /** Whether the packet may open a connection (ip_vs_*_conn_schedule). */
  gate(pkt: Packet): Gate
  /** Whether the packet asks for a new connection where there is one already (is_new_conn). */
  isNewConnection(pkt: Packet): boolean
  /** Whether the connection is over, so that its addresses may open another one. */
  isReuseExpected(c: number, connReuseMode: number): boolean
  /** Whether the packet itself aborts a connection, so that no error is sent about it. */
  isReset(pkt: Packet): boolean
  /**
   * Moves the state: counters of the real server, timeout, assured template. The timer itself is
   * restarted when the connection is released.
   */
  setState(c: number, direction: Direction, pkt: Packet): void
}
