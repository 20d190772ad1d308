/** `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date of which only IMF-fixdate is sent. */

/** Whoever asks for more is asked again then: a receiver cannot silence a webhook for ever. */
export const RETRY_AFTER_MAX_MS = 3_600_000

const SECONDS = /^\d{1,15}$/
const DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/** From 0 to RETRY_AFTER_MAX_MS from `nowMs` of the wall clock; null: nothing that counts is said. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | null {
  const text = value?.trim() ?? ''
  const ms = SECONDS.test(text)
    ? Number(text) * 1000
    : DATE.test(text)
      ? Date.parse(text) - nowMs
      : NaN
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS)
}
