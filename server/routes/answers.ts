/** What the routes share: how answers are described and how they are sent. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { STATUS_CODES } from 'node:http'
import type { RawServerDefault, FastifyBaseLogger } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TSchema } from 'typebox'
import type { Origin } from '../change/commit.js'
import { isFresh, type Conditions } from '../http/conditions.js'
import { DECLARED, PLAN } from '../http/media-types.js'
import type { Control } from '../control.js'
import type { Manner } from '../documents/declared.js'
import type { Plan } from '../change/ground.js'
import type { Page } from '../http/paging.js'
import { PlanDocument } from '../schemas/plan.js'
import { MESSAGE_MAX } from '../schemas/parameters.js'
import type { Resource } from '../documents/views.js'
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

/** What has a tag but is no part of the configuration. */
export const tagged = (description: string, schema: TSchema) => answer(description, schema, ETAG)

export const document = (description: string, schema: TSchema) =>
  answer(description, schema, { ...ETAG, ...REVISION })

/** A document that can also be had without its defaults, which is what may be written. */
export const shown = (description: string, schema: TSchema, declared: TSchema) =>
  withMedia(document(description, schema), DECLARED, declared)

/** The same of a list. */
export const shownList = (
  description: string,
  schema: TSchema,
  declared: TSchema,
  others: Readonly<Record<string, string>> = {},
) => withMedia(listAnswer(description, schema, others), DECLARED, declared)

/** Of a list that is replaced as one. */
export const taggedList = (description: string, schema: TSchema, declared: TSchema) =>
  withMedia(answer(description, schema, { ...ETAG, ...REVISION, ...LINK }), DECLARED, declared)

/** The answer to a write; to a trial run, what the write would do. */
export const written = (description: string, schema: TSchema) =>
  withMedia(document(description, schema), PLAN, PlanDocument)

const withMedia = (given: ReturnType<typeof answer>, type: string, schema: TSchema) => ({
  ...given,
  content: { ...given.content, [type]: { schema: linked(schema) } },
})

/** Of a deletion: 204, and 200 for the trial run of one. */
export const deleted = () => ({
  204: empty('Deleted.'),
  200: {
    description: 'With `dryRun`: what it would do.',
    headers: {},
    content: { [PLAN]: { schema: linked(PlanDocument) } },
  },
})

export const empty = (description: string) => ({ description, type: 'null', headers: REVISION })

/** Problems that every route with a body may answer with. */
export const WRITE_PROBLEMS = [400, 404, 409, 412, 413, 415, 422, 500, 503] as const

export const conditionsOf = ({ headers }: FastifyRequest): Conditions => ({
  ifMatch: headers['if-match'],
  ifNoneMatch: headers['if-none-match'],
})

interface WriteQuery {
  dryRun?: boolean | undefined
  message?: string | undefined
}
interface WriteRequest extends FastifyRequest {
  query: WriteQuery
}

/** Who asks, and why: `?message=` or the header Config-Message. */
export function originOf(request: WriteRequest): Origin {
  const header = request.headers['config-message']
  const message = request.query.message ?? (typeof header === 'string' ? header : null)
  return { actor: request.actor, requestId: request.id, message: checkedMessage(message) }
}

function checkedMessage(message: string | null): string | null {
  if (message === null || message === '') return null
  if (message.length <= MESSAGE_MAX) return message
  const detail = `The message has ${message.length} characters; at most ${MESSAGE_MAX} fit.`
  throw new Problem('INVALID_PARAMETER', detail, {
    errors: [{ parameter: 'message', code: 'TOO_LONG', detail }],
  })
}

/**
 * Carries a planned write through and answers, or says what it would do when `dryRun` asks for that.
 * `location` is for what the write creates.
 */
export async function carryOut<T>(
  control: Control,
  request: WriteRequest,
  reply: FastifyReply,
  plan: Plan<Resource<T> | null>,
  location: string,
) {
  if (request.query.dryRun === true) return sendTrial(request, reply, control, plan)
  const { status, body, revision } = await control.write(originOf(request), plan)
  void reply.code(status).header('config-revision', revision)
  if (status === 201) void reply.header('location', location)
  return body === null ? reply.send() : reply.header('etag', body.etag).send(body.view)
}

export async function sendTrial<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  control: Control,
  plan: Plan<Resource<T> | null>,
) {
  const trial = await control.attempt(plan, body => body?.view, request.actor)
  return reply.type(PLAN).header('config-revision', trial.revision).send(trial)
}

/** A document that was read, or 304 when the client has it. */
export function sendRead(
  request: FastifyRequest,
  reply: FastifyReply,
  control: Control,
  { view, etag }: Resource<unknown>,
  manner: Manner = 'full',
) {
  void reply.header('config-revision', control.revision())
  return sendTagged(request, reply, etag, () =>
    reply.type(manner === 'full' ? 'application/json' : DECLARED).send(view),
  )
}

/** What `send` sends, with its tag; 304, without asking for it, when the client has it. */
export function sendTagged(
  request: FastifyRequest,
  reply: FastifyReply,
  etag: string,
  send: () => FastifyReply,
): FastifyReply {
  void reply.header('etag', etag)
  if (isFresh(request.headers['if-none-match'], etag)) return reply.code(304).send()
  return send()
}

export function sendPage(
  request: FastifyRequest,
  reply: FastifyReply,
  page: Page<unknown>,
  manner: Manner = 'full',
) {
  linkNext(request, reply, page.nextCursor)
  return reply.type(manner === 'full' ? 'application/json' : DECLARED).send(page)
}

/** The document that was sent; a write without one is a mistake, not an empty document. */
export function bodyOf({ body }: FastifyRequest): unknown {
  if (body === undefined)
    throw new Problem('MISSING_BODY', 'Send the document as JSON in the body of the request.')
  return body
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
