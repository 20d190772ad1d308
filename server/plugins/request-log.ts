/** One line a request, when it has been answered. */
import type { FastifyInstance } from 'fastify'
import { addressOf } from '../auth/gate.js'
import { conceal } from '../auth/secret.js'

/** Asked for every few seconds by machines: told at level debug. */
const QUIET = new Set(['/healthz', '/readyz', '/metrics'])

export function addRequestLog(app: FastifyInstance): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { method, url, routeOptions, actor } = request
    const { statusCode, problem, elapsedTime } = reply
    const level = QUIET.has(routeOptions.url ?? '') && statusCode < 400 ? 'debug' : 'info'
    request.log[level](
      {
        ...{ method, path: conceal(url.slice(0, 500)), status: statusCode },
        ...{ tookMs: Math.round(elapsedTime * 100) / 100, address: addressOf(request.raw) },
        ...(actor === null ? {} : { actor: actor.name }),
        ...(problem === null ? {} : { code: problem }),
      },
      'request',
    )
    done()
  })
}
