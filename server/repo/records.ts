/** What is stored: configuration with its identity. Rows are mapped to these in `repo/` alone. */
import type { FamilyName } from '../../dataplane/protocol.js'
import type { Meta } from '../schemas/common.js'
import type { HealthCheckFields } from '../schemas/health-check.js'
import type { MarkRuleFields } from '../schemas/mark-rule.js'
import type { ServerConfig } from '../schemas/real-server.js'
import type { SettingsFields } from '../schemas/settings.js'
import type { ServiceFields } from '../schemas/virtual-service.js'

/** A drain (server/control/drain-control.ts): what was asked for, and what became of it. */
export interface DrainRecord {
  deadlineSeconds: number
  onDeadline: 'keep' | 'reset'
  /** ISO 8601, as all moments here. */
  startedAt: string
  /** When it was last asked for: its deadline counts from there. */
  requestedAt: string
  deadlineAt: string
  connectionsAtStart: number
  /** When its deadline had been seen to; null before. */
  endedAt: string | null
  /** Connections that were ended then; null when none were to be. */
  connectionsReset: number | null
  /** Open connections when it ended, before any were ended; absent before. */
  connectionsLeft?: number | null
  /** Of the operation that it is; drains of older versions have none. */
  operationId?: string
  /** Name of the maintenance that began it and will end it; absent: an operator did. */
  maintenance?: string
}

export interface ServerRecord {
  name: string
  meta: Meta
  /** Order in which the dataplane got them, ascending. */
  position: number
  /** When it last began or stopped to take new connections. */
  stateSince: string
  /** Not configuration: a change of it makes no revision. */
  drain?: DrainRecord
  config: ServerConfig
}

export interface ServiceRecord {
  name: string
  meta: Meta
  /** Order in which the dataplane got them, ascending. */
  position: number
  family: FamilyName
  config: ServiceFields
  /** In order of position. */
  servers: ServerRecord[]
}

export interface SettingsRecord {
  /** For messages; there is one. */
  name: 'settings'
  meta: Meta
  config: SettingsFields
}

export interface HealthCheckRecord {
  name: string
  meta: Meta
  config: HealthCheckFields
}

export interface MarkRuleRecord {
  name: string
  meta: Meta
  config: MarkRuleFields
}
