/** Entries of the journal, as events and as the audit log. */
import { Type, type Static } from 'typebox'
import { ACTOR_KINDS } from '../auth/actor.js'
import { component, Dictionary, StringEnum } from './components.js'

const OUTCOMES = ['done', 'refused', 'denied', 'failed'] as const

const Nullable = (type: string, options: object) =>
  Type.Unsafe<string | null>({ type: [type, 'null'], ...options })
const Document = (description: string) =>
  Type.Unsafe<object | null>({ type: ['object', 'null'], description })

export const JournalActor = component(
  'Actor',
  Type.Object(
    {
      kind: StringEnum(ACTOR_KINDS, { description: 'How it showed who it is.' }),
      name: Type.String({ description: 'Of the token or certificate; else the kind.' }),
    },
    { description: 'Who did it.' },
  ),
)

export const Event = component(
  'Event',
  Type.Object(
    {
      id: Type.Integer({ description: 'Ascending, never given out twice.' }),
      at: Type.String({ format: 'date-time' }),
      type: Type.String({
        description:
          'For instance `realServer.updated`, `request.denied`, `dataplane.lost`; more may come.',
      }),
      outcome: StringEnum(OUTCOMES, {
        description: 'refused: not valid; denied: not allowed; failed: not possible just now.',
      }),
      actor: Type.Optional(JournalActor),
      address: Nullable('string', { description: 'Where the request came from; null: this host.' }),
      requestId: Nullable('string', { description: '`X-Request-Id` of the request.' }),
      kind: Nullable('string', { description: 'Kind of the object that it is about.' }),
      name: Nullable('string', { description: 'Its name; of real servers `service/server`.' }),
      revision: Type.Unsafe<number | null>({
        type: ['integer', 'null'],
        description: 'Configuration revision that it made.',
      }),
      before: Document('The object before; null: it was not there.'),
      after: Document('The object after; null: it is gone.'),
      detail: Type.Unsafe<Record<string, unknown> | null>({
        ...Dictionary(Type.Unknown()),
        type: ['object', 'null'],
        description: 'What else there is to say: a message, a problem code, how often.',
      }),
    },
    {
      description: 'Something that happened.',
      examples: [
        {
          id: 42,
          at: '2030-01-01T00:00:00.000Z',
          type: 'realServer.updated',
          outcome: 'done',
          actor: { kind: 'token', name: 'ci' },
          address: '192.0.2.9',
          requestId: 'a598f468-6',
          kind: 'realServer',
          name: 'web/a',
          revision: 7,
          before: { address: '10.0.0.1', port: 8080, weight: 1 },
          after: { address: '10.0.0.1', port: 8080, weight: 3 },
          detail: null,
        },
      ],
    },
  ),
)
export type Event = Static<typeof Event>

export const EventPage = component(
  'EventPage',
  Type.Object({
    items: Type.Array(Event, { description: 'Oldest first.' }),
    lastEventId: Type.Integer({ description: 'What to give as `after` next.' }),
  }),
)

export const AuditLog = component(
  'AuditLog',
  Type.Object({
    items: Type.Array(Event, { description: 'Newest first.' }),
    nextCursor: Nullable('string', {}),
  }),
)

const text = (description: string) => Type.Optional(Type.String({ maxLength: 130, description }))
const type = text('Whole, as `realServer.updated`, or the part before the dot.')
const limit = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Most items of a page.' }),
)

export const EventQuery = Type.Object({
  after: Type.Optional(
    Type.Integer({
      maximum: 4294967295,
      description: 'The last event that you have. Without it: from now on, or the newest `limit`.',
    }),
  ),
  waitSeconds: Type.Optional(
    Type.Integer({
      ...{ minimum: 0, maximum: 60, default: 0 },
      description: 'JSON only: how long to wait for an event when there is none yet.',
    }),
  ),
  limit,
  type,
})

export const AuditQuery = Type.Object({
  limit,
  cursor: Type.Optional(Type.String({ description: '`nextCursor` of the page before; opaque.' })),
  type,
  actor: text('Name of a token or certificate, `admin-socket`, `anyone` or `system`.'),
  outcome: Type.Optional(StringEnum(OUTCOMES)),
  kind: text('Kind of object, for instance `virtualService`.'),
  name: text('Name of the object.'),
  requestId: text('`X-Request-Id` of the request.'),
  since: text('From this moment on, RFC 3339 in UTC.'),
  until: text('Before this moment, RFC 3339 in UTC.'),
})
