/** What the main thread and the thread that runs checks say to each other. Types only. */
import type { Way } from '../../dataplane/protocol.js'
import type { CheckChange, NamedResult } from './check-runner.js'
import type { CheckedServer } from './check-spec.js'
import type { PingFailure, PingOrder } from './pinger.js'
import type { ProbeAddresses } from './probe-network.js'
import type { Report } from './probes/external.js'
import type { SctpOrder } from './sctp-asker.js'
import type { CheckHistory, CheckStatus, FailureReason } from './run-result.js'

export interface HealthWorkerData {
  commandFolder: string | null
  fileFolder: string | null
  /** Of `Latencies`. */
  latencies: SharedArrayBuffer
  /** Of runs under way. */
  slots: number
  /** The namespace through which services are probed; null is the host's own network. */
  network: ProbePlace | null
}

export interface ProbePlace {
  /** Of the namespace. */
  path: string
  addresses: ProbeAddresses
}

/** Questions that are answered. */
export interface Questions {
  runNow: { arguments: [service: string, server: string, check?: string]; answer: NamedResult[] }
  history: { arguments: [service: string, server: string]; answer: CheckHistory[] }
  statuses: { arguments: [service: string, server: string]; answer: CheckStatus[] }
}

/** What the dataplane has to know of a probe through a service. */
export interface PathOrder {
  service: string
  server: string
  protocol: CheckedServer['protocol']
  address: string
  port: number
  forServer: Way
  source: { address: string; port: number }
}

export type PathFailure = { reason: FailureReason; detail: string } | null

export type ToWorker =
  | { op: 'set'; server: CheckedServer }
  | { op: 'delete'; service: string; server: string }
  | { op: 'report'; service: string; server: string; check: string; report: Report }
  | QuestionMessage
  | { op: 'pinged'; id: number; failure: PingFailure }
  | { op: 'opened'; id: number; failure: PathFailure }

export type QuestionMessage = {
  [Q in keyof Questions]: {
    op: 'ask'
    id: number
    question: Q
    arguments: Questions[Q]['arguments']
  }
}[keyof Questions]

export type FromWorker =
  | { event: 'changed'; change: CheckChange }
  /** It still turns. */
  | { event: 'beat' }
  /** Null: there is no such server or check. */
  | { event: 'answer'; id: number; answer: Questions[keyof Questions]['answer'] | null }
  | { event: 'ping'; id: number; order: PingOrder }
  /** Answered and stopped as a ping. */
  | { event: 'askSctp'; id: number; order: SctpOrder }
  | { event: 'stopPing'; id: number }
  | { event: 'open'; id: number; order: PathOrder }
  | { event: 'close'; id: number }
