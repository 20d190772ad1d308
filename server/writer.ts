/** Writes happen one after the other; none is refused because another is under way. */
import type { Applier } from './applier.js'
import { SYSTEM } from './actor.js'
import type { Origin } from './commit.js'
import type { Stamp } from './drafts.js'
import { Mutex } from './mutex.js'
import type { ChangeSet, ConfigurationRepo } from './repo/configuration.js'

export class Writer {
  readonly #repo: ConfigurationRepo
  readonly #applier: Applier
  readonly #now: () => Date
  /** Of the write under way. */
  #origin: Origin = { actor: SYSTEM, requestId: null, message: null }
  readonly #mutex = new Mutex()

  constructor(repo: ConfigurationRepo, applier: Applier, now: () => Date) {
    this.#repo = repo
    this.#applier = applier
    this.#now = now
  }

  /** Runs what reads, checks and commits; nothing else writes meanwhile. */
  run<T>(origin: Origin, work: (stamp: Stamp) => Promise<T>): Promise<T> {
    return this.#mutex.run(() => {
      this.#origin = origin
      return work(this.#stamp())
    })
  }

  /** Runs what changes no configuration, while nothing else writes. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#mutex.run(work)
  }

  /** Resolves once no write is under way. */
  idle(): Promise<void> {
    return this.#mutex.idle()
  }

  /**
   * The revision that holds a change: a new one, or the present one when there was nothing to
   * change. `service` is the one that it is about, if any.
   */
  async commit(changes: ChangeSet | null, service: string | null = null): Promise<number> {
    if (changes === null) {
      await this.#applier.settle(service)
      return this.#repo.revision()
    }
    const revision = this.#repo.revision() + 1
    const at = this.#now().toISOString()
    await this.#applier.apply(changes, { revision, at, ...this.#origin })
    return revision
  }

  #stamp(): Stamp {
    return {
      revision: this.#repo.revision() + 1,
      now: this.#now().toISOString(),
      position: this.#repo.services.lastPosition() + 1,
    }
  }
}
