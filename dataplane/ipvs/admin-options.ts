/** What the configuration of virtual services works on. */
import type { Dest } from './dest.js'
import type { Estimator } from './est.js'
import type { Guarded } from './guarded.js'
import type { OwnServers } from './own-servers.js'
import type { Rows } from './rows.js'
import type { Service } from './service.js'
import type { ServiceTable } from './service-table.js'
import type { Settings } from './settings.js'

export interface AdminOptions {
  services: ServiceTable
  guarded: Guarded
  serviceRows: Rows
  destRows: Rows
  serviceEstimator: Estimator
  destEstimator: Estimator
  /** Of row 0, everything together. */
  totalEstimator: Estimator
  /** Row to dest; shared with the connections. */
  dests: (Dest | undefined)[]
  random: (bound: number) => number
  nowMs: () => number
  settings: Settings
  ownServers: OwnServers
  /** Told that a real server was deleted, and whether it is the first in the trash. */
  onUnlink: (first: boolean) => void
  /** Told of a service that is new, was edited, or has one more real server. */
  onService: (service: Service) => void
}
