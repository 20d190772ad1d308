/**
 * The host stack's limit on ICMP errors (net.ipv4.icmp_ratelimit): for each peer a bucket of six
 * answers that refills by one a period. Peers are kept in a fixed, direct-mapped table, so a flood
 * of sources costs no memory; of two that collide the newer one takes the bucket over.
 */
const BUCKETS = 4096
const BURST = 6

export class IcmpRateLimit {
  readonly #peer = new Int32Array(BUCKETS * 2)
  /** Milliseconds of credit, as of `#stampMs`. */
  readonly #creditMs = new Float64Array(BUCKETS)
  readonly #stampMs = new Float64Array(BUCKETS)

  /** Gives every peer the credit that it has with `other`. */
  resemble(other: IcmpRateLimit): void {
    this.#peer.set(other.#peer)
    this.#creditMs.set(other.#creditMs)
    this.#stampMs.set(other.#stampMs)
  }

  /** Takes one answer for the peer whose address folds to these two words; 0 ms = no limit. */
  allow(peer0: number, peer1: number, periodMs: number, nowMs: number): boolean {
    if (periodMs === 0) return true
    const mixed = Math.imul(peer0 ^ Math.imul(peer1, 0x85ebca6b), 0x9e3779b1)
    const i = (mixed >>> 20) & (BUCKETS - 1)
    const full = BURST * periodMs
    if (this.#peer[i * 2] !== peer0 || this.#peer[i * 2 + 1] !== peer1) {
      this.#peer[i * 2] = peer0
      this.#peer[i * 2 + 1] = peer1
      this.#creditMs[i] = full
    } else {
      this.#creditMs[i] = Math.min(full, this.#creditMs[i]! + nowMs - this.#stampMs[i]!)
    }
    this.#stampMs[i] = nowMs
    if (this.#creditMs[i] < periodMs) return false
    this.#creditMs[i] -= periodMs
    return true
  }
}
