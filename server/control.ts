/** The control plane: every rule between an API call and the database, the host and the dataplane. */
import type { Logger } from 'pino'
import type { Database } from './db.js'
import type { Dataplane } from './dataplane-client.js'
import type { ConnectionSource } from './connections.js'
import type { HostControl } from './host-state.js'

export type { Announcement, HostControl, HostDest, HostService, HostState } from './host-state.js'

export interface ControlOptions {
  database: Database
  dataplane: Dataplane
  host: HostControl
  connections: ConnectionSource
  logger: Logger
  /** Wall clock, for meta and reasons. */
  now?: () => Date
}

export interface Control {
  /**
   * Brings host and dataplane to what the database says and resolves once both have it, or rejects
   * (Problem) when the dataplane has not come up within `deadlineMs` (default 30 s).
   */
  start(deadlineMs?: number): Promise<void>
  /** Lets writes in flight finish, then stops the dataplane. The host is the caller's to clear. */
  stop(): Promise<void>
}

export declare function createControl(options: ControlOptions): Control
