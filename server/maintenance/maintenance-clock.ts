/**
 * Lets maintenances begin and end by themselves, has what comes to match join them, and tells when
 * nothing is left to wait for. Moments are those of the wall clock, which may be set while a timer
 * runs: it is looked at twice a minute at least. What fails is tried again.
 */
import type { Logger } from 'pino'
import type { State } from '../change/draft.js'
import { messageOf } from '../errors.js'
import { extensionsOf } from './extension.js'
import type { MaintenanceRecord } from '../repo/maintenances.js'
import { begun, type MaintenanceBook } from './maintenance-book.js'
import { shortfallsText } from './shortfalls.js'

export interface ClockOptions {
  book: MaintenanceBook
  state: State
  /** Runs `work` while nothing else writes. */
  exclusive: (work: () => Promise<void>) => Promise<void>
  logger: Logger
  now: () => Date
  after: (delayMs: number, work: () => void) => () => void
}

/** So much later a moment is met at most when the wall clock was set. */
const LOOK_MS = 30_000
const RETRY_MS = 1000
/** Between two looks at how far those are that drain, and those past their deadline. */
const PROGRESS_MS = 1000
const REST_MS = 10_000
/** Looking takes at most this part of the time. */
const BUSY_PART = 0.02

export class MaintenanceClock {
  readonly #o: ClockOptions
  #changed = new Set<string>()
  #cancel: (() => void) | null = null
  /** When progress is looked at next, and how long after the last time that is. */
  #progressDueMs = 0
  #progressPauseMs = 0
  #running = false
  #stopped = true

  constructor(options: ClockOptions) {
    this.#o = options
  }

  /** Resolves when what has come to pass meanwhile has been seen to, or cannot be now. */
  async start(): Promise<void> {
    this.#stopped = false
    for (const { name } of this.#o.state.services()) this.#changed.add(name)
    await this.turn()
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
    this.#cancel = null
  }

  /** Has these services looked at again, soon. */
  look(services: Iterable<string>): void {
    if (this.#stopped || this.#o.book.active().length === 0) return
    for (const name of services) this.#changed.add(name)
    this.#wait(0)
  }

  /** After a maintenance was changed. */
  wind(): void {
    this.#progressDueMs = 0
    this.#wait(this.#delayMs())
  }

  async turn(): Promise<void> {
    if (this.#stopped || this.#running) return
    this.#running = true
    let failed = false
    try {
      await this.#o.exclusive(async () => {
        await this.#advance()
        await this.#join()
        this.#tellProgress()
      })
    } catch (error) {
      failed = true
      const reason = messageOf(error)
      if (!this.#stopped) this.#o.logger.warn({ reason }, 'maintenance has to wait')
    }
    this.#running = false
    this.#wait(failed ? RETRY_MS : this.#delayMs())
  }

  #wait(delayMs: number | null): void {
    this.#cancel?.()
    this.#cancel = null
    if (this.#stopped || delayMs === null) return
    this.#cancel = this.#o.after(delayMs, () => void this.turn())
  }

  /** Null: there is nothing to wait for. */
  #delayMs(): number | null {
    if (this.#changed.size > 0) return 0
    const nowMs = this.#o.now().getTime()
    const due = this.#o.book.all().flatMap(record => {
      const moment = nextMoment(record)
      const progress = record.stage === 'active' && record.told !== 'drained'
      return [
        ...(moment === undefined ? [] : [Math.min(LOOK_MS, Date.parse(moment) - nowMs)]),
        ...(progress ? [this.#progressInMs(nowMs)] : []),
      ]
    })
    return due.length === 0 ? null : Math.max(0, Math.min(...due))
  }

  #progressInMs(nowMs: number): number {
    const leftMs = this.#progressDueMs - nowMs
    // Further away than it was put: the clock was set back.
    return leftMs > this.#progressPauseMs ? 0 : leftMs
  }

  /** Who ends makes room for who begins. */
  async #advance(): Promise<void> {
    const { book, now } = this.#o
    const at = now().toISOString()
    const isDue = (record: MaintenanceRecord) => (nextMoment(record) ?? '~') <= at
    const due = book.all().filter(isDue)
    for (const record of due) if (record.stage === 'active') await this.#end(record)
    for (const record of due) if (record.stage === 'scheduled') await this.#begin(record)
  }

