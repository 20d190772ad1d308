/** Node.js has no SCTP sockets, and not every kernel has the protocol: said clearly, never guessed. */
import type { Probe } from './probe.js'

export const probeSctp: Probe<'sctp'> = (_check, run) =>
  run.fail(
    'unsupported',
    'SCTP cannot be checked on this platform: neither Node.js nor this kernel has SCTP sockets. Use tcp, icmp or a command.',
  )
