/** Webhooks: made, changed, tried and set to work. Kept beside the configuration, as tokens are. */
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Cause } from '../auth/actor.js'
import type { Database } from '../db.js'
import { messageOf, Problem } from '../errors.js'
import { systemTimers, type Timers } from '../health/timers.js'
import { checkConditions, checkTag, tagOver, type Conditions } from '../http/conditions.js'
import { viewOf } from '../journal/event-view.js'
import type { Journal } from '../journal/journal.js'
import { WebhookRepo, type WebhookRecord } from '../repo/webhooks.js'
import type { WebhookTest } from '../schemas/webhook.js'
import { WEBHOOK_LIMITS } from '../schemas/webhook.js'
import { readWebhook } from '../documents/webhook-document.js'
import { DeliveryCounts } from '../webhooks/delivery-counts.js'
import { deliverByCommand, faultOfCommand } from '../webhooks/command-delivery.js'
import type { Deliver } from '../webhooks/delivery.js'
import { deliverByHttp } from '../webhooks/http-delivery.js'
import { attempt, WebhookFeed, type FeedTools } from '../webhooks/webhook-feed.js'

export type { WebhookRecord }

export interface WebhooksOptions {
  database: Database
  journal: Journal
  logger: Logger
  /** Whose programs may be run; null: none. */
  commandFolder?: string | null
  timers?: Timers
  now?: () => Date
  random?: () => number
}

export class Webhooks {
  readonly #repo: WebhookRepo
  readonly #database: Database
  readonly #tools: FeedTools
  readonly #commandFolder: string | null
  /** What became of deliveries since the start. */
  readonly counts = new DeliveryCounts()
  readonly #hooks = new Map<string, WebhookRecord>()
  readonly #feeds = new Map<string, WebhookFeed>()
  /** What ends the trials that are under way. */
  readonly #stopping = new AbortController()