  /**
   * What has come to match is drained, too; what does not match any more is not. A write sees to its
   * own (joiner.ts); here it is what happened while nobody ran, or failed.
   */
  async #join(): Promise<void> {
    const { book, state } = this.#o
    const names = this.#changed
    this.#changed = new Set()
    try {
      const joined = await book.bringUp([...names].flatMap(name => state.service(name) ?? []))
      for (const { record, detail } of extensionsOf(book.active(), joined)) {
        this.#progressDueMs = 0
        book.tell('extended', record, { detail })
        if (record.told !== 'draining') book.note({ ...record, told: 'draining' })
      }
    } catch (error) {
      for (const name of names) this.#changed.add(name)
      throw error
    }
  }

  async #end(record: MaintenanceRecord): Promise<void> {
    const { book, logger } = this.#o
    const { status } = book.viewOf(record)
    const ended = { ...record, stage: 'ended' as const, endedAt: this.#o.now().toISOString() }
    await book.commit(record.name, ended, book.plan(record, ended).assignments)
    const { servers, connections } = status.totals
    book.tell('ended', record, { detail: { servers, connections } })
    logger.info({ maintenance: record.name }, 'a maintenance has ended')
  }

  async #begin(record: MaintenanceRecord): Promise<void> {
    const { book, logger, now } = this.#o
    const endedAt = now().toISOString()
    const { endAt } = record.spec
    if (endAt !== undefined && endAt <= endedAt) {
      await book.commit(record.name, { ...record, stage: 'ended', endedAt })
      const message = 'It did not take place: nothing ran between its start and its end.'
      book.tell('ended', record, { outcome: 'failed', detail: { message } })
      logger.warn({ maintenance: record.name }, 'a maintenance did not take place')
      return
    }
    const after = begun(record, now())
    const { assignments, shortfalls } = book.plan(record, after)
    if (shortfalls.length > 0 && !record.spec.ignoreMinimum) {
      await book.commit(record.name, { ...record, stage: 'refused', endedAt, refusal: shortfalls })
      const message = shortfallsText(shortfalls)
      book.tell('refused', record, { outcome: 'refused', detail: { message, shortfalls } })
      logger.warn({ maintenance: record.name, reason: message }, 'a maintenance was refused')
      return
    }
    await book.commit(record.name, after, assignments)
    const { services, servers, connections } = book.viewOf(after).status.totals
    book.tell('started', record, { detail: { services, servers, connections } })
    logger.info({ maintenance: record.name, servers }, 'a maintenance has begun')
  }

  /** Once for each state that there is to tell; a look at all connections is not for every time. */
  #tellProgress(): void {
    const { book, now } = this.#o
    const beganMs = performance.now()
    const waiting = book.active().filter(({ told }) => told !== 'drained')
    if (waiting.length === 0 || this.#progressInMs(now().getTime()) > 0) return
    for (const record of waiting) {
      if (record.told === 'draining' && book.isBusy(record)) continue
      const phase = book.phaseOf(record)
      if (phase !== 'drained' && phase !== 'expired') continue
      if (phase === record.told) continue
      book.note({ ...record, told: phase })
      const { servers, connections } = book.viewOf(record).status.totals
      book.tell(phase, record, { detail: { servers, connections } })
    }
    const tookMs = performance.now() - beganMs
    const rests = book.active().every(({ told }) => told !== 'draining')
    this.#progressPauseMs = Math.max(rests ? REST_MS : PROGRESS_MS, tookMs / BUSY_PART)
    this.#progressDueMs = now().getTime() + this.#progressPauseMs
  }
}

/** When it begins or ends by itself; undefined: it does not. */
function nextMoment({ stage, spec, createdAt }: MaintenanceRecord): string | undefined {
  if (stage === 'scheduled') return spec.startAt ?? createdAt
  return stage === 'active' ? spec.endAt : undefined
}
