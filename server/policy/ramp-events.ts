/** Tells in the journal when the slow start of a real server begins, ends, and is broken off. */
import { SYSTEM } from '../auth/actor.js'
import type { Occurrence } from '../journal/journal.js'
import type { Ramp } from './standing.js'
import type { StandingChange } from './standings.js'

export interface RampEventsOptions {
  record: (occurrence: Occurrence) => void
  /** Monotonic. */
  nowMs: () => number
  /** Calls `work` once, after so long; returns what prevents it. */
  after: (delayMs: number, work: () => void) => () => void
}

interface Running {
  startedAt: string
  cancel: () => void
}

export class RampEvents {
  readonly #o: RampEventsOptions
  /** By service (its uid) and real server. */
  readonly #running = new Map<string, Running>()

  constructor(options: RampEventsOptions) {
    this.#o = options
  }

  follow(moved: readonly StandingChange[]): void {
    for (const { service, before, after } of moved)
      for (const server of new Set([
        ...(before?.servers.keys() ?? []),
        ...(after?.servers.keys() ?? []),
      ])) {
        const key = `${service.meta.uid}/${server}`
        const name = `${service.name}/${server}`
        const ramp = after?.servers.get(server)?.ramp ?? null
        // Of what was deleted there is nothing to tell.
        this.#end(key, ramp, after?.servers.has(server) === true ? name : null)
        if (ramp === null || this.#running.has(key)) continue
        this.#begin(key, ramp, name, before?.servers.get(server)?.ramp?.startedAt)
      }
  }

  stop(): void {
    for (const { cancel } of this.#running.values()) cancel()
    this.#running.clear()
  }

  /** `known`: one that was under way when Sluice was started anew. */
  #begin(key: string, ramp: Ramp, name: string, known: string | undefined): void {
    const { startedAt, startMs, durationMs } = ramp
    const leftMs = startMs + durationMs - this.#o.nowMs()
    if (leftMs <= 0) return
    const detail = { seconds: durationMs / 1000 }
    if (known !== startedAt) this.#tell('realServer.slowStartBegan', name, 'done', detail)
    const cancel = this.#o.after(leftMs, () => {
      this.#running.delete(key)
      this.#tell('realServer.slowStartEnded', name, 'done', detail)
    })
    this.#running.set(key, { startedAt, cancel })
  }

  #end(key: string, ramp: Ramp | null, name: string | null): void {
    const running = this.#running.get(key)
    if (running === undefined || running.startedAt === ramp?.startedAt) return
    running.cancel()
    this.#running.delete(key)
    const detail = { message: 'It takes no connections any more.' }
    if (name !== null) this.#tell('realServer.slowStartEnded', name, 'failed', detail)
  }

  #tell(type: string, name: string, outcome: 'done' | 'failed', detail: object): void {
    const about = { kind: 'realServer', name, actor: SYSTEM } as const
    this.#o.record({ type, class: 'state', outcome, detail, ...about })
  }
}
