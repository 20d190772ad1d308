/** Whom the command line trusts over TLS, and who it is: options named as curl's, or the environment. */
import { readFileSync } from 'node:fs'

export interface CertificateFlags {
  cacert?: string
  cert?: string
  key?: string
}

/** PEM; nothing: the well-known CAs (and those of NODE_EXTRA_CA_CERTS), no client certificate. */
export interface ClientTls {
  ca?: Buffer
  cert?: Buffer
  key?: Buffer
}

/** Throws in words for a person. */
export function clientTls(flags: CertificateFlags, env: NodeJS.ProcessEnv): ClientTls {
  const ca = read('--cacert', flags.cacert ?? env.SLUICE_CACERT)
  const cert = read('--cert', flags.cert ?? env.SLUICE_CERT)
  const key = read('--key', flags.key ?? env.SLUICE_KEY)
  if (cert === undefined && key !== undefined) throw new Error('--key is of no use without --cert')
  return {
    ...(ca === undefined ? {} : { ca }),
    // One file may hold both.
    ...(cert === undefined ? {} : { cert, key: key ?? cert }),
  }
}

function read(option: string, file: string | undefined): Buffer | undefined {
  if (!file) return undefined
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Error(`${option}: ${(error as Error).message}`, { cause: error })
  }
}
