/** Webhooks as the API shows and takes them. */
import { Type, type Static } from 'typebox'
import { component } from './components.js'
import { Event } from './event.js'

export const WEBHOOK_LIMITS = {
  webhooks: 64,
  secret: { least: 8, most: 256 },
  events: 32,
  timeoutSeconds: { least: 1, most: 60, usual: 10 },
  maxAttempts: { least: 1, most: 50, usual: 10 },
}

const NullableText = (options: object) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], ...options })

const { timeoutSeconds: times, maxAttempts: attempts } = WEBHOOK_LIMITS
const target = {
  url: Type.Optional(
    Type.String({
      maxLength: 2048,
      description:
        'Where events are sent by POST, http or https, without credentials in it. Either this or ' +
        '`command`.',
    }),
  ),
  command: Type.Optional(
    Type.String({
      maxLength: 128,
      description:
        'Name of a program in the folder of `--notify-commands`. It gets the type of the event, the ' +
        'name of its object and its state as arguments, the event as JSON on its standard input.',
    }),
  ),
}
const ca = Type.Optional(
  Type.String({
    maxLength: 65_536,
    description:
      'Certificates to trust, PEM; by default the well-known ones. What an https receiver shows is ' +
      'always verified: chain, dates and name.',
  }),
)
const fields = {
  events: Type.Array(Type.String({ maxLength: 64 }), {
    maxItems: WEBHOOK_LIMITS.events,
    description:
      'What is told: the classes `state`, `change` and `denial`, whole types as ' +
      '`realServer.statusChanged`, or the part before the dot.',
    default: ['state'],
  }),
  enabled: Type.Boolean({
    description: 'While it is false nothing is told; what happens meanwhile is not told later.',
    default: true,
  }),
  timeoutSeconds: Type.Integer({
    ...{ minimum: times.least, maximum: times.most, default: times.usual },
    description: 'Longest time of an attempt.',
  }),
  maxAttempts: Type.Integer({
    ...{ minimum: attempts.least, maximum: attempts.most, default: attempts.usual },
    description: 'After so many failures an event is given up and the next one is tried.',
  }),
}

export const WebhookStatus = component(
  'WebhookStatus',
  Type.Object(
    {
      lastDeliveredId: Type.Integer({
        description: 'The newest event that was delivered, given up or not wanted.',
      }),
      lastSuccessAt: NullableText({ format: 'date-time', description: 'Null: there was none.' }),
      lastError: Type.Unsafe<{ at: string; detail: string } | null>({
        type: ['object', 'null'],
        properties: { at: { type: 'string', format: 'date-time' }, detail: { type: 'string' } },
        required: ['at', 'detail'],
        description: 'The last failure, even if there were successes since; null: none.',
      }),
      queued: Type.Integer({ description: 'Events that it has not come to yet, wanted or not.' }),
      failures: Type.Integer({ description: 'Attempts that failed.' }),
      dropped: Type.Integer({
        description: 'Events given up, and times that the journal kept less than it had to tell.',
      }),
    },
    { description: 'How deliveries go; ignored on write.', readOnly: true },
  ),
)

export const WebhookDocument = component(
  'Webhook',
  Type.Object(
    {
      name: Type.String(),
      ...target,
      ca,
      ...fields,
      signed: Type.Boolean({ description: 'Whether it has a secret.', readOnly: true }),
      createdAt: Type.String({ format: 'date-time', readOnly: true }),
      updatedAt: Type.String({ format: 'date-time', readOnly: true }),
      status: WebhookStatus,
    },
    { description: 'Whom to tell of what happens, without the secret.' },
  ),
)
export type WebhookDocument = Static<typeof WebhookDocument>

export const WebhookList = component(
  'WebhookList',
  Type.Object({ items: Type.Array(WebhookDocument), nextCursor: Type.Null() }),
)

/** What is shown beside the specification; taken off before a document is looked at. */
export const WEBHOOK_SHOWN = ['name', 'signed', 'createdAt', 'updatedAt', 'status'] as const

export const WebhookRequest = component(
  'WebhookRequest',
  Type.Object(
    {
      ...target,
      secret: Type.Optional(
        Type.String({
          maxLength: WEBHOOK_LIMITS.secret.most,
          writeOnly: true,
          description:
            'Key of `Sluice-Signature`, 8 to 256 printable ASCII characters. It is never shown. ' +
            'Left out: stays as it is; empty: removed.',
        }),
      ),
      ca,
      events: Type.Optional(fields.events),
      enabled: Type.Optional(fields.enabled),
      timeoutSeconds: Type.Optional(fields.timeoutSeconds),
      maxAttempts: Type.Optional(fields.maxAttempts),
    },
    {
      additionalProperties: false,
      description: 'What a webhook shall be; what GET shows besides is ignored.',
      examples: [{ url: 'https://alerts.example.com/sluice', events: ['state'] }],
    },
  ),
)
export type WebhookRequest = Static<typeof WebhookRequest>

export const WebhookTest = component(
  'WebhookTest',
  Type.Object(
    {
      delivered: Type.Boolean(),
      detail: Type.String({ description: 'What came back, or why nothing did.' }),
      durationMs: Type.Integer(),
      event: Event,
    },
    { description: 'What became of one attempt.' },
  ),
)
export type WebhookTest = Static<typeof WebhookTest>
