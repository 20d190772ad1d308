/** Lets in who may: asks who it is, then whether the scope is enough. Documents both. */
import type { FastifyInstance, FastifySchema } from 'fastify'
import type { Gate } from '../auth/gate.js'
import { isLoopback } from '../auth/gate.js'
import { isOpenOnLoopback, scopeOf } from '../auth/route-scopes.js'
import { ProblemDocument } from '../schemas/common.js'
import { linked } from '../schemas/components.js'
import { permit } from '../auth/permit.js'
import type { Scope } from '../auth/scope.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller must be allowed to do; null: nothing. By default from route-scopes.ts. */
    scope?: Scope | null
  }
}

export function addAccess(app: FastifyInstance, gate: Gate): void {
  app.addHook('onRoute', route => {
    const method = [route.method].flat()[0]!
    const scope = route.config?.scope ?? scopeOf(method, route.url)
    route.config = { ...route.config, scope }
    // HEAD has the schema of GET.
    if (route.schema === undefined || method === 'HEAD') return
    if (scope === null) Object.assign(route.schema, { security: [] })
    else describe(route.schema, scope, isOpenOnLoopback(route.url))
  })
  app.addHook('onRequest', (request, _reply, done) => {
    // A path that does not exist has nothing to hide: /openapi.json lists those that do.
    const scope = request.is404 ? null : request.routeOptions.config.scope
    if (scope === null) return done()
    const { url = '' } = request.routeOptions
    if (isOpenOnLoopback(url) && isLoopback(request.raw)) return done()
    try {
      const actor = gate.identify(request.raw)
      request.actor = actor
      // A route that got past the hook above has no scope: then only the highest will do.
      permit(actor, scope ?? 'admin')
      done()
    } catch (error) {
      done(error as Error)
    }
  })
}

/** What every guarded operation says of itself in OpenAPI. */
function describe(schema: FastifySchema, scope: Scope, openOnLoopback: boolean): void {
  const { description, response } = schema
  const where = openOnLoopback ? ', except from the appliance itself (loopback)' : ''
  const sentence = `Needs the scope \`${scope}\`${where}.`
  const problem = (text: string) => ({
    description: text,
    content: { 'application/problem+json': { schema: linked(ProblemDocument) } },
  })
  Object.assign(schema, {
    description: description === undefined ? sentence : `${description}\n\n${sentence}`,
    response: {
      ...(response as object),
      401: problem('Unauthorized'),
      403: problem('Forbidden'),
      429: problem('Too Many Requests'),
      503: problem('Service Unavailable'),
    },
  })
}
