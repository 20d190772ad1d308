/** /v1/tokens */
import { Type } from 'typebox'
import { tokenTag, type TokenRecord, type Tokens } from '../auth/tokens.js'
import { Problem, problemOf } from '../errors.js'
import { listPage, NAME_ORDER, type Order } from '../http/paging.js'
import { linked } from '../schemas/components.js'
import { NAME_PATTERN } from '../schemas/common.js'
import { NewToken, TokenDocument, TokenList, TokenRequest } from '../schemas/token.js'
import { TokensQuery } from '../schemas/parameters.js'
import { faultsOf } from '../schemas/walk.js'
import {
  answers,
  bodyOf,
  conditionsOf,
  listAnswer,
  sendPage,
  sendTagged,
  tagged,
  type App,
} from './answers.js'

const ORDERS = {
  name: NAME_ORDER,
  createdAt: (token: TokenDocument) => token.createdAt,
} satisfies Record<string, Order<TokenDocument>>
const tags = ['Access']
const path = '/v1/tokens/:name'
const TokenPath = Type.Object({
  name: Type.String({
    ...{ format: 'name', pattern: NAME_PATTERN, maxLength: 63 },
    description: 'Name of the token.',
  }),
})

export function addTokens(app: App, tokens: Tokens): void {
  app.get(
    '/v1/tokens',
    {
      schema: {
        operationId: 'listTokens',
        summary: 'Lists tokens, without their secrets',
        tags,
        querystring: TokensQuery,
        response: answers({ 200: listAnswer('A page of the list.', TokenList) }, 400, 500),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, sort, scope } = request.query
      const byName = new Map(tokens.list().map(token => [token.name, token]))
      const passing = (name: string) => {
        const token = byName.get(name)!
        return scope === undefined || token.scope === scope ? token : null
      }
      const paging = { limit, cursor, sort, labels: [] }
      return sendPage(request, reply, listPage([...byName.keys()], passing, paging, ORDERS, view))
    },
  )
  addCreate(app, tokens)
  app.get(
    path,
    {
      schema: {
        operationId: 'getToken',
        summary: 'Shows a token, without its secret',
        tags,
        params: TokenPath,
        querystring: Type.Object({}),
        response: answers(
          {
            200: tagged('The token.', TokenDocument),
            304: { description: 'Unchanged, but for its uses.', type: 'null' },
          },
          ...[400, 404, 500],
        ),
      },
    },
    (request, reply) => {
      const token = tokens.get(request.params.name)
      return sendTagged(request, reply, tokenTag(token), () => reply.send(view(token)))
    },
  )
  app.delete(
    path,
    {
      schema: {
        operationId: 'deleteToken',
        summary: 'Revokes a token, at once',
        tags,
        params: TokenPath,
        querystring: Type.Object({}),
        response: answers(
          { 204: { description: 'Revoked.', type: 'null' } },
          ...[400, 404, 412, 500, 503],
        ),
      },
    },
    (request, reply) => {
      const by = { actor: request.actor!, requestId: request.id }
      tokens.revoke(request.params.name, by, conditionsOf(request))
      return reply.code(204).send()
    },
  )
}

function addCreate(app: App, tokens: Tokens): void {
  app.post(
    '/v1/tokens',
    {
      schema: {
        operationId: 'createToken',
        summary: 'Makes a token; its secret is in this answer and nowhere else',
        tags,
        querystring: Type.Object({}),
        body: linked(TokenRequest),
        response: answers(
          { 201: tagged('The token with its secret.', NewToken) },
          ...[400, 409, 413, 415, 422, 500, 503],
        ),
      },
    },
    (request, reply) => {
      const draft = readDraft(bodyOf(request))
      const by = { actor: request.actor!, requestId: request.id }
      const { token, secret } = tokens.create(draft, by)
      return reply
        .code(201)
        .headers({ location: `/v1/tokens/${token.name}`, 'cache-control': 'no-store' })
        .header('etag', tokenTag(token))
        .send({ ...view(token), token: secret })
    },
  )
}

function readDraft(body: unknown) {
  const faults = faultsOf(TokenRequest, body)
  if (faults.length > 0) throw problemOf(faults)
  const { name = null, scope, expiresAt } = body as TokenRequest
  return { name, scope, expiresAt: expiresAt === undefined ? null : readTime(expiresAt) }
}

/** RFC 3339 in UTC, later than now. */
function readTime(text: string): string {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) ? Date.parse(text) : NaN
  const wrong = Number.isNaN(ms) ? 'is not a moment such as 2030-01-01T00:00:00Z' : 'is in the past'
  if (ms > Date.now()) return new Date(ms).toISOString()
  const detail = `'${text}' ${wrong}.`
  const errors = [{ pointer: '/expiresAt', code: 'INVALID_TIME', detail }] as const
  throw new Problem('VALIDATION_FAILED', detail, { errors })
}

const view = (token: TokenRecord): TokenDocument => ({
  name: token.name,
  scope: token.scope,
  createdAt: token.createdAt,
  createdBy: token.createdBy,
  expiresAt: token.expiresAt,
  lastUsedAt: token.lastUsedAt,
  lastUsedFrom: token.lastUsedFrom,
})
