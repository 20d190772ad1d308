/** From what was sent to what a webhook shall be. Nothing here repeats a secret or a URL. */
import type { Fault } from '../errors.js'
import { problemOf } from '../errors.js'
import type { WebhookSpec } from '../repo/webhooks.js'
import { WEBHOOK_LIMITS, WEBHOOK_SHOWN, WebhookRequest } from '../schemas/webhook.js'
import { faultOfCertificates } from './certificates.js'
import { faultsOf, isObject, quote } from '../schemas/walk.js'

const EVENT = /^[a-zA-Z]{1,40}(\.[a-zA-Z]{1,40})?$/
/** What a file name, a header and a terminal take without harm. */
const SECRET = /^[\x20-\x7e]*$/

export interface WebhookDraft {
  spec: WebhookSpec
  /** Undefined: as it is; null: none. */
  secret: string | null | undefined
}

/**
 * Throws VALIDATION_FAILED with every fault. `faultOfCommand` says why a program may not be run, or
 * null.
 */
export function readWebhook(
  body: unknown,
  faultOfCommand: (name: string) => string | null,
): WebhookDraft {
  const given = isObject(body) ? withoutShown(body) : body
  const faults = faultsOf(WebhookRequest, given)
  if (faults.length > 0) throw problemOf(faults)
  const request = given as WebhookRequest
  const found = [
    ...targetFaults(request, faultOfCommand),
    ...secretFaults(request.secret),
    ...caFaults(request),
    ...eventFaults(request.events ?? []),
  ]
  if (found.length > 0) throw problemOf(found)
  const { url, command, secret, ca } = request
  const spec = {
    ...(url === undefined ? {} : { url: new URL(url).href }),
    ...(command === undefined ? {} : { command }),
    ...(ca === undefined ? {} : { ca }),
    events: [...new Set(request.events ?? ['state'])],
    enabled: request.enabled ?? true,
    timeoutSeconds: request.timeoutSeconds ?? WEBHOOK_LIMITS.timeoutSeconds.usual,
    maxAttempts: request.maxAttempts ?? WEBHOOK_LIMITS.maxAttempts.usual,
  }
  return { spec, secret: secret === '' ? null : secret }
}

function withoutShown(body: Record<string, unknown>): Record<string, unknown> {
  const shown: readonly string[] = WEBHOOK_SHOWN
  return Object.fromEntries(Object.entries(body).filter(([key]) => !shown.includes(key)))
}

function targetFaults(
  { url, command }: WebhookRequest,
  faultOfCommand: (name: string) => string | null,
): Fault[] {
  if ((url === undefined) === (command === undefined)) {
    const detail = 'A webhook has either a url or a command.'
    return [{ pointer: '/url', code: 'CONFLICTING_FIELDS', detail }]
  }
  const [pointer, detail] =
    url === undefined ? ['/command', faultOfCommand(command!)] : ['/url', faultOfUrl(url)]
  return detail === null ? [] : [{ pointer, code: 'INVALID_VALUE', detail }]
}

function faultOfUrl(text: string): string | null {
  if (!URL.canParse(text)) return 'The text is no URL, such as https://alerts.example.com/sluice.'
  const url = new URL(text)
  if (!['http:', 'https:'].includes(url.protocol)) return 'The URL is neither http nor https.'
  if (url.username !== '' || url.password !== '')
    return 'The URL has credentials in it, which everybody who reads webhooks would see.'
  return null
}

function secretFaults(secret: string | undefined): Fault[] {
  const { least } = WEBHOOK_LIMITS.secret
  if (secret === undefined || secret === '') return []
  const wrong =
    secret.length < least
      ? `has ${secret.length} characters; it takes at least ${least}`
      : SECRET.test(secret)
        ? null
        : 'has characters that are not printable ASCII'
  const detail = `The secret ${wrong}.`
  return wrong === null ? [] : [{ pointer: '/secret', code: 'INVALID_VALUE', detail }]
}

function caFaults({ ca, url }: WebhookRequest): Fault[] {
  if (ca === undefined) return []
  const pointer = '/ca'
  if (url?.startsWith('https:') !== true) {
    const detail = 'Only a receiver at an https URL shows a certificate.'
    return [{ pointer, code: 'CONFLICTING_FIELDS', detail }]
  }
  const detail = faultOfCertificates(ca)
  return detail === null ? [] : [{ pointer, code: 'INVALID_VALUE', detail }]
}

const eventFaults = (events: readonly string[]): Fault[] =>
  events.flatMap((each, i) =>
    EVENT.test(each)
      ? []
      : [
          {
            ...{ pointer: `/events/${i}`, code: 'INVALID_VALUE' as const },
            detail: `${quote(each)} is neither a class nor a type of events.`,
            hint: 'For instance state, change, denial, realServer or realServer.statusChanged.',
          },
        ],
  )
