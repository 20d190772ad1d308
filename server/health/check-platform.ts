/** What health checks can be had here: known at start, asked when a check is written down. */
import type { CheckFields } from '../schemas/health-check-fields.js'

export interface CheckPlatform {
  /** There is a way for probes through services. */
  serviceProbes: boolean
  /** SCTP endpoints can be asked. */
  sctp: boolean
}

export const EVERYTHING: CheckPlatform = { serviceProbes: true, sctp: true }

export interface Unavailable {
  /** The field that wants it. */
  field: 'via' | 'kind'
  detail: string
  hint: string
}

/** Null: it can run. */
export function unavailable(check: CheckFields, platform: CheckPlatform): Unavailable | null {
  if (check.via === 'service' && !platform.serviceProbes) {
    const detail = 'This Sluice was started without a way for probes through services.'
    const hint = 'Start it with --service-probes (SLUICE_SERVICE_PROBES=1), or check directly.'
    return { field: 'via', detail, hint }
  }
  if (check.kind === 'sctp' && !platform.sctp) {
    const detail = 'SCTP cannot be checked on this platform: Node.js has no SCTP sockets.'
    const hint = 'Use icmp, tcp at another port, a command, or external.'
    return { field: 'kind', detail, hint }
  }
  return null
}
