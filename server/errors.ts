/**
 * How errors are thrown and found: whole requests (problem-table.ts) and faults within documents
 * (faults.ts). Rendered as RFC 9457 problem details by plugins/problems.ts.
 */
import type { FaultCode } from './faults.js'
import { problems, type ProblemCode } from './problem-table.js'

export { problems, type ProblemCode }

/** One fault: where it stands (JSON Pointer, RFC 6901, or a parameter's name) and what it is. */
export interface Fault {
  pointer?: string
  parameter?: string
  code: FaultCode
  detail: string
  hint?: string
}

export interface ProblemExtras {
  errors?: readonly Fault[]
  headers?: Readonly<Record<string, string>>
  cause?: unknown
}

/** Thrown anywhere below a route; becomes the answer as it stands. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly statusCode: number
  readonly errors: readonly Fault[]
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail, { cause: extras.cause })
    this.name = 'Problem'
    this.code = code
    this.statusCode = problems[code].status
    this.errors = extras.errors ?? []
    this.headers = extras.headers ?? {}
  }
}

const CONFLICTS: ReadonlySet<FaultCode> = new Set([
  'SERVICE_EXISTS',
  'REAL_SERVER_EXISTS',
  'LIMIT_REACHED',
  'HEALTH_CHECK_IN_USE',
  'BELOW_MINIMUM',
])

/**
 * The problem that a list of faults makes. A code of its own (409, NOT_SUPPORTED_YET) only when
 * nothing else is wrong; otherwise mending the document comes first.
 */
export function problemOf(found: readonly Fault[]): Problem {
  const first = found[0]!
  const same = found.every(fault => fault.code === first.code)
  if (found.every(fault => CONFLICTS.has(fault.code)) || (same && first.code in problems)) {
    return new Problem(first.code as ProblemCode, first.detail, { errors: found })
  }
  const detail = found.length === 1 ? first.detail : `The document has ${found.length} faults.`
  return new Problem('VALIDATION_FAILED', detail, { errors: found })
}

/** One word of a JSON Pointer (RFC 6901 section 3); nearly all stay as they are. */
export const escapePointer = (word: string): string =>
  /[~/]/.test(word) ? word.replaceAll('~', '~0').replaceAll('/', '~1') : word

export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
