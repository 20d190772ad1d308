/** What keeps one client from harming others: a rate for each, refusals under load, browser rules. */
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import underPressure from '@fastify/under-pressure'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { addressOf } from '../auth/gate.js'
import { Problem } from '../errors.js'
import { addressBlock } from '../ip-address.js'

export interface Defences {
  /** Of one token or peer; 0: no limit. */
  requestsPerMinute: number
  /** A later event loop refuses work until it has caught up. */
  eventLoopDelayMs: number
}

const MINUTE_MS = 60_000
/** Peers that are remembered for their rate; the least recent is forgotten first. */
const PEERS_MAX = 10_000

export function addDefences(app: FastifyInstance, defences: Defences): void {
  void app.register(helmet, {
    // For everything but /docs, which brings its own: answers are data and load nothing.
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    // It would bind every other port of this host's name as well.
    hsts: false,
  })
  void app.register(underPressure, {
    maxEventLoopDelay: defences.eventLoopDelayMs,
    pressureHandler: request => {
      // Health has to be told all the more, and the owner must get through.
      if (isExempt(request) || request.actor === null) return
      throw new Problem('OVERLOADED', 'The API is busy; packets are not affected.', {
        headers: { 'retry-after': '2' },
      })
    },
  })
  if (defences.requestsPerMinute === 0) return
  void app.register(rateLimit, {
    max: defences.requestsPerMinute,
    timeWindow: MINUTE_MS,
    cache: PEERS_MAX,
    allowList: isExempt,
    keyGenerator: keyOf,
    addHeaders: {
      ...{ 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
      'retry-after': true,
    },
    addHeadersOnExceeding: {
      ...{ 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
    },
    errorResponseBuilder: (_request, { max, ttl }) =>
      new Problem('RATE_LIMITED', `More than ${max} requests within a minute.`, {
        headers: { 'retry-after': String(Math.ceil(ttl / 1000)) },
      }),
  })
}

/** The owner of the admin socket is not limited. */
const isExempt = ({ actor }: FastifyRequest): boolean => actor?.kind === 'admin-socket'

/** Whose rate counts: the token's, or where the request came from (of IPv6 the /64). */
function keyOf({ actor, raw }: FastifyRequest): string {
  if (actor?.kind === 'token') return `token ${actor.name}`
  return addressBlock(addressOf(raw) ?? 'socket')
}
