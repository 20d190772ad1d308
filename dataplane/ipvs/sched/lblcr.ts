/**
 * Locality-based least connection with replication (ip_vs_lblcr.c): a destination address has a
 * set of servers that grows when its best one is crowded, and shrinks a day after the last change.
 */
import type { Flow } from '../../packet.js'
import type { Dest } from '../dest.js'
import { isCrowded, LocalityCache } from './locality.js'
import { isProductGreater, isUsable, leastLoaded, overhead } from './overhead.js'
import type { Scheduler, SchedulerContext, SchedulerState } from './scheduler.js'

/** The servers of one address, newest first. */
class ServerSet {
  readonly dests: Dest[]
  lastChangeMs: number

  constructor(dest: Dest, nowMs: number) {
    this.dests = [dest]
    this.lastChangeMs = nowMs
    dest.remembered++
  }

  insert(dest: Dest, nowMs: number): void {
    if (this.dests.includes(dest)) return
    this.dests.unshift(dest)
    this.lastChangeMs = nowMs
    dest.remembered++
  }

  least(): Dest | null {
    let least: Dest | null = null
    for (const dest of this.dests) {
      if (!dest.available || !isUsable(dest)) continue
      const isLess =
        least === null ||
        isProductGreater(overhead(least), dest.weight, overhead(dest), least.weight)
      if (isLess) least = dest
    }
    return least
  }

  removeMost(nowMs: number): void {
    let most: Dest | null = null
    for (const dest of this.dests) {
      if (dest.weight <= 0) continue
      const isMore =
        most === null || isProductGreater(overhead(dest), most.weight, overhead(most), dest.weight)
      if (isMore) most = dest
    }
    if (most === null) return
    this.dests.splice(this.dests.indexOf(most), 1)
    this.lastChangeMs = nowMs
    most.remembered--
  }

  clear(): void {
    for (const dest of this.dests) dest.remembered--
    this.dests.length = 0
  }
}

export class LocalityLeastConnectionReplicated implements Scheduler {
  readonly #context: SchedulerContext
  readonly #cache = new LocalityCache<ServerSet>(set => set.clear())

  constructor(context: SchedulerContext) {
    this.#context = context
  }

  // Sets keep deleted servers; they are no longer available, so they are passed over.
  add(): void {}
  del(): void {}
  edit(): void {}

  schedule(flow: Flow): Dest | null {
    const { dests } = this.#context
    const nowMs = this.#context.nowMs()
    const entry = this.#cache.get(flow)
    if (entry === null) {
      const dest = leastLoaded(dests)
      if (dest !== null) this.#cache.add(flow, new ServerSet(dest, nowMs), nowMs)
      return dest
    }
    entry.lastUseMs = nowMs
    const set = entry.value
    const own = set.least()
    const stableMs = nowMs - set.lastChangeMs
    if (set.dests.length > 1 && stableMs > this.#context.lblcrExpirationMs()) set.removeMost(nowMs)
    if (own !== null && !isCrowded(own, dests)) return own
    const dest = leastLoaded(dests)
    if (dest !== null) set.insert(dest, nowMs)
    return dest
  }

  done(): void {
    this.#cache.clear()
  }

  /** The flow's set. Servers of it that are gone are never chosen. */
  snapshot(flow: Flow): SchedulerState {
    const entry = this.#cache.get(flow)
    if (entry === null) return []
    const positions = entry.value.dests.map(dest => this.#context.dests.indexOf(dest))
    return [entry.lastUseMs, entry.value.lastChangeMs, ...positions.filter(i => i >= 0)]
  }

  restore([lastUseMs, lastChangeMs, ...positions]: SchedulerState, flow: Flow): void {
    const dests = positions.map(i => this.#context.dests[i]!)
    if (lastUseMs === undefined || lastChangeMs === undefined || dests.length === 0) return
    const set = new ServerSet(dests.at(-1)!, lastChangeMs)
    for (const dest of dests.reverse()) set.insert(dest, lastChangeMs)
    this.#cache.add(flow, set, lastUseMs)
  }

  tick(): void {
    this.#cache.tick(this.#context.nowMs(), this.#context.lblcrExpirationMs())
  }
}
