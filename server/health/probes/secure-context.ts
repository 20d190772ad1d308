/** OpenSSL contexts by their CA. Making one reads every root certificate, so they are kept. */
import { createSecureContext, type SecureContext } from 'node:tls'

const CONTEXTS_MAX = 100
const contexts = new Map<string | null, SecureContext>()

/** Throws on a text that is no certificate. Old protocols are left out, as Node.js does. */
export function secureContextOf(ca: string | null): SecureContext {
  const known = contexts.get(ca)
  if (known !== undefined) return known
  if (contexts.size >= CONTEXTS_MAX) contexts.clear()
  const context = createSecureContext(ca === null ? {} : { ca })
  contexts.set(ca, context)
  return context
}
