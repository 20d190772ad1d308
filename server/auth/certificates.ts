/**
 * The files behind TLS. They are looked at again when told to and every few seconds: whoever renews
 * a certificate need not know of us. Files that do not fit together, half-written ones for instance,
 * change nothing; the next look tries again.
 */
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { constants, X509Certificate } from 'node:crypto'
import type { Logger } from 'pino'
import type { AccessConfig } from './access-rules.js'
import { messageOf } from '../errors.js'

export type CertificateFiles = Pick<AccessConfig, 'tlsCert' | 'tlsKey' | 'tlsClientCa'>

export interface CertificatesOptions {
  files: CertificateFiles
  logger: Logger
  /** Gets a context that has been tried; called for every change after the first. */
  onChange: (context: SecureContextOptions, about: string) => void
  /** Why changed files were not taken. */
  onRefused?: (reason: string) => void
}

interface Texts {
  cert: string
  key: string
  ca?: string
}

export class Certificates {
  context: SecureContextOptions
  readonly #options: CertificatesOptions
  #texts: Texts
  /** The state that was complained about last: once is enough. */
  #refused = ''

  /** Throws, in words for a person, when the files cannot be used. */
  constructor(options: CertificatesOptions) {
    this.#options = options
    this.#texts = read(options.files)
    this.context = contextOf(this.#texts)
    warnOfKey(options)
    options.logger.info({ certificate: describe(this.#texts.cert) }, 'TLS')
  }

  /** Reads the files again and says whether they were taken; nothing happens when they are the same. */
  look(): boolean {
    let seen = ''
    try {
      const texts = read(this.#options.files)
      seen = JSON.stringify(texts)
      if (seen === JSON.stringify(this.#texts)) return false
      this.context = contextOf(texts)
      this.#texts = texts
      this.#refused = ''
    } catch (error) {
      const reason = messageOf(error)
      if (this.#refused === reason + seen) return false
      this.#refused = reason + seen
      this.#options.logger.error({ reason }, 'the changed certificates are not taken')
      this.#options.onRefused?.(reason)
      return false
    }
    const about = describe(this.#texts.cert)
    this.#options.logger.info({ certificate: about }, 'certificates reloaded')
    this.#options.onChange(this.context, about)
    return true
  }
}

function read({ tlsCert, tlsKey, tlsClientCa }: CertificateFiles): Texts {
  const text = (option: string, file: string) => {
    try {
      return readFileSync(file, 'utf8')
    } catch (cause) {
      throw new Error(`${option}: ${messageOf(cause)}`, { cause })
    }
  }
  const ca = tlsClientCa === '' ? {} : { ca: text('--tls-client-ca', tlsClientCa) }
  return { cert: text('--tls-cert', tlsCert), key: text('--tls-key', tlsKey), ...ca }
}

/** Tried as a whole, so that a key of another certificate is found here and not by a client. */
function contextOf({ cert, key, ca }: Texts): SecureContextOptions {
  const context: SecureContextOptions = {
    ...{ cert, key, minVersion: 'TLSv1.2' },
    ...(ca === undefined ? {} : { ca }),
    // Without resumption every connection shows its certificate, and the one in force is shown.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
  try {
    createSecureContext(context)
    if (ca !== undefined) new X509Certificate(ca)
    return context
  } catch (cause) {
    const what = ca === undefined ? '--tls-cert and --tls-key' : '--tls-cert, --tls-key or the CA'
    throw new Error(`${what} cannot be used: ${messageOf(cause)}`, { cause })
  }
}

function describe(cert: string): string {
  const { subject, validTo } = new X509Certificate(cert)
  return `${(subject ?? '').replaceAll('\n', ', ') || 'no subject'}, valid until ${validTo}`
}

function warnOfKey({ files, logger }: CertificatesOptions): void {
  if ((statSync(files.tlsKey).mode & 0o007) === 0) return
  logger.warn({ file: files.tlsKey }, 'everybody on this host may read the private key: chmod 600')
}
