/** From checks as they are stored to checks as the engine runs them. */
import type { CheckCommon, CheckSpec, KindFields, Match, StatusRange } from './check-spec.js'
import { FIELDS_OF, type CheckFields, type MatchFields } from '../schemas/health-check-fields.js'

/** What a real server has its checks do differently. */
export interface Override {
  targetAddress?: string
  targetPort?: number
  host?: string
}

/** Both ends inclusive; null when it is none. */
export function statusRange(text: string): StatusRange | null {
  if (!/^\d{3}(-\d{3})?$/.test(text)) return null
  const [from = 0, to = from] = text.split('-').map(Number)
  return from >= 100 && to <= 599 && from <= to ? { from, to } : null
}

export function specOf(stored: CheckFields, override: Override = {}): CheckSpec {
  const check = applied(stored, override)
  return { ...commonOf(check), ...kindOf(check) }
}

/** An override says nothing to a check that has no such field, or that goes through the service. */
function applied(check: CheckFields, override: Override): CheckFields {
  const entries = Object.entries(override).filter(([name]) => {
    const elsewhere = name !== 'host' && check.via === 'service'
    return Object.hasOwn(FIELDS_OF[check.kind], name) && !elsewhere
  })
  return { ...check, ...Object.fromEntries(entries) }
}

function commonOf(check: CheckFields): CheckCommon {
  return {
    // A report is looked at when it comes; this is how soon one that expires is found.
    intervalMs: check.intervalMilliseconds ?? 1000,
    timeoutMs: check.timeoutMilliseconds ?? 2000,
    retryDelayMs: check.retryDelayMilliseconds ?? null,
    jitterMs: check.jitterMilliseconds ?? 0,
    // What is reported from outside has been thought over there.
    rise: check.rise ?? 1,
    fall: check.fall ?? 1,
    initialState: check.initialState,
    sourceAddress: check.sourceAddress ?? null,
    targetAddress: check.targetAddress ?? null,
    targetPort: check.targetPort ?? null,
    via: check.via ?? 'direct',
  }
}

/** Fields that its kind has are there: that is how checks are stored. */
function kindOf(check: CheckFields): KindFields {
  const { kind } = check
  switch (kind) {
    case 'tcp':
    case 'sctp':
      return { kind }
    case 'tls':
      return { kind, ...tlsOf(check) }
    case 'http':
      return { kind, ...httpOf(check) }
    case 'https':
      return { kind, ...httpOf(check), ...tlsOf(check) }
    case 'udp': {
      const { send = {}, replyRequired = true } = check
      const sendHex = send.hex ?? Buffer.from(send.text ?? '').toString('hex')
      return { kind, sendHex, match: matchOf(check.match), replyRequired }
    }
    case 'dns': {
      const { transport = 'udp', queryName = '.', queryType = 'SOA' } = check
      const { expectedRcode = 'NOERROR', expectedAnswers = [] } = check
      return { kind, transport, queryName, queryType, expectedRcode, expectedAnswers }
    }
    case 'icmp':
      return { kind, payloadOctets: check.payloadBytes ?? 56 }
    case 'smtp':
      return { kind, hello: check.hello ?? 'localhost', verb: check.verb ?? 'EHLO' }
    case 'command':
      return { kind, program: check.program!, arguments: check.arguments ?? [] }
    case 'file': {
      const { expect = 'exists', maxAgeSeconds: ageMaxS = null } = check
      return { kind, file: check.file!, expect, ageMaxS }
    }
    case 'external': {
      const { expirySeconds } = check
      return { kind, expiryMs: expirySeconds === undefined ? null : expirySeconds * 1000 }
    }
  }
}

const tlsOf = ({ serverName, verify, ca, certificateWarningDays }: CheckFields) => ({
  serverName: serverName ?? null,
  verify: verify ?? false,
  ca: ca ?? null,
  warnDays: certificateWarningDays ?? 0,
})

const httpOf = (check: CheckFields) => ({
  method: check.method ?? 'GET',
  host: check.host ?? null,
  path: check.path ?? '/',
  headers: check.headers ?? {},
  statuses: (check.statuses ?? []).map(text => statusRange(text)!),
  match: matchOf(check.match),
  bodyOctetsMax: check.maxBodyBytes ?? 65_536,
})

function matchOf(match: MatchFields | undefined): Match | null {
  if (match?.text !== undefined) return { kind: 'text', text: match.text }
  if (match?.pattern !== undefined) return { kind: 'pattern', pattern: match.pattern }
  return match?.hex === undefined ? null : { kind: 'hex', hex: match.hex }
}
