/** What the certificate of a target is worth. */
import type { TLSSocket } from 'node:tls'
import type { TlsFields } from '../check-spec.js'
import { printableText } from '../printable.js'
import type { Run } from '../run.js'

const DAY_MS = 86_400_000

/** Ends the run and returns false when it must be verified and is not right; warns of its end. */
export function judgeCertificate(run: Run, tls: TlsFields, socket: TLSSocket): boolean {
  const { subject, valid_to: end } = socket.getPeerCertificate()
  // Dates of certificates are of the wall clock, the only place where it decides anything.
  const days = Math.floor((Date.parse(end) - run.wallClock().getTime()) / DAY_MS)
  const name = printableText(String(subject?.CN ?? 'no common name'), 100)
  run.note('tls', `certificate of ${name}, valid until ${printableText(String(end))}`)
  if (!socket.authorized && tls.verify) {
    const why = String(socket.authorizationError)
    run.fail('tls', refusalOf(name, why))
    return false
  }
  if (tls.warnDays > 0 && days < tls.warnDays)
    run.warnings.push(
      days < 0
        ? `The certificate of ${name} ended ${-days} days ago.`
        : `The certificate of ${name} ends in ${days} days.`,
    )
  return true
}

/** A sentence, from one of OpenSSL's or Node's codes. */
export const refusalOf = (name: string, code: string): string =>
  `The certificate of ${name} is not accepted: ${SENTENCES[code] ?? code}.`

export const isCertificateCode = (code: string): boolean => Object.hasOwn(SENTENCES, code)

const SENTENCES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its chain ends in an unknown certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its issuer is unknown',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its issuer is unknown',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
}
