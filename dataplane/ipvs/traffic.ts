import { Col, STRIDE } from '../shared/statistics.js'
import type { Dest } from './dest.js'

/**
 * Statistics of the packet path: each packet counts for its real server, its service and in total,
 * but only while the real server is configured (ip_vs_in_stats).
 */
export class Traffic {
  readonly #totals: Float64Array
  readonly #services: Float64Array
  readonly #dests: Float64Array

  constructor(totals: Float64Array, services: Float64Array, dests: Float64Array) {
    this.#totals = totals
    this.#services = services
    this.#dests = dests
  }

  conn(dest: Dest): void {
    this.#totals[Col.conns]!++
    this.#services[dest.serviceRow * STRIDE + Col.conns]!++
    this.#dests[dest.row * STRIDE + Col.conns]!++
  }

  /** `octets` is the whole IP packet. */
  in(dest: Dest | undefined, octets: number): void {
    if (dest === undefined || !dest.available) return
    this.#totals[Col.inPkts]!++
    this.#totals[Col.inBytes]! += octets
    const service = dest.serviceRow * STRIDE
    this.#services[service + Col.inPkts]!++
    this.#services[service + Col.inBytes]! += octets
    const own = dest.row * STRIDE
    this.#dests[own + Col.inPkts]!++
    this.#dests[own + Col.inBytes]! += octets
  }

  out(dest: Dest | undefined, octets: number): void {
    if (dest === undefined || !dest.available) return
    this.#totals[Col.outPkts]!++
    this.#totals[Col.outBytes]! += octets
    const service = dest.serviceRow * STRIDE
    this.#services[service + Col.outPkts]!++
    this.#services[service + Col.outBytes]! += octets
    const own = dest.row * STRIDE
    this.#dests[own + Col.outPkts]!++
    this.#dests[own + Col.outBytes]! += octets
  }
}
