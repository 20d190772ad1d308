/** What is stored: configuration with its identity. Rows are mapped to these in `repo/` alone. */
import type { FamilyName } from '../../dataplane/protocol.js'
import type { Meta } from '../schemas/common.js'
import type { MarkRuleFields } from '../schemas/mark-rule.js'
import type { ServerConfig } from '../schemas/real-server.js'
import type { SettingsFields } from '../schemas/settings.js'
import type { ServiceFields } from '../schemas/virtual-service.js'

export interface ServerRecord {
  name: string
  meta: Meta
  /** Order in which the dataplane got them, ascending. */
  position: number
  /** When it last began or stopped to take new connections. */
  stateSince: string
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

export interface MarkRuleRecord {
  name: string
  meta: Meta
  config: MarkRuleFields
}
