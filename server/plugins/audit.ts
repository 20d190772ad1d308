/** Brings into the journal what no change of the configuration tells: refusals, and what operates. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { addressOf } from '../auth/gate.js'
import { conceal } from '../auth/secret.js'
import type { ProblemCode } from '../errors.js'
import type { Journal } from '../journal/journal.js'
import { Refusals } from '../journal/refusals.js'

declare module 'fastify' {
  interface FastifyReply {
    /** Of the problem that was answered, if one was. */
    problem: ProblemCode | null
  }
}

export function addAudit(app: FastifyInstance, journal: Journal): void {
  const refusals = new Refusals(journal)
  app.decorateReply('problem', null)
  app.addHook('onResponse', (request, reply, done) => {
    if (reply.statusCode >= 400) noteRefusal(refusals, request, reply)
    else noteDeed(journal, request)
    done()
  })
  app.addHook('onClose', (_app, done) => {
    refusals.flush()
    done()
  })
}

function noteRefusal(refusals: Refusals, request: FastifyRequest, reply: FastifyReply): void {
  const { statusCode, problem } = reply
  const isDenial = [401, 403, 429].includes(statusCode)
  // Whoever reads what is not there has changed nothing and was not kept from anything.
  if (!isDenial && !isMutation(request)) return
  const path = request.routeOptions.url ?? conceal(request.url.split('?', 1)[0]!.slice(0, 200))
  refusals.add({
    outcome: isDenial ? 'denied' : statusCode >= 500 ? 'failed' : 'refused',
    code: problem ?? String(statusCode),
    actor: request.actor,
    address: addressOf(request.raw),
    requestId: request.id,
    ...{ method: request.method, path },
  })
}

/** What leaves the configuration alone but changes something all the same. */
function noteDeed(journal: Journal, request: FastifyRequest): void {
  const recorded = journal.tookPart(request.id)
  if (recorded || !isMutation(request) || request.routeOptions.config?.scope !== 'operate') return
  journal.record({
    ...{ type: 'request.done', class: 'change', actor: request.actor, requestId: request.id },
    detail: { method: request.method, path: conceal(request.url.slice(0, 500)) },
  })
}

function isMutation({ method, routeOptions }: FastifyRequest): boolean {
  const scope = routeOptions.config?.scope
  return !['GET', 'HEAD', 'OPTIONS'].includes(method) && scope !== 'read' && scope !== null
}
