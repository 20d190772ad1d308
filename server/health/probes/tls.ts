/** A TLS handshake, and what the certificate is worth. */
import type { Probe } from './probe.js'
import { openStream } from './stream.js'

export const probeTls: Probe<'tls'> = (check, run) =>
  openStream(run, check, () => run.succeed('The TLS handshake is done.'))
