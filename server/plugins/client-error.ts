/** Bytes that are no HTTP request never reach a route: the answer is written by hand. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Problem, type ProblemCode } from '../errors.js'
import { problemBody } from './problems.js'

const CODES: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  // The peer has gone, or has an answer already.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy(error)
    return
  }
  const code = CODES[error.code ?? ''] ?? 'INVALID_REQUEST'
  const problem = new Problem(code, `The request is not valid HTTP/1.1 (${error.code ?? '?'}).`)
  const body = JSON.stringify(problemBody(problem, '', ''))
  const status = problem.statusCode
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n` +
      `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n` +
      body,
  )
}
