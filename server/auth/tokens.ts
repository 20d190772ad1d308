/** Bearer tokens: minted, looked up on every request, revoked. All of them are held in memory. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Cause } from './actor.js'
import type { Database } from '../db.js'
import { Problem } from '../errors.js'
import { checkTag, tagOver, type Conditions } from '../http/conditions.js'
import { TokenRepo, type TokenRecord } from '../repo/tokens.js'
import type { Scope } from './scope.js'
import { hashOf, newSecret } from './secret.js'

export type { TokenRecord }

export const TOKENS_MAX = 1000
/** How exact `lastUsedAt` is: a use within this time of the one written down is not written. */
const TOUCH_MS = 60_000

export interface TokenDraft {
  name: string | null
  scope: Scope
  /** RFC 3339, UTC; null: never. */
  expiresAt: string | null
}

/** What a secret turned out to be. */
export type Lookup = { token: TokenRecord; expired: boolean } | null

export interface TokensOptions {
  database: Database
  now?: () => Date
  /** Runs inside the transaction that stores or deletes. */
  onChange?: (before: TokenRecord | null, after: TokenRecord | null, by: Cause) => void
}

export class Tokens {
  readonly #repo: TokenRepo
  readonly #database: Database
  readonly #now: () => Date
  readonly #onChange: NonNullable<TokensOptions['onChange']>
  readonly #byName = new Map<string, TokenRecord>()
  readonly #byHash = new Map<string, TokenRecord>()
  /** Used since they were last written. */
  readonly #touched = new Set<TokenRecord>()

  constructor({ database, now = () => new Date(), onChange = () => {} }: TokensOptions) {
    this.#repo = new TokenRepo(database)
    this.#database = database
    this.#now = now
    this.#onChange = onChange
    for (const token of this.#repo.all()) this.#remember(token)
  }

  /** By name. */
  list(): TokenRecord[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get(name: string): TokenRecord {
    const token = this.#byName.get(name)
    if (token === undefined) throw new Problem('TOKEN_NOT_FOUND', `There is no token '${name}'.`)
    return token
  }

  /** The secret is returned once and kept nowhere. */
  create(draft: TokenDraft, by: Cause): { token: TokenRecord; secret: string } {
    const name = draft.name ?? `token-${randomBytes(4).toString('hex')}`
    if (this.#byName.has(name))
      throw new Problem('TOKEN_EXISTS', `There is a token '${name}' already; revoke it first.`)
    if (this.#byName.size >= TOKENS_MAX)
      throw new Problem('LIMIT_REACHED', `There can be at most ${TOKENS_MAX} tokens.`)
    const secret = newSecret()
    const token: TokenRecord = {
      ...{ name, hash: hashOf(secret), scope: draft.scope },
      ...{
        createdAt: this.#now().toISOString(),
        createdBy: by.actor.name,
        expiresAt: draft.expiresAt,
      },
      ...{ lastUsedAt: null, lastUsedFrom: null },
    }
    this.#store(() => {
      this.#repo.insert(token)
      this.#onChange(null, token, by)
    })
    this.#remember(token)
    return { token, secret }
  }

  /** Revoked at once: the next request with it is refused. */
  revoke(name: string, by: Cause, conditions: Conditions = {}): void {
    const token = this.get(name)
    checkTag(
      conditions,
      tokenTag(token),
      () => `'${name}' was made at ${token.createdAt} by ${token.createdBy}`,
    )
    this.#store(() => {
      this.#repo.delete(name)
      this.#onChange(token, null, by)
    })
    this.#byName.delete(name)
    this.#byHash.delete(keyOf(token.hash))
    this.#touched.delete(token)
  }

  /** Whose secret this is; null when nobody's. */
  find(secret: string): Lookup {
    const hash = hashOf(secret)
    const token = this.#byHash.get(keyOf(hash))
    if (token === undefined || !timingSafeEqual(token.hash, hash)) return null
    return { token, expired: this.#isExpired(token) }
  }

  /** Whether a token that was good is so still: streams outlive the request that opened them. */
  isGood(name: string): boolean {
    const token = this.#byName.get(name)
    return token !== undefined && !this.#isExpired(token)
  }

  /** Notes a use; it is written by the next `flush`. */
  touch(token: TokenRecord, address: string | null): void {
    const now = this.#now()
    const last = token.lastUsedAt === null ? 0 : Date.parse(token.lastUsedAt)
    if (now.getTime() - last < TOUCH_MS && token.lastUsedFrom === address) return
    token.lastUsedAt = now.toISOString()
    token.lastUsedFrom = address
    this.#touched.add(token)
  }

  /** Writes down what was used since the last time. */
  flush(): void {
    if (this.#touched.size === 0) return
    const touched = [...this.#touched]
    this.#touched.clear()
    this.#database.transaction(() => touched.forEach(token => this.#repo.touch(token))).immediate()
  }

  #isExpired({ expiresAt }: TokenRecord): boolean {
    return expiresAt !== null && Date.parse(expiresAt) <= this.#now().getTime()
  }

  #store(work: () => void): void {
    try {
      this.#database.transaction(work).immediate()
    } catch (cause) {
      if (cause instanceof Problem) throw cause
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Problem('STORAGE_FAILED', `Nothing was changed: ${reason}.`, { cause })
    }
  }

  #remember(token: TokenRecord): void {
    this.#byName.set(token.name, token)
    this.#byHash.set(keyOf(token.hash), token)
  }
}

/** Over what it was made to be, never over its uses. */
export const tokenTag = ({ name, scope, createdAt, createdBy, expiresAt }: TokenRecord): string =>
  tagOver([name, scope, createdAt, createdBy, expiresAt])

const keyOf = (hash: Buffer): string => hash.toString('latin1')
