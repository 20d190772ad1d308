/** An answer that is a problem document, and how people and scripts learn of it. */
import type { Problem } from '../../openapi/client/schema.js'

/** Exit statuses of the commands that talk to the API. */
export const Exit = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  denied: 5,
  unreachable: 6,
  invalid: 7,
  different: 8,
} as const

export const CLIENT_EXIT_HELP = `Exit status:
  0  done
  1  failed: the appliance could not do it, or something went wrong here
  2  an option or an argument is wrong
  3  what was named does not exist
  4  conflict: it exists already, or somebody changed it meanwhile
  5  refused: no token, a wrong one, or one that may not do this
  6  unreachable: nobody answers there
  7  invalid: the appliance does not take the document or the parameters
  8  there are differences (sluice diff)`

const BY_STATUS: Readonly<Record<number, number>> = {
  ...{ 400: Exit.invalid, 413: Exit.invalid, 415: Exit.invalid, 422: Exit.invalid },
  ...{ 401: Exit.denied, 403: Exit.denied, 429: Exit.denied },
  ...{ 404: Exit.notFound, 410: Exit.notFound, 409: Exit.conflict, 412: Exit.conflict },
}

export class Refused extends Error {
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.title)
    this.problem = problem
  }

  get exit(): number {
    return BY_STATUS[this.problem.status] ?? Exit.failed
  }

  /** Title and detail, then every fault: where, what, and what to do. */
  get text(): string {
    const { title, detail, code, errors, requestId } = this.problem
    const lines = [`${title} (${code})`]
    if (errors.length !== 1 || errors[0]!.detail !== detail) lines.push(`  ${detail}`)
    for (const fault of errors) {
      const where = fault.pointer ?? fault.parameter ?? ''
      lines.push(`  ${where === '' ? '' : `${where}: `}${fault.detail}`)
      if (fault.hint !== undefined) lines.push(`      ${fault.hint}`)
    }
    if (this.problem.status >= 500 && requestId !== '') lines.push(`  request ${requestId}`)
    return lines.join('\n')
  }
}

export const isProblem = (body: unknown): body is Problem =>
  typeof body === 'object' &&
  body !== null &&
  'code' in body &&
  typeof body.code === 'string' &&
  'title' in body &&
  'errors' in body &&
  Array.isArray(body.errors)
