/**
 * Brings in force what follows from health: gathers the services whose health has changed and has
 * them reviewed together, one batch for the dataplane however many there are. What cannot be done
 * now (the dataplane is away) is tried again, so nothing is lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { HealthBook } from '../health/health-book.js'

export interface ReviewerOptions {
  health: HealthBook
  /** Reviews these services, while nothing else writes; returns those to be looked at again. */
  review: (names: ReadonlySet<string>) => Promise<readonly string[]>
  /** Resolves when the dataplane is there, or after so long. */
  whenReady: (deadlineMs: number) => Promise<boolean>
  logger: Logger
  /** Calls `work` when those who are at work have had their say. The default is setImmediate. */
  soon?: (work: () => void) => void
  retryMs?: number
}

const PATIENCE_MS = 60_000

export class Reviewer {
  readonly #o: ReviewerOptions
  readonly #soon: (work: () => void) => void
  readonly #retryMs: number
  readonly #waiting = new Set<string>()
  #running: Promise<void> | null = null
  #end: (() => void) | null = null
  readonly #stopping = new AbortController()

  constructor(options: ReviewerOptions) {
    this.#o = options
    this.#soon = options.soon ?? (work => void setImmediate(work))
    this.#retryMs = options.retryMs ?? 1000
  }

  start(): void {
    this.#end = this.#o.health.listen(({ service }) => this.look(service))
  }

  stop(): void {
    this.#end?.()
    this.#end = null
    this.#waiting.clear()
    this.#stopping.abort()
  }

  /** Has a service looked at again. */
  look(service: string): void {
    if (this.#end === null) return
    this.#waiting.add(service)
    this.#running ??= this.#run()
  }

  /** Resolves once nothing waits to be looked at. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  async #run(): Promise<void> {
    await new Promise<void>(resolve => this.#soon(resolve))
    while (this.#waiting.size > 0) {
      await this.#o.whenReady(PATIENCE_MS)
      const names = new Set(this.#waiting)
      this.#waiting.clear()
      const again = await this.#review(names)
      if (this.#end === null) break
      for (const name of again) this.#waiting.add(name)
      if (again.length > 0) await this.#pause()
    }
    this.#running = null
  }

  /** Cut short by `stop`. */
  async #pause(): Promise<void> {
    const { signal } = this.#stopping
    await sleep(this.#retryMs, undefined, { signal }).catch(() => undefined)
  }

  async #review(names: ReadonlySet<string>): Promise<Iterable<string> & { length: number }> {
    try {
      return await this.#o.review(names)
    } catch (error) {
      this.#o.logger.error({ err: error }, 'what follows from health could not be brought in force')
      return [...names]
    }
  }
}
