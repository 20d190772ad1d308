/** Tokens as the API shows them. */
import { Type, type Static } from 'typebox'
import { SCOPES } from '../auth/scope.js'
import { NAME_PATTERN } from './common.js'
import { component, StringEnum } from './components.js'

const ScopeEnum = StringEnum(SCOPES, {
  description: 'What its holder may do; each scope includes those before it.',
})

/** A union would become `anyOf`. */
const NullableText = (options: object) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], ...options })

const fields = {
  name: Type.String({ description: 'Unique; the audit log knows the holder by it.' }),
  scope: ScopeEnum,
  createdAt: Type.String({ format: 'date-time' }),
  createdBy: Type.String({ description: 'Name of the actor who made it.' }),
  expiresAt: NullableText({ format: 'date-time', description: 'Null: it does not expire.' }),
  lastUsedAt: NullableText({
    format: 'date-time',
    description: 'Exact to a minute; null: never used.',
  }),
  lastUsedFrom: NullableText({ description: 'Address of the last use.' }),
}

const EXAMPLE = {
  name: 'ci',
  scope: 'write',
  createdAt: '2030-01-01T00:00:00.000Z',
  createdBy: 'admin-socket',
  expiresAt: '2030-04-01T00:00:00.000Z',
  lastUsedAt: null,
  lastUsedFrom: null,
}

export const TokenDocument = component(
  'Token',
  Type.Object(fields, { description: 'A bearer token, without its secret.', examples: [EXAMPLE] }),
)
export type TokenDocument = Static<typeof TokenDocument>

export const NewToken = component(
  'NewToken',
  Type.Object(
    {
      ...fields,
      token: Type.String({ description: 'The secret. It is shown this once and kept nowhere.' }),
    },
    { description: 'A token that was just made, with its secret.' },
  ),
)

export const TokenList = component(
  'TokenList',
  Type.Object({
    items: Type.Array(TokenDocument),
    nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  }),
)

export const TokenRequest = component(
  'TokenRequest',
  Type.Object(
    {
      name: Type.Optional(
        Type.String({
          pattern: NAME_PATTERN,
          maxLength: 63,
          description: 'Unique among tokens; one is made up when it is left out.',
        }),
      ),
      scope: ScopeEnum,
      expiresAt: Type.Optional(
        Type.String({
          format: 'date-time',
          maxLength: 40,
          description: 'In UTC and in the future; without it the token does not expire.',
        }),
      ),
    },
    {
      additionalProperties: false,
      description: 'What a new token shall be.',
      examples: [{ name: 'ci', scope: 'write', expiresAt: '2099-04-01T00:00:00Z' }],
    },
  ),
)
export type TokenRequest = Static<typeof TokenRequest>
