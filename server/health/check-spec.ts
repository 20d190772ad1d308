/**
 * A health check as the engine runs it: complete (every default is filled in), normalised and plain
 * data, so that it can cross threads and be compared as JSON. Schemas and defaults live where
 * documents are read; here is what they come to.
 */
import type { Way } from '../../dataplane/protocol.js'

/** What a check counts as before its first result; `lastKnown` is what it was when Sluice stopped. */
export type InitialState = 'up' | 'down' | 'lastKnown'
export type CheckState = 'up' | 'down' | 'unknown'

/** What every check has, whatever it does. */
export interface CheckCommon {
  /** From the start of one run to the start of the next. */
  intervalMs: number
  /** For one whole run: connect, handshakes and every octet of the answer. */
  timeoutMs: number
  /** Instead of the interval after a failed run while the check is still up; null is the interval. */
  retryDelayMs: number | null
  /** Up to so much is added to each interval, evenly distributed. */
  jitterMs: number
  /** Successes in a row that make a check that is down up, 1 and more. */
  rise: number
  /** Failures in a row that make a check that is up down, 1 and more. */
  fall: number
  initialState: InitialState
  /** Instead of the address the host's routes choose. */
  sourceAddress: string | null
  /** Instead of the real server's own. An address, never a name. */
  targetAddress: string | null
  targetPort: number | null
  /** `service` sends the probe to the VIP and through the dataplane to the server under test. */
  via: 'direct' | 'service'
}

/** What an answer has to contain. */
export type Match =
  | { kind: 'text'; text: string }
  /** In the syntax of `pattern.ts`: no back references, no look-around. */
  | { kind: 'pattern'; pattern: string }
  /** Octets in hexadecimal, two digits each. */
  | { kind: 'hex'; hex: string }

export interface TlsFields {
  /** SNI and the name that the certificate must be for; null sends none and accepts any name. */
  serverName: string | null
  /** Whether the chain, the dates and the name must be right. */
  verify: boolean
  /** PEM; null is the certificates that Node.js brings. */
  ca: string | null
  /** Fewer days of validity left are a warning; 0 warns never. */
  warnDays: number
}

/** Inclusive. */
export interface StatusRange {
  from: number
  to: number
}

export interface HttpFields {
  method: string
  /** The Host header; null is the target's address with its port. */
  host: string | null
  /** With its query; starts with `/`. */
  path: string
  headers: Record<string, string>
  statuses: StatusRange[]
  /** In the body, of which no more than `bodyOctetsMax` are read. */
  match: Match | null
  bodyOctetsMax: number
}

export interface TcpCheck {
  kind: 'tcp'
}
export interface TlsCheck extends TlsFields {
  kind: 'tls'
}
export interface HttpCheck extends HttpFields {
  kind: 'http'
}
export interface HttpsCheck extends HttpFields, TlsFields {
  kind: 'https'
}
export interface UdpCheck {
  kind: 'udp'
  /** Octets in hexadecimal; empty is an empty datagram. */
  sendHex: string
  /**
   * Null with `replyRequired` takes any datagram; without it silence is a success too, and only
   * port unreachable a failure.
   */
  match: Match | null
  replyRequired: boolean
}
export interface DnsCheck {
  kind: 'dns'
  transport: 'udp' | 'tcp'
  queryName: string
  /** `A`, `AAAA`, `SOA`, … as dns-packet names them. */
  queryType: string
  /** `NOERROR`, `NXDOMAIN`, … */
  expectedRcode: string
  /** Texts that must all be among the answers of the asked type: addresses, names. */
  expectedAnswers: string[]
}
export interface IcmpCheck {
  kind: 'icmp'
  payloadOctets: number
}
export interface SmtpCheck {
  kind: 'smtp'
  /** What follows EHLO (or HELO). */
  hello: string
  verb: 'HELO' | 'EHLO'
}
export interface SctpCheck {
  kind: 'sctp'
}
export interface CommandCheck {
  kind: 'command'
  /** A file's name in the folder of check commands, never a path. */
  program: string
  /** `{address}`, `{port}`, `{service}` and `{server}` stand for the target's. */
  arguments: string[]
}
export interface FileCheck {
  kind: 'file'
  /** A file's name in the folder of check files, never a path. */
  file: string
  /** `exists`: it is there; `contents`: its first word is `up`. */
  expect: 'exists' | 'contents'
  /** Older is a failure; null is any age. */
  ageMaxS: number | null
}
export interface ExternalCheck {
  kind: 'external'
  /** After so much silence the check fails; null keeps what was said last. */
  expiryMs: number | null
}

export type KindFields =
  | TcpCheck
  | TlsCheck
  | HttpCheck
  | HttpsCheck
  | UdpCheck
  | DnsCheck
  | IcmpCheck
  | SmtpCheck
  | SctpCheck
  | CommandCheck
  | FileCheck
  | ExternalCheck
export type CheckKind = KindFields['kind']
export const CHECK_KINDS = [
  ...(['tcp', 'tls', 'http', 'https', 'udp', 'dns'] as const),
  ...(['icmp', 'smtp', 'sctp', 'command', 'file', 'external'] as const),
] satisfies CheckKind[]
export type CheckSpec = CheckCommon & KindFields

/** A check of one server: `name` is unique among that server's. */
export interface NamedCheck {
  name: string
  spec: CheckSpec
  /** For `initialState: 'lastKnown'`; null when nothing is known. */
  lastKnown: 'up' | 'down' | null
}

/** One real server of one virtual service with all of its checks; what the engine is given. */
export interface CheckedServer {
  service: string
  server: string
  /** The real server's own. */
  address: string
  port: number
  protocol: 'tcp' | 'udp' | 'sctp'
  /** How the service reaches it. */
  way: Pick<Way, 'forwarding' | 'tunnel'>
  /** Where `via: 'service'` sends probes; null for services by firewall mark, which have no address. */
  vip: { address: string; port: number } | null
  /** So many of the checks have to be up, 1 to all. */
  required: number
  checks: NamedCheck[]
}
