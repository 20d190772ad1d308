/** Documents as the records that they would be stored as. */
import { readService } from '../../../server/documents/documents.js'
import type { Configuration } from '../../../server/exchange/exported.js'
import type { ServerRecord, ServiceRecord } from '../../../server/repo/records.js'
import { DEFAULT_SETTINGS, type SettingsFields } from '../../../server/schemas/settings.js'

const meta = { uid: '0', revision: 1, createdAt: '', updatedAt: '' }

export interface Documents {
  virtualServices: Record<string, object>
  settings?: { timeouts: Partial<SettingsFields['timeouts']> }
}

/** Throws for a document that the API would refuse. */
export function configurationOf({ virtualServices, settings }: Documents): Configuration {
  const timeouts = { ...DEFAULT_SETTINGS.timeouts, ...settings?.timeouts }
  return {
    services: Object.entries(virtualServices).map(recordOf),
    markRules: [],
    settings: { name: 'settings', meta, config: { ...DEFAULT_SETTINGS, timeouts } },
  }
}

function recordOf([name, document]: [string, object], position: number): ServiceRecord {
  const { draft, faults } = readService(name, document, {})
  if (draft === null) throw new Error(`${name}: ${JSON.stringify(faults)}`)
  const { family, config } = draft
  const servers = [...draft.servers].map(([name, config], position): ServerRecord => ({
    name,
    meta,
    position,
    stateSince: '',
    config,
  }))
  return { name, meta, position, family, config, servers }
}
