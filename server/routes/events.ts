/** /v1/events and /v1/audit-log */
import { Type, type Static } from 'typebox'
import type { Actor } from '../auth/actor.js'
import type { Gate } from '../auth/gate.js'
import { Problem } from '../errors.js'
import { EventStream } from '../journal/event-stream.js'
import { viewOf } from '../journal/event-view.js'
import type { EntryRecord, Journal } from '../journal/journal.js'
import { decodeCursor, encodeCursor, NUMBER } from '../http/paging.js'
import { AuditLog, AuditQuery, EventPage, EventQuery } from '../schemas/event.js'
import { answer, answers, linkNext, type App } from './answers.js'

/** Followers at one time: each is a connection and looks into the journal with every event. */
export const READERS_MAX = 256
const tags = ['Events']

export interface EventsOptions {
  journal: Journal
  gate: Gate
}

export function addEvents(app: App, { journal, gate }: EventsOptions): void {
  const streams = new Set<EventStream>()
  const waiting = new Set<() => void>()
  // Whoever follows is let go first: closing waits for answers that are under way.
  app.addHook('preClose', done => {
    for (const stream of streams) stream.finish()
    for (const wake of waiting) wake()
    done()
  })
  app.get(
    '/v1/events',
    {
      schema: {
        operationId: 'listEvents',
        summary: 'Follows what happens: server-sent events, or a long poll',
        description:
          'With `Accept: text/event-stream` a stream, resumed by `Last-Event-ID`; comments keep it ' +
          'alive. Else JSON: the events after `after`, waited for when there are none. A reader that ' +
          'takes nothing for half a minute is let go and may resume. 410 when it cannot: what it has was ' +
          'removed since (EVENTS_TRUNCATED), or is newer than everything here, as after a database was ' +
          'restored (EVENTS_REWOUND). Denials, refusals and tokens are ' +
          'told to the scope `admin` only.',
        tags,
        querystring: EventQuery,
        headers: Type.Object({
          'last-event-id': Type.Optional(
            Type.String({ description: 'As `after`; browsers send it.' }),
          ),
        }),
        response: answers(
          {
            200: {
              description: 'Events.',
              content: {
                ...answer('', EventPage).content,
                'text/event-stream': { schema: { type: 'string' } },
              },
            },
          },
          ...[400, 410, 500, 503],
        ),
      },
    },
    async (request, reply) => {
      const { query } = request
      const actor = request.actor!
      const after = query.after ?? lastEventId(request.headers['last-event-id'])
      if (after !== undefined) journal.mustKnow(after)
      if (journal.readers >= READERS_MAX)
        throw new Problem('TOO_MANY_READERS', `${READERS_MAX} readers follow already.`, {
          headers: { 'retry-after': '10' },
        })
      const passes = passing(actor, query.type)
      if (!wantsStream(request.headers.accept)) {
        const gone = new Promise<void>(resolve => request.raw.socket.once('close', resolve))
        return poll(journal, query, after ?? null, passes, { gone, waiting })
      }
      const from = after ?? journal.last()
      // Now, while there is a status to say it with.
      journal.after(from, 1)
      const stream = new EventStream({
        ...{ journal, after: from, passes, render: viewOf },
        mayStay: () => gate.isGood(actor),
      })
      streams.add(stream)
      stream.on('close', () => streams.delete(stream))
      const headers = { 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
      return reply.type('text/event-stream').headers(headers).send(stream)
    },
  )
  addAuditLog(app, journal)
}

function addAuditLog(app: App, journal: Journal): void {
  app.get(
    '/v1/audit-log',
    {
      schema: {
        operationId: 'listAuditLog',
        summary: 'Lists who changed what, and who was not allowed to; newest first',
        description:
          'The newest 100,000 changes and 10,000 denials and refusals of the last 90 days are kept. ' +
          'Equal refusals within a second are one entry with a count.',
        tags,
        querystring: AuditQuery,
        response: answers({ 200: answer('A page of the log.', AuditLog) }, 400, 500),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, ...filter } = request.query
      const moments = { since: moment('since', filter.since), until: moment('until', filter.until) }
      const below = Number(decodeCursor(cursor, NUMBER, String(Number.MAX_SAFE_INTEGER)))
      const found = journal.auditLog(below, limit + 1, { ...filter, ...moments })
      const items = found.slice(0, limit)
      const nextCursor = found.length > limit ? encodeCursor(String(items.at(-1)!.id)) : null
      linkNext(request, reply, nextCursor)
      return { items: items.map(viewOf), nextCursor }
    },
  )
}

interface Waits {
  /** The client has left. */
  gone: Promise<void>
  /** What ends all waits. */
  waiting: Set<() => void>
}

async function poll(
  journal: Journal,
  { limit = 100, waitSeconds = 0 }: Static<typeof EventQuery>,
  after: number | null,
  passes: (entry: EntryRecord) => boolean,
  waits: Waits,
) {
  let from = after ?? Math.max(journal.last() - limit, journal.removedThrough())
  const deadline = performance.now() + waitSeconds * 1000
  for (;;) {
    const entries = journal.after(from, limit)
    const items = entries.filter(passes).map(viewOf)
    from = entries.at(-1)?.id ?? from
    const leftMs = deadline - performance.now()
    if (items.length > 0 || leftMs <= 0) return { items, lastEventId: from }
    if (entries.length === 0 && !(await somethingNew(journal, leftMs, waits)))
      return { items, lastEventId: from }
  }
}

/** Whether something happened within so long; false also when nobody waits any more. */
function somethingNew(journal: Journal, withinMs: number, { gone, waiting }: Waits) {
  return new Promise<boolean>(resolve => {
    const settle = (found: boolean) => {
      clearTimeout(timer)
      unsubscribe()
      waiting.delete(give)
      resolve(found)
    }
    const give = () => settle(false)
    const timer = setTimeout(give, withinMs)
    const unsubscribe = journal.subscribe(() => settle(true))
    waiting.add(give)
    void gone.then(give)
  })
}

const wantsStream = (accept = ''): boolean => /\btext\/event-stream\b/i.test(accept)

function lastEventId(header: unknown): number | undefined {
  if (header === undefined || header === '') return undefined
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header)
  const detail = 'Last-Event-ID is not the number of an event.'
  throw new Problem('INVALID_PARAMETER', detail, {
    errors: [{ parameter: 'Last-Event-ID', code: 'INVALID_PARAMETER', detail }],
  })
}

/** What somebody may see of the events, and wants to. */
function passing({ scope }: Actor, type: string | undefined) {
  const isWanted = (entry: EntryRecord) =>
    type === undefined || entry.type === type || entry.type.startsWith(`${type}.`)
  if (scope === 'admin') return isWanted
  return (entry: EntryRecord) =>
    entry.class !== 'denial' && entry.kind !== 'token' && isWanted(entry)
}

/** In the form in which moments are stored, so that texts compare as moments do. */
function moment(parameter: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(ms)) return new Date(ms).toISOString()
  const detail = `'${parameter}' is not a moment such as 2030-01-01T00:00:00Z.`
  throw new Problem('INVALID_PARAMETER', detail, {
    errors: [{ parameter, code: 'INVALID_TIME', detail }],
  })
}
