/**
 * One webhook at work: reads on in the journal from where it stood and delivers what it wants, one
 * event after the other. What fails is tried again later and later, then given up, so that a
 * receiver that is gone holds back nobody but itself.
 */
import type { Logger } from 'pino'
import { viewOf } from '../journal/event-view.js'
import type { EntryRecord, Journal } from '../journal/journal.js'
import type { Timers } from '../health/timers.js'
import type { WebhookRecord } from '../repo/webhooks.js'
import type { Event } from '../schemas/event.js'
import type { Attempt, Deliver } from './delivery.js'
import type { DeliveryCounts } from './delivery-counts.js'

/** As the journal's other readers: those that keep up share a page. */
const PAGE = 100
const BACKOFF_FIRST_MS = 1000
const BACKOFF_MAX_MS = 300_000

export interface FeedTools {
  journal: Journal
  logger: Logger
  timers: Timers
  now: () => Date
  /** From 0 up to 1. */
  random: () => number
  deliver: Deliver
  /** Writes down how far a webhook has come. */
  save: (hook: WebhookRecord) => void
  counts: DeliveryCounts
}

export class WebhookFeed {
  readonly #hook: WebhookRecord
  readonly #tools: FeedTools
  readonly #stopping = new AbortController()
  readonly #unsubscribe: () => void
  /** What ends the pause between two attempts. */
  #cancelPause = () => {}
  /** Under way, or going to be within this turn. */
  #busy = false
  /** Something was written since the last look began. */
  #again = false
  #failing = false
  /** Gaps in the journal up to here were counted. */
  #gapThrough = 0

  /** Begins at once. `hook` is changed as deliveries go. */
  constructor(hook: WebhookRecord, tools: FeedTools) {
    this.#hook = hook
    this.#tools = tools
    this.#unsubscribe = tools.journal.subscribe(() => this.#wake())
    this.#wake()
  }

  /** Whatever is under way is left, and is sent again by whoever reads on. */
  stop(): void {
    this.#unsubscribe()
    this.#cancelPause()
    this.#stopping.abort()
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted
  }

  #wake(): void {
    this.#again = true
    if (this.#busy || this.#stopped) return
    this.#busy = true
    // Many entries of one turn are one look.
    setImmediate(() => {
      this.#work().then(
        () => this.#rest(),
        (error: unknown) => {
          this.#tools.logger.error({ webhook: this.#hook.name, err: error }, 'a webhook stopped')
          this.#busy = false
        },
      )
    })
  }

  /** Entries may have come between the last look and now. */
  #rest(): void {
    this.#busy = false
    if (this.#again) this.#wake()
  }

  async #work(): Promise<void> {
    const hook = this.#hook
    while (!this.#stopped) {
      this.#again = false
      this.#countGap()
      const entries = this.#tools.journal.remaining(hook.lastDeliveredId, PAGE)
      if (entries.length === 0) return this.#passOver()
      for (const entry of entries) {
        if (wants(hook.spec.events, entry)) await this.#tell(entry)
        if (this.#stopped) return
        hook.lastDeliveredId = entry.id
      }
    }
  }

  /** The journal may end with entries that were removed. */
  #passOver(): void {
    const through = this.#tools.journal.removedThrough()
    if (through > this.#hook.lastDeliveredId) this.#hook.lastDeliveredId = through
  }

  /** What was removed before it was told is gone; the rest is told. */
  #countGap(): void {
    const hook = this.#hook
    const through = this.#tools.journal.removedThrough()
    if (through <= Math.max(hook.lastDeliveredId, this.#gapThrough)) return
    this.#gapThrough = through
    this.#drop()
    this.#fail(`Some events up to ${through} are no longer kept and were not told.`)
    this.#tools.save(hook)
  }

  /** Returns when it was delivered or given up, or the feed was stopped. */
  async #tell(entry: EntryRecord): Promise<void> {
    const hook = this.#hook
    const event = viewOf(entry)
    for (let attempts = 1; ; attempts++) {
      const {
        delivered,
        detail,
        retryAfterMs = 0,
      } = await attempt(hook, event, String(entry.id), this.#tools, {
        signal: this.#stopping.signal,
      })
      if (this.#stopped) return
      if (delivered) this.#succeed()
      else this.#fail(detail)
      const givenUp = !delivered && attempts >= hook.spec.maxAttempts
      this.#count(delivered, givenUp)
      const isDone = delivered || givenUp
      // Together with its outcome, so that a restart in between counts nothing twice.
      if (isDone) hook.lastDeliveredId = entry.id
      this.#tools.save(hook)
      const backMs = isDone ? 0 : backoffMs(attempts, this.#tools.random())
      // Also before the next event: it is the receiver that wants to be left alone.
      if (backMs + retryAfterMs > 0) await this.#pause(Math.max(backMs, retryAfterMs))
      if (isDone || this.#stopped) return
    }
  }

  #count(delivered: boolean, givenUp: boolean): void {
    const { counts } = this.#tools
    counts.note(this.#hook.name, delivered ? 'delivered' : 'failed')
    if (!delivered) this.#hook.failures++
    if (givenUp) this.#drop()
  }

  #drop(): void {
    this.#hook.dropped++
    this.#tools.counts.note(this.#hook.name, 'dropped')
  }

  #succeed(): void {
    const { logger, now } = this.#tools
    this.#hook.lastSuccessAt = now().toISOString()
    if (this.#failing) logger.info({ webhook: this.#hook.name }, 'a webhook delivers again')
    this.#failing = false
  }

  /** One line in the log for all failures in a row. */
  #fail(detail: string): void {
    const { logger, now } = this.#tools
    this.#hook.lastError = { at: now().toISOString(), detail }
    if (!this.#failing) logger.warn({ webhook: this.#hook.name, detail }, 'a webhook fails')
    this.#failing = true
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      const takeBack = this.#tools.timers.after(delayMs, resolve)
      this.#cancelPause = () => {
        takeBack()
        resolve()
      }
    })
  }
}

/** Tries once. `id` names the delivery to the receiver. */
export function attempt(
  { spec, secret }: Pick<WebhookRecord, 'spec' | 'secret'>,
  event: Event,
  id: string,
  { deliver, now }: Pick<FeedTools, 'deliver' | 'now'>,
  { signal }: { signal: AbortSignal },
): Promise<Attempt> {
  const timestampS = Math.floor(now().getTime() / 1000)
  return deliver({ id, event, spec, secret, timestampS }, signal)
}

/**
 * Doubled with every failure up to five minutes, of which a random part of up to half is taken off:
 * receivers that come back are not met by everybody at once.
 */
export const backoffMs = (failures: number, random: number): number =>
  Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_MAX_MS) * (1 - random / 2)

/** By class, by type, or by the part of the type before the dot. */
const wants = (events: readonly string[], entry: EntryRecord): boolean =>
  events.some(
    each => each === entry.class || each === entry.type || entry.type.startsWith(`${each}.`),
  )
