import type { OpErrorCode } from './protocol.js'

/** A control message that cannot be carried out; the worker answers it with this code. */
export class OpError extends Error {
  readonly code: OpErrorCode
  constructor(code: OpErrorCode, detail: string) {
    super(detail)
    this.code = code
  }
}
