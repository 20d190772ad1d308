/** A TCP connection that comes about is a success; nothing is sent on it. */
import type { Probe } from './probe.js'
import { openStream } from './stream.js'

export const probeTcp: Probe<'tcp'> = (_check, run) =>
  openStream(run, null, () => run.succeed('Connected.'))
