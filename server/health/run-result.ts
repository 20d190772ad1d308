/** What one run of a check came to, and its transcript. Plain data: it crosses threads. */
import type { CheckState } from './check-spec.js'

/** Why a run failed. Stable: metrics and clients match on it. */
export const FAILURE_REASONS = [
  /** The total time of the check was over. */
  'timeout',
  /** A reset in answer to the connection, or port unreachable. */
  'refused',
  /** No route, or an ICMP error of a router or of the target. */
  'unreachable',
  /** The peer ended the connection too early. */
  'closed',
  /** The handshake or the certificate. */
  'tls',
  /** A status, rcode, reply code or exit code that is not among the expected. */
  'status',
  /** The answer does not contain what it must. */
  'mismatch',
  /** The answer is not of the protocol. */
  'protocol',
  /** The answer was longer than is read. */
  'oversize',
  /** External input said so, or a file. */
  'reported',
  /** Nothing was reported in time, or the file is too old. */
  'expired',
  /** The check cannot run here: its message says what is missing. */
  'unsupported',
  /** A fault of the host or of Sluice: no free port, no permission. */
  'internal',
] as const
export type FailureReason = (typeof FAILURE_REASONS)[number]

export interface TranscriptStep {
  /** Since the start of the run, monotonic. */
  atMs: number
  /**
   * `target`, `connect`, `tls`, `send`, `receive`, `execute`, `judge`. There is no resolve step
   * with a duration: targets are addresses, which `target` says.
   */
  step: 'target' | 'route' | 'connect' | 'tls' | 'send' | 'receive' | 'execute' | 'judge'
  /** A sentence without octets of the peer's that are not printable. */
  detail: string
  /** How many octets were sent or received, where it is a matter of octets. */
  octets?: number
  /** The first of them, at most 256, printable; others as `\xNN`. */
  excerpt?: string
}

export interface RunResult {
  outcome: 'success' | 'failure'
  /** Null of a success. */
  reason: FailureReason | null
  /** One sentence: what was found. */
  detail: string
  /** A certificate that ends soon. */
  warnings: string[]
  /** Wall clock, ISO 8601: for people, nothing is computed from it. */
  startedAt: string
  durationMs: number
  transcript: TranscriptStep[]
}

/** The state of one check of one server. */
export interface CheckStatus {
  name: string
  state: CheckState
  /** Wall clock, ISO 8601. */
  since: string
  /** Results in a row that speak against the state. */
  contrary: number
  /** Null before the first run. Without its transcript. */
  last: Omit<RunResult, 'transcript'> | null
  runs: number
  failures: number
}

/** With the transcripts of the last run and of the last failures, oldest first. */
export interface CheckHistory extends Omit<CheckStatus, 'last'> {
  last: RunResult | null
  lastFailures: RunResult[]
}
