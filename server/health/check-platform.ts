/** What health checks can be had here: known at start, asked when a check is written down. */
import type { CheckFields } from '../schemas/health-check-fields.js'

export interface CheckPlatform {
  /** There is a way for probes through services. */
  serviceProbes: boolean
  /** There are folders of check commands and of check files. */
  commands: boolean
  files: boolean
}

export const EVERYTHING: CheckPlatform = { serviceProbes: true, commands: true, files: true }

export interface Unavailable {
  /** The field that wants it. */
  field: 'via' | 'kind'
  detail: string
  hint: string
}

/** Null: it can run. */
export function unavailable(check: CheckFields, platform: CheckPlatform): Unavailable | null {
  if (check.via === 'service' && !platform.serviceProbes) {
    const detail = 'This Sluice was started without a way for probes through services.'
    const hint = 'Start it with --service-probes (SLUICE_SERVICE_PROBES=1), or check directly.'
    return { field: 'via', detail, hint }
  }
  if (check.kind === 'command' && !platform.commands) {
    const detail = 'This Sluice was started without a folder of check commands.'
    const hint = 'Start it with --check-commands FOLDER (SLUICE_CHECK_COMMANDS).'
    return { field: 'kind', detail, hint }
  }
  if (check.kind === 'file' && !platform.files) {
    const detail = 'This Sluice was started without a folder of check files.'
    const hint = 'Start it with --check-files FOLDER (SLUICE_CHECK_FILES).'
    return { field: 'kind', detail, hint }
  }
  return null
}
