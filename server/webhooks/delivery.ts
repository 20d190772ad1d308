/** One attempt to tell somebody of one event, whichever way. */
import type { WebhookSpec } from '../repo/webhooks.js'
import type { Event } from '../schemas/event.js'

export interface Parcel {
  /** The same with every attempt, so that a receiver knows what it has. */
  id: string
  event: Event
  spec: WebhookSpec
  secret: string | null
  /** Wall clock, seconds since 1970: the receiver refuses what is too old. */
  timestampS: number
}

export interface Attempt {
  delivered: boolean
  /** What came back, or why nothing did; without secrets. */
  detail: string
  /** How long the receiver wants to be left alone; absent when it does not say. */
  retryAfterMs?: number
}

/** Never rejects; ends early, undelivered, when `signal` is aborted. */
export type Deliver = (parcel: Parcel, signal: AbortSignal) => Promise<Attempt>
