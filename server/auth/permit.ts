/** Whether somebody who was let in may do what they ask for. */
import type { Actor } from './actor.js'
import { Problem } from '../errors.js'
import { includes, type Scope } from './scope.js'

/** Throws (Problem, 403) unless the scope is enough. */
export function permit(actor: Actor, scope: Scope): void {
  if (includes(actor.scope, scope)) return
  const detail = `This needs the scope '${scope}'; '${actor.name}' has '${actor.scope}'.`
  throw new Problem('INSUFFICIENT_SCOPE', detail, {
    headers: {
      'www-authenticate': `Bearer realm="sluice", error="insufficient_scope", scope="${scope}"`,
    },
  })
}
