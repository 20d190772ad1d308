/**
 * How every virtual service stands. What is decided for a record stays decided until it is renewed,
 * so that a dataplane that comes up in between is given exactly what the others have. What has to
 * outlive the process (a lost quorum, ramps) is written down beside the configuration.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { messageOf } from '../errors.js'
import type { HealthBook } from '../health/health-book.js'
import type { ServiceChange } from '../repo/configuration.js'
import type { ServiceRecord } from '../repo/records.js'
import type { StandingRepo } from '../repo/standings.js'
import { standingOf, type Circumstances, type Standing } from './standing.js'
import { documentOf, standingFrom, type StandingDocument } from './standing-document.js'

export interface StandingsOptions {
  health: HealthBook
  repo: StandingRepo<StandingDocument>
  logger: Logger
  now: () => Date
  /** Monotonic. */
  nowMs: () => number
}

/** Another standing of a service; null: there is no such service (any more). */
export interface StandingChange {
  service: ServiceRecord
  before: Standing | null
  after: Standing | null
}

export class Standings {
  readonly #o: StandingsOptions
  readonly #made = new WeakMap<ServiceRecord, Standing>()
  /** In force, by uid. */
  readonly #current = new Map<string, Standing>()
  readonly #stored: Map<string, StandingDocument>

  constructor(options: StandingsOptions) {
    this.#o = options
    this.#stored = new Map(options.repo.all())
    for (const [uid, document] of this.#stored)
      this.#current.set(uid, standingFrom(document, this.#circumstances()))
  }

  /** As it was decided for this record, or as it would be decided now. */
  of(service: ServiceRecord): Standing {
    return this.#made.get(service) ?? this.renew(service)
  }

  /** Decides anew, by health and time as they are. */
  renew(service: ServiceRecord): Standing {
    const previous = this.#current.get(service.meta.uid) ?? null
    const next = standingOf(service, previous, this.#circumstances())
    this.#made.set(service, next)
    return next
  }

  /** What was decided for these is in force from now on; returns what is another than before. */
  adopt(changes: readonly ServiceChange[]): StandingChange[] {
    const moved: StandingChange[] = []
    for (const { before, after } of changes) {
      if (before === null || before.meta.uid === after?.meta.uid) continue
      const was = this.#current.get(before.meta.uid) ?? null
      this.#current.delete(before.meta.uid)
      moved.push({ service: before, before: was, after: null })
    }
    for (const { after } of changes) {
      if (after === null) continue
      const was = this.#current.get(after.meta.uid) ?? null
      const is = this.of(after)
      this.#current.set(after.meta.uid, is)
      if (!isDeepStrictEqual(was, is)) moved.push({ service: after, before: was, after: is })
    }
    this.#store(moved)
    return moved
  }

  /** Of services that are not there any more. */
  forgetOthers(services: Iterable<ServiceRecord>): void {
    const known = new Set([...services].map(({ meta }) => meta.uid))
    const gone = [...this.#current.keys()].filter(uid => !known.has(uid))
    for (const uid of gone) this.#current.delete(uid)
    this.#write(gone.map(uid => [uid, null]))
  }

  get nowMs(): number {
    return this.#o.nowMs()
  }

  #store(moved: readonly StandingChange[]): void {
    this.#write(
      moved.map(({ service, after }) => [
        service.meta.uid,
        // Without a policy everything follows from health.
        after === null || service.config.policy === undefined ? null : documentOf(after),
      ]),
    )
  }

  /** Only what differs. The traffic does not wait for the disk to be well. */
  #write(entries: readonly (readonly [string, StandingDocument | null])[]): void {
    const changed = entries.filter(
      ([uid, document]) => !isDeepStrictEqual(this.#stored.get(uid) ?? null, document),
    )
    if (changed.length === 0) return
    try {
      this.#o.repo.save(changed)
    } catch (error) {
      this.#o.logger.error({ reason: messageOf(error) }, 'how services stand could not be stored')
      return
    }
    for (const [uid, document] of changed) {
      if (document === null) this.#stored.delete(uid)
      else this.#stored.set(uid, document)
    }
  }

  #circumstances(): Circumstances {
    const { health, now, nowMs } = this.#o
    return { health, now: now().toISOString(), nowMs: nowMs() }
  }
}
