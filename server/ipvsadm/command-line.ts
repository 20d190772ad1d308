import type {
  DaemonRole,
  DaemonSpec,
  DestKey,
  DestSpec,
  ServiceKey,
  ServiceSpec,
  Timeouts,
} from './model.js'

/** How a listing is printed. */
export interface Format {
  numeric: boolean
  stats: boolean
  rate: boolean
  thresholds: boolean
  persistentConn: boolean
  tunnelInfo: boolean
  nosort: boolean
  exact: boolean
}

/** A command line that has passed every check; the kernel may still refuse it. */
export type CommandLine =
  | { command: 'add' | 'edit'; service: ServiceSpec }
  | { command: 'delete'; key: ServiceKey }
  | { command: 'flush' | 'restore' | 'help' | 'version' }
  | { command: 'zero'; key: ServiceKey | null }
  | { command: 'addServer' | 'editServer'; key: ServiceKey; dest: DestSpec }
  | { command: 'deleteServer'; key: ServiceKey; dest: DestKey }
  | { command: 'list'; what: Listed; key: ServiceKey | null; format: Format }
  | { command: 'save'; format: Format }
  | { command: 'timeouts'; timeouts: Timeouts }
  | { command: 'startDaemon'; daemon: DaemonSpec }
  | { command: 'stopDaemon'; role: DaemonRole; syncId: number }

export type Listed = 'services' | 'connections' | 'timeouts' | 'daemons'

export const PLAIN: Format = {
  numeric: false,
  stats: false,
  rate: false,
  thresholds: false,
  persistentConn: false,
  tunnelInfo: false,
  nosort: false,
  exact: false,
}
