import type { PacketEvent, TimerEvent } from './decision.js'
import type { Summary } from './summary.js'

/** How a replay is written down. */
export interface Report {
  packet(event: PacketEvent): void
  timers(event: TimerEvent): void
  /** Anything that should be known about the capture. */
  warning(text: string): void
  summary(summary: Summary): void
}

export type Print = (line: string) => void
