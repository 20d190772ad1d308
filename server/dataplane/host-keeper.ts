/**
 * Keeps the host where the directory says: prepared before a change, tidied after it, and tried
 * again at growing distances where it could not be.
 */
import type { Logger } from 'pino'
import type { Directory } from './directory.js'
import { messageOf, Problem } from '../errors.js'
import type { Announcement, HostChange, HostControl, HostState } from './host-state.js'
import type { ChangeSet } from '../repo/configuration.js'

export interface HostKeeperOptions {
  host: HostControl
  directory: Directory
  logger: Logger
  /** Told of addresses that have just been put on an interface. */
  announce: (announcements: readonly Announcement[]) => Promise<void>
  /** Pause before the first new attempt to bring the host where it should be. */
  retryMs: number
}

const RETRY_MAX_MS = 30_000

export class HostKeeper {
  /** Services that the host cannot serve, and why. */
  readonly unprepared = new Map<string, string>()
  /** The host may hold what nobody needs. */
  untidy = false
  readonly #o: HostKeeperOptions
  #retryMs: number
  #retryTimer: NodeJS.Timeout | null = null
  #exclusive: (work: () => Promise<void>) => Promise<void> = work => work()
  #stopped = false

  constructor(options: HostKeeperOptions) {
    this.#o = options
    this.#retryMs = options.retryMs
  }

  /** New attempts are made within `exclusive`. */
  start(exclusive: (work: () => Promise<void>) => Promise<void>): void {
    this.#exclusive = exclusive
  }

  stop(): void {
    this.#stopped = true
    if (this.#retryTimer) clearTimeout(this.#retryTimer)
  }

  desired(changes: ChangeSet = {}): HostState {
    return this.#o.directory.hostState(changes, new Set(this.unprepared.keys()))
  }

  /** Null when the host is not where it should be: only the whole mends that. */
  change(changes: ChangeSet): HostChange | null {
    return this.untidy || this.unprepared.size > 0 ? null : this.#o.directory.hostChange(changes)
  }

  /** Rejects, as the change itself would, when the host cannot take it; changes nothing. */
  async examine(changes: ChangeSet): Promise<void> {
    const { directory, host } = this.#o
    const rules = directory.markRules.imagined(changes.markRules)
    const except = new Set(this.unprepared.keys())
    try {
      const fresh = this.change(changes)?.fresh
      await host.examine(fresh ?? directory.hostState(changes, except, rules))
    } catch (cause) {
      throw hostProblem(cause)
    }
  }

  /** All or nothing; rejects when the host cannot. */
  async prepareFor(names: readonly string[], desired: HostState): Promise<readonly Announcement[]> {
    const announcements = await this.#o.host.beforeApply(desired)
    for (const name of names) this.unprepared.delete(name)
    return announcements
  }

  /** Halves what fails until only the services remain that the host cannot serve. */
  async prepare(services: HostState): Promise<readonly Announcement[]> {
    if (services.length === 0) return []
    const names = services.map(({ name }) => name)
    try {
      return await this.prepareFor(names, services)
    } catch (error) {
      if (services.length > 1) {
        const half = services.length >>> 1
        const first = await this.prepare(services.slice(0, half))
        return [...first, ...(await this.prepare(services.slice(half)))]
      }
      const { name } = services[0]!
      this.unprepared.set(name, messageOf(error))
      this.#o.logger.error({ err: error, service: name }, 'the host cannot serve a service')
      return []
    }
  }

  /** `stale`: all that can be left over, when that is known. */
  async tidy(stale?: HostState): Promise<void> {
    try {
      if (stale === undefined) await this.#o.host.afterApply(this.desired())
      else await this.#o.host.release(stale)
      this.untidy = false
    } catch (error) {
      this.untidy = true
      this.#o.logger.error({ err: error }, 'the host could not be tidied up; trying again')
    }
  }

  async converge(): Promise<void> {
    const announcements = await this.prepare(this.#o.directory.hostState())
    await this.tidy()
    await this.#o.announce(announcements)
  }

  /** Tries again, at growing distances, until the host is where it should be. */
  retryLater(): void {
    const wanting = this.untidy || this.unprepared.size > 0
    if (!wanting) this.#retryMs = this.#o.retryMs
    if (this.#stopped || this.#retryTimer !== null || !wanting) return
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null
      void this.#exclusive(async () => {
        if (this.#stopped) return
        await this.converge()
        this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
        this.retryLater()
      })
    }, this.#retryMs)
  }
}

/** Why the host cannot take a change, for whoever asked for it. */
export function hostProblem(cause: unknown): Problem {
  if (cause instanceof Problem) return cause
  const detail = `The host could not be prepared: ${messageOf(cause)}. Nothing was stored.`
  return new Problem('HOST_FAILED', detail, { cause })
}
