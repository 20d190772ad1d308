/** Takes JSON bodies, and says where one is broken. */
import type { FastifyInstance } from 'fastify'
import { Problem } from '../errors.js'
import { faultOf } from '../json-text.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

export function addJsonBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'buffer' },
    (_request, body: Buffer, done) => {
      try {
        done(null, parseBody(body))
      } catch (error) {
        done(error as Error)
      }
    },
  )
}

/** Undefined for an empty body: only the route knows whether it needs one. */
export function parseBody(body: Buffer): unknown {
  if (body.length === 0) return undefined
  const text = decode(body)
  const fault = faultOf(text)
  if (fault === null) return JSON.parse(text)
  const detail = `Line ${fault.line}, column ${fault.column}: ${fault.detail}.`
  if (fault.kind === 'syntax') throw new Problem('MALFORMED_JSON', detail)
  throw new Problem('VALIDATION_FAILED', detail, { errors: [{ code: 'DUPLICATE_FIELD', detail }] })
}

function decode(body: Buffer): string {
  try {
    return utf8.decode(body)
  } catch (cause) {
    throw new Problem('MALFORMED_JSON', 'The body is not UTF-8.', { cause })
  }
}
