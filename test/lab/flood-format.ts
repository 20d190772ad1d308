/** Order for lab/programs/flood.ts, given as JSON on its command line. */
export interface FloodOrder {
  device: string
  /** Ethernet addresses: our own, and the next hop's. */
  from: string
  to: string
  /** The first of `sources` (1 when absent) addresses that count up. */
  source: string
  sources?: number
  /** Where the datagrams go: `ports` ports from `port` on. */
  address: string
  port: number
  ports?: number
  /** Source ports count up from here. */
  sourcePort: number
  flows: number
  /** Of payload. */
  octets: number
  /**
   * Datagrams of one flow that the sender's kernel is given at once and cuts before the interface; 1
   * when absent: each is made and sent by itself. On the wire they are single either way.
   */
  burst?: number
  warmS: number
  seconds: number
  /** Packets a second; as many as possible when absent. */
  pps?: number
  /** Sleeps until the next batch is due, so that others have the core; else it spins. */
  naps?: boolean
  /** Priority, of setpriority(2): what stands for other machines must not wait for the one measured. */
  nice?: number
}
