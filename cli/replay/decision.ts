/** What became of a captured packet, in plain data: what the reports print. */
import type { CounterName } from '../../dataplane/counters.js'
import type { PacketVerdict } from '../../dataplane/ipvs/observer.js'

export type Verdict = PacketVerdict

export interface ServerView {
  name: string
  endpoint: string
  forwarding: string
  /** What the scheduler saw when it had chosen. */
  weight: number
  activeConns: number
  inactConns: number
}

export interface ConnectionView {
  isNew: boolean
  /** Persistence template that it belongs to; null without persistence. */
  template: { isNew: boolean; client: string; expiresInSeconds: number } | null
  protocol: string
  client: string
  virtual: string
  realServer: string
  forwarding: string
  /** Null for a new one. */
  stateBefore: string | null
  /** Null when the packet ended it. */
  stateAfter: string | null
  expiresInSeconds: number
}

export interface Decision {
  direction: 'in' | 'out' | 'none'
  verdict: Verdict
  /** Drop reasons, by counter name. */
  reasons: CounterName[]
  /** Every counter that moved, and by how much. */
  counters: Partial<Record<CounterName, number>>
  mark: number
  service: { name: string; key: string; scheduler: string } | null
  server: ServerView | null
  /** Null without one, and for one-packet scheduling, which leaves none behind. */
  connection: ConnectionView | null
  /** Chosen for this packet, by the scheduler or a template. */
  scheduled: boolean
}

export interface SentPacket {
  /** Null: delivered to this host itself. */
  interfaceName: string | null
  srcMac: string | null
  dstMac: string | null
  /** One readable line. */
  text: string
  octets: number
}

/** Why a packet of the capture was not given to the engine. */
export type SkipReason = 'cut' | 'short' | 'notIp' | 'outgoing'

export interface PacketEvent {
  number: number
  position: number
  timeNs: bigint
  /** Since the first packet. */
  seconds: number
  interfaceName: string
  text: string
  skipped: { reason: SkipReason; detail: string } | null
  decision: Decision | null
  sent: SentPacket[]
}

/** What timers did between two packets. */
export interface TimerEvent {
  timeNs: bigint
  seconds: number
  expired: number
  sent: SentPacket[]
}
