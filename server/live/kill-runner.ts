/** Carries a kill through: begins it, asks until it is done, begins again after a worker was lost. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { KillRequest } from '../../dataplane/protocol.js'
import { DataplaneGone, type Dataplane } from '../dataplane/dataplane-client.js'
import { Problem } from '../errors.js'

export interface Killed {
  connections: number
  templates: number
}

const FIRST_PAUSE_MS = 1
const PAUSE_MAX_MS = 50

export interface KillRunnerOptions {
  dataplane: Dataplane
  /** How long it waits for a dataplane that is away. */
  patienceMs?: number
  pause?: (ms: number) => Promise<unknown>
}

export class KillRunner {
  readonly #dataplane: Dataplane
  readonly #patienceMs: number
  readonly #pause: (ms: number) => Promise<unknown>
  #jobs = 0

  constructor({ dataplane, patienceMs = 5000, pause = sleep }: KillRunnerOptions) {
    this.#dataplane = dataplane
    this.#patienceMs = patienceMs
    this.#pause = pause
  }

  /**
   * Resolves once all connections are ended that were there at the beginning, with their count.
   * Rejects with OpRefused for a filter that names what the dataplane does not have, and with
   * DATAPLANE_UNAVAILABLE when it stays away; then some may have been ended.
   */
  async run(kill: KillRequest): Promise<Killed> {
    const sum: Killed = { connections: 0, templates: 0 }
    for (;;) {
      const seen: Killed = { connections: 0, templates: 0 }
      const finished = await this.#attempt(kill, seen)
      // On trial nothing was ended, so a new attempt counts everything again.
      if (finished || !kill.dryRun) {
        sum.connections += seen.connections
        sum.templates += seen.templates
      }
      if (finished) return sum
    }
  }

  /** False when the worker that did it is gone; `seen` is what it had told. */
  async #attempt(kill: KillRequest, seen: Killed): Promise<boolean> {
    if (!(await this.#dataplane.whenReady(this.#patienceMs))) throw this.#unavailable()
    const job = ++this.#jobs
    try {
      await this.#dataplane.call({ op: 'startKill', job, kill })
      for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
        const { known, done, ...killed } = await this.#dataplane.call({ op: 'killProgress', job })
        if (!known) return false
        Object.assign(seen, killed)
        if (done) return true
        await this.#pause(pauseMs)
      }
    } catch (cause) {
      if (cause instanceof DataplaneGone) return false
      throw cause
    }
  }

  #unavailable(): Problem {
    const reason = this.#dataplane.reason ?? 'The dataplane is not running.'
    const detail = `${reason} Some connections may have been ended; repeat the request.`
    return new Problem('DATAPLANE_UNAVAILABLE', detail, { headers: { 'retry-after': '1' } })
  }
}
