/** Who does something: what the journal writes down, and what a route may ask of `request.actor`. */
import type { Scope } from './scope.js'

export const ACTOR_KINDS = ['admin-socket', 'token', 'certificate', 'anyone', 'system'] as const
export type ActorKind = (typeof ACTOR_KINDS)[number]

export interface Actor {
  readonly kind: ActorKind
  /** Of the token or the certificate; the kind itself for the others. */
  readonly name: string
  readonly scope: Scope
  /** Where the request came from, in RFC 5952 form; null for a unix socket and for the system. */
  readonly address: string | null
}

/** Whose request something happens for. */
export interface Cause {
  readonly actor: Actor
  /** Null for what the appliance does by itself. */
  readonly requestId: string | null
}

/** The appliance itself: what it does without being asked. */
export const SYSTEM: Actor = { kind: 'system', name: 'system', scope: 'admin', address: null }

declare module 'fastify' {
  interface FastifyRequest {
    /** Null where nobody has to say who they are. */
    actor: Actor | null
  }
}
