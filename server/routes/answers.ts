/** What the routes share: how answers are described and how they are sent. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { STATUS_CODES } from 'node:http'
import type { RawServerDefault, FastifyBaseLogger } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TSchema } from 'typebox'
import type { Conditions, Intent } from '../conditions.js'
import type { Written } from '../views.js'
import { Problem, type Fault } from '../errors.js'
import { ProblemDocument } from '../schemas/common.js'
import { linked } from '../schemas/components.js'
import { isValidLabel } from '../schemas/common.js'
import { quote } from '../schemas/walk.js'

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

const ETAG = { ETag: { type: 'string', description: 'Over configuration, never over counters.' } }
const REVISION = {
  'Config-Revision': { type: 'integer', description: 'Revision of the whole configuration.' },
}

/** Answers of a route: the good ones by status, then the statuses of its problems. */
export function answers(
  good: Readonly<Record<number, object>>,
  ...bad: readonly number[]
): Record<string, object> {
  const problem = linked(ProblemDocument)
  const problems = bad.map(status => [
    status,
    {
      description: STATUS_CODES[status],
      content: { 'application/problem+json': { schema: problem } },
    },
  ])
  return { ...good, ...(Object.fromEntries(problems) as Record<string, object>) }
}

export const answer = (
  description: string,
  schema: TSchema,
  headers: object = {},
  others: Readonly<Record<string, string>> = {},
) => ({
  description,
  headers,
  content: {
    'application/json': { schema: linked(schema) },
    ...Object.fromEntries(
      Object.entries(others).map(([type, example]) => [
        type,
        { schema: { type: 'string', examples: [example] } },
      ]),
    ),
  },
})

/** Beside JSON what a list can be had as, each with an example. */
export const listAnswer = (
  description: string,
  schema: TSchema,
  others: Readonly<Record<string, string>> = {},
) => answer(description, schema, LINK, others)

const LINK = {
  Link: { type: 'string', description: 'rel="next" (RFC 8288) when there is another page.' },
}

export const document = (description: string, schema: TSchema) =>
  answer(description, schema, { ...ETAG, ...REVISION })

export const empty = (description: string) => ({ description, type: 'null', headers: REVISION })

/** Problems that every route with a body may answer with. */
export const WRITE_PROBLEMS = [400, 404, 409, 412, 413, 415, 422, 500, 503] as const

export const conditionsOf = ({ headers }: FastifyRequest): Conditions => ({
  ifMatch: headers['if-match'],
  ifNoneMatch: headers['if-none-match'],
})

/** A write as the request asks for it. */
export const intentOf = (request: FastifyRequest): Intent => ({
  ...conditionsOf(request),
  origin: { actor: request.actor, requestId: request.id, message: null },
})

/** The document that was sent; a write without one is a mistake, not an empty document. */
export function bodyOf({ body }: FastifyRequest): unknown {
  if (body === undefined)
    throw new Problem('MISSING_BODY', 'Send the document as JSON in the body of the request.')
  return body
}

export function sendWritten<T>(reply: FastifyReply, written: Written<T>, location: string) {
  if (written.created) void reply.header('location', location)
  return reply
    .code(written.created ? 201 : 200)
    .headers({ etag: written.etag, 'config-revision': written.revision })
    .send(written.view)
}

/** Link: rel="next" (RFC 8288) beside the cursor in the body. */
export function linkNext(request: FastifyRequest, reply: FastifyReply, cursor: string | null) {
  if (cursor === null) return
  const url = new URL(request.url, 'http://localhost')
  url.searchParams.set('cursor', cursor)
  void reply.header('link', `<${url.pathname}${url.search}>; rel="next"`)
}

/** `labels=env=prod`: pairs of key and value. */
export function labelsOf(texts: readonly string[] | undefined): [string, string][] {
  const faults: Fault[] = []
  const pairs = (texts ?? []).map((text): [string, string] => {
    const at = text.indexOf('=')
    const key = text.slice(0, Math.max(0, at))
    if (!isValidLabel(key)) {
      const detail = `${quote(text)} is not of the form key=value.`
      faults.push({ parameter: 'labels', code: 'INVALID_LABEL', detail })
    }
    return [key, text.slice(at + 1)]
  })
  if (faults.length > 0)
    throw new Problem('INVALID_PARAMETER', faults[0]!.detail, { errors: faults })
  return pairs
}
