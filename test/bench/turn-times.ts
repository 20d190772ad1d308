/** What programs/turn-clock.ts writes: sums over turns that had packets. */
export interface TurnTimes {
  turns: number
  packets: number
  /** Reading the rings, and `recvmmsg` for large frames. */
  receiveMs: number
  /** From there to the flush: parsing, connections, rewriting, staging. */
  handleMs: number
  /** `sendmmsg` with all that the kernel does in it, and giving the slots back. */
  sendMs: number
}
