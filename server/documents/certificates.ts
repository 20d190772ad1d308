/** Certificates that a document says are to be trusted. */
import { X509Certificate } from 'node:crypto'

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Why the text, PEM, cannot be that, or null. OpenSSL passes over what it does not understand. */
export function faultOfCertificates(text: string): string | null {
  if (text.includes('PRIVATE KEY-----')) return 'There is a private key in it.'
  const blocks = text.match(BLOCK) ?? []
  if (blocks.length === 0)
    return 'There is no certificate in it; it is PEM, -----BEGIN CERTIFICATE-----.'
  const wrong = blocks.findIndex(block => !isCertificate(block))
  return wrong === -1 ? null : `Number ${wrong + 1} of the certificates cannot be read.`
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).subject !== null
  } catch {
    return false
  }
}
