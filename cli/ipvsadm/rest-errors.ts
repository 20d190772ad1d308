/** What the kernel would have said where the API says no. */
import type { ApiAnswer } from './rest-caller.js'
import { KernelError } from './backend.js'

interface Fault {
  pointer?: string
  code: string
}

interface ProblemDocument {
  code: string
  detail: string
  errors: readonly Fault[]
}

/** Problems as a whole; one that is missing here speaks for itself. */
const BY_CODE: Readonly<Record<string, string>> = {
  SERVICE_NOT_FOUND: 'ESRCH',
  REAL_SERVER_NOT_FOUND: 'ENOENT',
  SERVICE_EXISTS: 'EEXIST',
  REAL_SERVER_EXISTS: 'EEXIST',
  PRECONDITION_FAILED: 'EEXIST',
  LIMIT_REACHED: 'ENOMEM',
  VALIDATION_FAILED: 'EINVAL',
}

/** Faults for which the kernel has a code of its own, whatever else is wrong. */
const BY_POINTER: readonly [RegExp, string][] = [
  [/^\/(scheduler|persistence\/engine|persistenceEngine)$/, 'ENOENT'],
]
const BY_FAULT: Readonly<Record<string, string>> = { THRESHOLD_ORDER: 'ERANGE' }

export const isGood = ({ status }: ApiAnswer): boolean => status >= 200 && status <= 299

/** The API's own code for what went wrong; '' for an answer that is no problem document. */
export const problemCode = ({ body }: ApiAnswer): string => (isProblem(body) ? body.code : '')

export const problemDetail = ({ body }: ApiAnswer): string => (isProblem(body) ? body.detail : '')

export function kernelError({ status, body }: ApiAnswer): KernelError {
  if (!isProblem(body)) return new KernelError('HTTP', `the API answered with status ${status}`)
  const { code, detail, errors } = body
  for (const fault of errors) {
    const special =
      BY_FAULT[fault.code] ?? BY_POINTER.find(([at]) => at.test(fault.pointer ?? ''))?.[1]
    if (special !== undefined) return new KernelError(special, detail)
  }
  return new KernelError(BY_CODE[code] ?? code, detail)
}

const isProblem = (body: unknown): body is ProblemDocument =>
  typeof body === 'object' &&
  body !== null &&
  'code' in body &&
  typeof body.code === 'string' &&
  'detail' in body &&
  'errors' in body &&
  Array.isArray(body.errors)
