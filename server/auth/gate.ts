/** Who is it? Turns a request into an actor, or into the problem that it gets instead. */
import type { IncomingMessage } from 'node:http'
import { isIPv4 } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Actor } from './actor.js'
import { Problem, type ProblemCode } from '../errors.js'
import type { Scope } from './scope.js'
import { readCertificate } from './client-certificate.js'
import { originOf } from './origin.js'
import { Buckets, retryAfter } from '../http/buckets.js'
import { addressBlock } from '../ip-address.js'
import type { TokenRecord, Tokens } from './tokens.js'

export interface GateOptions {
  /** Null: nobody has one. */
  tokens: Tokens | null
  /** Everybody may do everything. */
  open: boolean
  now?: () => number
  /** Monotonic milliseconds. */
  nowMs?: () => number
}

/** Refused tokens from one address: ten, then one in six seconds. A good one has 256 random bits. */
const REFUSED = { burst: 10, periodMs: 6000 }

export class Gate {
  readonly #tokens: Tokens | null
  readonly #open: boolean
  readonly #now: () => number
  readonly #refused: Buckets

  constructor({ tokens, open, now = Date.now, nowMs }: GateOptions) {
    this.#tokens = tokens
    this.#open = open
    this.#now = now
    this.#refused = new Buckets({ ...REFUSED, ...(nowMs === undefined ? {} : { nowMs }) })
  }

  /** Throws (Problem, 401) when nobody can say who it is. */
  identify(request: IncomingMessage): Actor {
    if (originOf(request) === 'admin-socket')
      return { kind: 'admin-socket', name: 'admin-socket', scope: 'admin', address: null }
    const address = addressOf(request)
    const { authorization } = request.headers
    if (this.#open && authorization === undefined) return anyone(address)
    if (authorization !== undefined) return this.#bearer(authorization, address)
    const holder = this.#holder(request)
    if (holder !== null) return { kind: 'certificate', ...holder, address }
    const detail =
      'Send Authorization: Bearer with a token; `sluice token create` on the appliance mints one.'
    throw refusal('UNAUTHENTICATED', detail)
  }

  /** Whether an actor who was let in may stay: its token may have been revoked since. */
  isGood({ kind, name }: Actor): boolean {
    return kind !== 'token' || this.#tokens?.isGood(name) === true
  }

  #bearer(authorization: string, address: string | null): Actor {
    const from = addressBlock(address ?? 'socket')
    const waitMs = this.#refused.waitMs(from)
    try {
      const token = this.#tokenOf(authorization)
      if (waitMs > 0 && !isAtHome(token, address)) throw guessed(waitMs)
      this.#tokens!.touch(token, address)
      return { kind: 'token', name: token.name, scope: token.scope, address }
    } catch (problem) {
      if (waitMs > 0) throw guessed(waitMs)
      this.#refused.note(from)
      throw problem
    }
  }

  #tokenOf(authorization: string): TokenRecord {
    const secret = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
    if (secret === undefined) {
      const detail = 'The Authorization header is not of the form Bearer TOKEN.'
      throw refusal('TOKEN_REFUSED', detail, 'error="invalid_request"')
    }
    const found = this.#tokens?.find(secret) ?? null
    if (found === null)
      throw refusal('TOKEN_REFUSED', 'No such token, or it was revoked.', 'error="invalid_token"')
    const { token, expired } = found
    if (expired) throw refusal('TOKEN_REFUSED', 'The token has expired.', 'error="invalid_token"')
    return token
  }

  #holder({ socket }: IncomingMessage): { name: string; scope: Scope } | null {
    if (!(socket instanceof TLSSocket)) return null
    const reading = readCertificate(socket, this.#now())
    if (reading === null) return null
    if ('holder' in reading) return reading.holder
    throw refusal('CERTIFICATE_REFUSED', `The client certificate is not taken: ${reading.refused}.`)
  }
}

/** Whoever shares an address with somebody who guesses is not shut out with them. */
const isAtHome = ({ lastUsedAt, lastUsedFrom }: TokenRecord, address: string | null): boolean =>
  lastUsedAt !== null && lastUsedFrom === address

const guessed = (waitMs: number) =>
  new Problem('TOKENS_GUESSED', 'Too many tokens from there were refused; this one may be good.', {
    headers: retryAfter(waitMs),
  })

/** Where a request came from, as text; null for a unix socket. */
export function addressOf({ socket }: IncomingMessage): string | null {
  const address = socket.remoteAddress
  if (address === undefined) return null
  // An IPv4 peer of a socket that listens on [::].
  const mapped = /^::ffff:([\d.]+)$/.exec(address)?.[1]
  return mapped !== undefined && isIPv4(mapped) ? mapped : address
}

/** What a proxy on this host adds: then the peer is not who asks. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']

/** Whether a request without credentials comes from a program on this host, over TCP. */
export function isLoopback(request: IncomingMessage): boolean {
  if (request.headers.authorization !== undefined) return false
  if (FORWARDED.some(name => name in request.headers)) return false
  const address = addressOf(request)
  return address !== null && (address === '::1' || address.startsWith('127.'))
}

const anyone = (address: string | null): Actor => ({
  ...{ kind: 'anyone', name: 'anyone', scope: 'admin', address },
})

/** RFC 6750 section 3: what a client should have sent. */
const refusal = (code: ProblemCode, detail: string, error?: string) =>
  new Problem(code, detail, {
    headers: {
      'www-authenticate': `Bearer realm="sluice"${error === undefined ? '' : `, ${error}`}`,
    },
  })
