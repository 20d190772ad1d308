/**
 * Locality-based least connection (ip_vs_lblc.c), for transparent caches: a destination address
 * stays with its server until that is gone or crowded.
 */
import type { Flow } from '../../packet.js'
import type { Dest } from '../dest.js'
import { isCrowded, LocalityCache } from './locality.js'
import { leastLoaded } from './overhead.js'
import type { Scheduler, SchedulerContext, SchedulerState } from './scheduler.js'

export class LocalityLeastConnection implements Scheduler {
  readonly #context: SchedulerContext
  readonly #cache = new LocalityCache<Dest>(dest => dest.remembered--)

  constructor(context: SchedulerContext) {
    this.#context = context
  }

  // Entries of a deleted server stay; it is no longer available, so they are replaced when met.
  add(): void {}
  del(): void {}
  edit(): void {}

  schedule(flow: Flow): Dest | null {
    const { dests } = this.#context
    const nowMs = this.#context.nowMs()
    const entry = this.#cache.get(flow)
    if (entry !== null) {
      entry.lastUseMs = nowMs
      const dest = entry.value
      if (dest.available && dest.weight > 0 && !isCrowded(dest, dests)) return dest
    }
    const dest = leastLoaded(dests)
    if (dest === null) return null
    dest.remembered++
    if (entry === null) {
      this.#cache.add(flow, dest, nowMs)
    } else {
      entry.value.remembered--
      entry.value = dest
    }
    return dest
  }

  done(): void {
    this.#cache.clear()
  }

  /** The flow's entry. One whose server is gone would only be replaced. */
  snapshot(flow: Flow): SchedulerState {
    const entry = this.#cache.get(flow)
    const index = entry === null ? -1 : this.#context.dests.indexOf(entry.value)
    return index < 0 ? [] : [index, entry!.lastUseMs]
  }

  restore([index = -1, lastUseMs = 0]: SchedulerState, flow: Flow): void {
    const dest = this.#context.dests[index]
    if (dest === undefined) return
    dest.remembered++
    this.#cache.add(flow, dest, lastUseMs)
  }

  tick(): void {
    this.#cache.tick(this.#context.nowMs(), this.#context.lblcExpirationMs())
  }
}
