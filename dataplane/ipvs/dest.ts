import type { Adjacency } from '../net/network.js'
import type { Ramp } from './newcomers.js'
import { Col, STRIDE } from '../shared/statistics.js'

/**
 * A real server of one virtual service (struct ip_vs_dest). Its counters stand in shared memory at
 * `row`, so that they outlive the worker and the main thread reads them without a message.
 */
export class Dest {
  readonly row: number
  readonly #stats: Float64Array
  /** The same statistics as the other workers keep them: read only, but for one flag. */
  readonly #peers: readonly Float64Array[]
  readonly #at: number

  readonly family: number
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  /** 0 keeps the packet's virtual port. */
  readonly port: number

  weight = 1
  /** The last weight that was not 0; on creation set even when it is. Only `mh` looks at it. */
  lastWeight = 1
  /** Connection flags that it dictates: forwarding method, NOOUTPUT unless masq, INACTIVE. */
  connFlags = 0
  upperThreshold = 0
  lowerThreshold = 0
  tunnelType = 0
  tunnelPort = 0
  tunnelFlags = 0
  /** Slow start; null when it has its share or takes all that it is given. */
  ramp: Ramp | null = null
  /** What the last ramp is known by, also when it is over. */
  rampKey = ''
  /** Has had its share for now: no scheduler chooses it. True only while one is asked. */
  heldBack = false
  /** False once it was deleted, while connections still refer to it. */
  available = true
  /** Row of its service's statistics, 0 once the service is gone. */
  serviceRow = 0
  /** How packets leave towards it, found at `adjacencyGeneration` of the network view. */
  adjacency: Adjacency | null = null
  adjacencyGeneration = -1
  /** Path MTU learnt for it, and until when (ms); Infinity when none is known. */
  pathMtuOctets = Infinity
  pathMtuUntilMs = 0
  /** Whether the route that the last packet took knew of it already. */
  pathMtuInUse = false
  /** References from connections and templates; the trash frees a dest that has none. */
  references = 0
  /** How often lblc and lblcr remember it; that keeps it in the trash, too. */
  remembered = 0

  constructor(
    row: number,
    stats: Float64Array,
    address: { family: number; w0: number; w1: number; w2: number; w3: number; port: number },
    peers: readonly Float64Array[] = [],
  ) {
    this.row = row
    this.#stats = stats
    this.#peers = peers
    this.#at = row * STRIDE
    this.family = address.family
    this.w0 = address.w0
    this.w1 = address.w1
    this.w2 = address.w2
    this.w3 = address.w3
    this.port = address.port
  }

  /** Takes over what neither its configuration nor its row of statistics says. */
  resemble(other: Dest): void {
    this.lastWeight = other.lastWeight
    this.pathMtuOctets = other.pathMtuOctets
    this.pathMtuUntilMs = other.pathMtuUntilMs
    this.pathMtuInUse = other.pathMtuInUse
    this.references = other.references
    this.ramp = other.ramp?.copy() ?? null
  }

  /** Tells it outside as well. */
  rememberWeight(weight: number): void {
    this.lastWeight = weight
    this.#stats[this.#at + Col.lastWeight] = weight
  }

  /** After an edit: the next packet looks the route up again. */
  invalidateRoute(): void {
    this.adjacency = null
  }

  get activeConns(): number {
    return this.#stats[this.#at + Col.activeConns]!
  }
  set activeConns(count: number) {
    this.#stats[this.#at + Col.activeConns] = count
  }
  get inactConns(): number {
    return this.#stats[this.#at + Col.inactConns]!
  }
  set inactConns(count: number) {
    this.#stats[this.#at + Col.inactConns] = count
  }
  get persistConns(): number {
    return this.#stats[this.#at + Col.persistConns]!
  }
  set persistConns(count: number) {
    this.#stats[this.#at + Col.persistConns] = count
  }
  /** Over all workers: what schedulers and thresholds look at. */
  get activeTotal(): number {
    return this.#total(Col.activeConns)
  }
  get inactTotal(): number {
    return this.#total(Col.inactConns)
  }
  /** Whether any worker has a connection or template of it. */
  get referred(): boolean {
    if (this.references > 0) return true
    for (let i = 0; i < this.#peers.length; i++) {
      const peer = this.#peers[i]!
      const { activeConns, inactConns, persistConns } = Col
      const at = this.#at
      if (peer[at + activeConns]! + peer[at + inactConns]! + peer[at + persistConns]! > 0)
        return true
    }
    return false
  }
  /** IP_VS_DEST_F_OVERLOAD: over its upper threshold, skipped by every scheduler. */
  get overloaded(): boolean {
    return this.#total(Col.overloaded) !== 0
  }
  /** Set by the worker that saw it, cleared by whichever sees that it is over: flags may cross. */
  set overloaded(on: boolean) {
    this.#stats[this.#at + Col.overloaded] = on ? 1 : 0
    if (on) return
    for (let i = 0; i < this.#peers.length; i++) this.#peers[i]![this.#at + Col.overloaded] = 0
  }

  /** Whether it may take connections again when overloaded: below l, or below 75 % of u. */
  get isRelieved(): boolean {
    const total = this.activeTotal + this.inactTotal
    if (this.lowerThreshold !== 0) return total < this.lowerThreshold
    if (this.upperThreshold !== 0) return total * 4 < this.upperThreshold * 3
    return true
  }

  #total(column: number): number {
    let total = this.#stats[this.#at + column]!
    for (let i = 0; i < this.#peers.length; i++) total += this.#peers[i]![this.#at + column]!
    return total
  }
}
