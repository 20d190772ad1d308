/** Renders every error as RFC 9457 problem details; nothing leaves as anything else. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { conceal } from '../auth/secret.js'
import { messageOf, Problem, problems, type ProblemCode } from '../errors.js'

/** Fastify's own errors that are the client's, in our words. */
const KNOWN: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'INVALID_REQUEST',
  FST_ERR_BAD_URL: 'INVALID_REQUEST',
  FST_ERR_MAX_PARAM_LENGTH: 'URI_TOO_LONG',
  FST_ERR_NOT_FOUND: 'NOT_FOUND',
}

export function problemBody(problem: Problem, instance: string, requestId: string) {
  const { status, title } = problems[problem.code]
  return {
    type: `/problems/${problem.code}`,
    title,
    status,
    detail: problem.message,
    instance,
    code: problem.code,
    requestId,
    errors: problem.errors,
  }
}

export function addProblems(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError | Error, request, reply) =>
    sendProblem(toProblem(error, request.routeOptions.bodyLimit), request, reply),
  )
}

/** `limitOctets` is what the route takes as a body. */
export function toProblem(error: unknown, limitOctets?: number): Problem {
  if (error instanceof Problem) return error
  const { code, statusCode } = error as { code?: string; statusCode?: number }
  const known = code === undefined ? undefined : KNOWN[code]
  if (known !== undefined)
    return new Problem(known, detailOf(known, error, limitOctets), { cause: error })
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem('INVALID_REQUEST', messageOf(error), { cause: error })
  }
  const detail = 'Something unexpected happened; the log has it under the request id.'
  return new Problem('INTERNAL_ERROR', detail, { cause: error })
}

export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply) {
  if (problem.statusCode >= 500) {
    request.log.error({ err: problem.cause ?? problem, code: problem.code }, problem.message)
  }
  reply.problem = problem.code
  // Serialized by hand: whatever a route declares for its answers, a problem is a problem.
  return reply
    .code(problem.statusCode)
    .headers({ ...problem.headers, 'x-request-id': request.id })
    .header('content-type', 'application/problem+json')
    .serializer((body: unknown) => conceal(JSON.stringify(body)))
    .send(problemBody(problem, request.url, request.id))
}

function detailOf(code: ProblemCode, error: unknown, limitOctets: number | undefined): string {
  if (code === 'BODY_TOO_LARGE' && limitOctets !== undefined)
    return `The body is larger than the ${limitOctets} octets that this resource takes.`
  if (code === 'UNSUPPORTED_MEDIA_TYPE') {
    return 'Send application/json or application/yaml; PATCH also takes application/merge-patch+json.'
  }
  return messageOf(error)
}