  /** `start` sets it to work. */
  constructor(options: WebhooksOptions) {
    const { database, journal, logger } = options
    this.#repo = new WebhookRepo(database)
    this.#database = database
    this.#commandFolder = options.commandFolder ?? null
    const byCommand = deliverByCommand(this.#commandFolder)
    const deliver: Deliver = (parcel, signal) =>
      (parcel.spec.command === undefined ? deliverByHttp : byCommand)(parcel, signal)
    this.#tools = {
      ...{ journal, logger, deliver, counts: this.counts },
      timers: options.timers ?? systemTimers,
      now: options.now ?? (() => new Date()),
      random: options.random ?? Math.random,
      save: hook => this.#save(hook),
    }
    for (const hook of this.#repo.all()) this.#hooks.set(hook.name, hook)
  }

  start(): void {
    for (const hook of this.#hooks.values()) this.#feed(hook)
  }

  /** Writes down how far each has come; whoever starts next reads on from there. */
  stop(): void {
    this.#stopping.abort()
    for (const feed of this.#feeds.values()) feed.stop()
    this.#feeds.clear()
    this.flush()
  }

  /**
   * Writes down what every webhook has passed over. Deliveries are written down as they happen; what
   * nobody wanted is not worth a write with every change of the configuration.
   */
  flush(): void {
    for (const hook of this.#hooks.values()) this.#save(hook)
  }

  /** By name. */
  list(): WebhookRecord[] {
    return [...this.#hooks.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get(name: string): WebhookRecord {
    const hook = this.#hooks.get(name)
    if (hook !== undefined) return hook
    throw new Problem('WEBHOOK_NOT_FOUND', `There is no webhook '${name}'.`)
  }

  /** Events that it has not come to yet. */
  queued({ spec, lastDeliveredId }: WebhookRecord): number {
    return spec.enabled ? Math.max(0, this.#tools.journal.last() - lastDeliveredId) : 0
  }

  /**
   * Makes or replaces it. A new one is told of what happens from now on; asked for again as it is,
   * nothing changes.
   */
  put(
    name: string,
    body: unknown,
    by: Cause,
    conditions: Conditions = {},
  ): { hook: WebhookRecord; created: boolean } {
    const before = this.#hooks.get(name)
    this.#check(conditions, name, before)
    const { spec, secret } = readWebhook(body, command =>
      faultOfCommand(this.#commandFolder, command),
    )
    if (before !== undefined && isSame(before, spec, secret))
      return { hook: before, created: false }
    if (before === undefined && this.#hooks.size >= WEBHOOK_LIMITS.webhooks)
      throw new Problem(
        'LIMIT_REACHED',
        `There can be at most ${WEBHOOK_LIMITS.webhooks} webhooks.`,
      )
    const at = this.#tools.now().toISOString()
    const hook: WebhookRecord = {
      ...{ lastDeliveredId: 0, lastSuccessAt: null, lastError: null, failures: 0, dropped: 0 },
      createdAt: at,
      ...before,
      ...{ name, spec, updatedAt: at },
      secret: secret === undefined ? (before?.secret ?? null) : secret,
    }
    this.#store(() => {
      const { journal } = this.#tools
      journal.webhookChanged(name, { before: describe(before), after: describe(hook) }, by)
      if (before?.spec.enabled !== true) hook.lastDeliveredId = journal.last()
      this.#repo.put(hook)
    })
    this.#feeds.get(name)?.stop()
    this.#hooks.set(name, hook)
    this.#feed(hook)
    return { hook, created: before === undefined }
  }

  delete(name: string, by: Cause, conditions: Conditions = {}): void {
    const hook = this.get(name)
    this.#check(conditions, name, hook)
    this.#store(() => {
      this.#tools.journal.webhookChanged(name, { before: describe(hook), after: null }, by)
      this.#repo.delete(name)
    })
    this.#feeds.get(name)?.stop()
    this.#feeds.delete(name)
    this.#hooks.delete(name)
    this.counts.forget(name)
  }

  /** One attempt, now, beside what it has to tell; it may be switched off. Not in the journal. */
  async try(name: string, { actor, requestId }: Cause): Promise<WebhookTest> {
    const hook = this.get(name)
    const { now, timers } = this.#tools
    const event = viewOf({
      ...{ id: 0, at: now().toISOString(), type: 'webhook.test', class: 'state', outcome: 'done' },
      ...{ actor: actor.name, actorKind: actor.kind, address: actor.address, requestId },
      ...{ kind: 'webhook', name, revision: null, before: null, after: null },
      detail: { message: 'A test: nothing has happened.' },
    })
    const began = timers.now()
    const id = `test-${randomBytes(4).toString('hex')}`
    const { signal } = this.#stopping
    const { delivered, detail } = await attempt(hook, event, id, this.#tools, { signal })
    return { delivered, detail, durationMs: Math.round(timers.now() - began), event }
  }

  #check(conditions: Conditions, name: string, hook: WebhookRecord | undefined): void {
    if (hook === undefined) return checkConditions(conditions, null)
    checkTag(conditions, webhookTag(hook), () => {
      const author = this.#tools.journal.author('webhook', name, 'webhook.changed')
      return `'${name}' was changed at ${hook.updatedAt} by ${author}`
    })
  }

  #feed(hook: WebhookRecord): void {
    if (hook.spec.enabled) this.#feeds.set(hook.name, new WebhookFeed(hook, this.#tools))
    else this.#feeds.delete(hook.name)
  }

  /** Deliveries go on when it cannot be written down; a restart would then repeat them. */
  #save(hook: WebhookRecord): void {
    if (this.#hooks.get(hook.name) !== hook) return
    try {
      this.#repo.put(hook)
    } catch (error) {
      const { logger } = this.#tools
      logger.error({ webhook: hook.name, reason: messageOf(error) }, 'a webhook was not stored')
    }
  }

  #store(work: () => void): void {
    try {
      this.#database.transaction(work).immediate()
    } catch (cause) {
      throw new Problem('STORAGE_FAILED', `Nothing was changed: ${messageOf(cause)}.`, { cause })
    }
  }
}

/** For the journal: without the secret, but with whether there is one. */
const describe = (hook: WebhookRecord | undefined) =>
  hook === undefined ? null : { ...hook.spec, signed: hook.secret !== null }

/** Over what it shall be, never over how deliveries go. */
export const webhookTag = ({ spec, createdAt, updatedAt }: WebhookRecord): string =>
  tagOver([spec, createdAt, updatedAt])

const isSame = (
  before: WebhookRecord,
  spec: WebhookRecord['spec'],
  secret: string | null | undefined,
) => isDeepStrictEqual(before.spec, spec) && (secret === undefined || secret === before.secret)
