/**
 * Client certificates. The rule that turns a subject into an actor: exactly one organisational unit
 * of the form `sluice-SCOPE` says what its holder may do, the common name says who it is. Other units
 * mean nothing here, so a certificate that was made for other purposes opens nothing.
 */
import type { TLSSocket } from 'node:tls'
import { SCOPES, type Scope } from './scope.js'

export interface Holder {
  name: string
  scope: Scope
}

/** `refused` says why the certificate counts for nothing, in words for its holder. */
export type Reading = { holder: Holder } | { refused: string } | null

const readings = new WeakMap<TLSSocket, { reading: Reading; validToMs: number }>()

/** What the peer of a connection has shown; null for no certificate. Read once a connection. */
export function readCertificate(socket: TLSSocket, nowMs: number): Reading {
  let read = readings.get(socket)
  if (read === undefined) {
    read = readPeer(socket)
    readings.set(socket, read)
  }
  // A connection can outlive its certificate.
  if (nowMs > read.validToMs) return { refused: 'CERT_HAS_EXPIRED' }
  return read.reading
}

function readPeer(socket: TLSSocket): { reading: Reading; validToMs: number } {
  // Null without a certificate, whatever the types say.
  const certificate = socket.getPeerCertificate() as {
    subject?: Record<string, string | string[]>
    valid_to?: string
  } | null
  const subject = certificate?.subject
  if (subject === undefined) return { reading: null, validToMs: Infinity }
  const validToMs = Date.parse(certificate?.valid_to ?? '')
  if (!socket.authorized)
    return { reading: { refused: String(socket.authorizationError) }, validToMs: Infinity }
  return { reading: readSubject(subject), validToMs }
}

/** The rule itself. */
export function readSubject(subject: Record<string, string | string[]>): Reading {
  const name = [subject.CN ?? []].flat()[0]
  if (name === undefined || !/^[\x20-\x7e]{1,64}$/.test(name))
    return { refused: 'its subject has no common name of 1 to 64 printable characters' }
  const scopes = SCOPES.filter(scope => [subject.OU ?? []].flat().includes(`sluice-${scope}`))
  const [scope, second] = scopes
  if (scope === undefined)
    return {
      refused: "its subject has no organisational unit 'sluice-SCOPE', as in OU=sluice-read",
    }
  if (second !== undefined) return { refused: 'its subject has more than one sluice-SCOPE' }
  return { holder: { name, scope } }
}
