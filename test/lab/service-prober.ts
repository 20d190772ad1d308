/** What programs/service-prober.ts is told. */
import type { DestConfig, ServiceConfig } from '../../dataplane/protocol.js'
import type { CheckedServer } from '../../server/health/check-spec.js'

export interface ProberOrder {
  /** Of the probe network. */
  namespace: string
  interfaces: string[]
  service: ServiceConfig
  dests: DestConfig[]
  servers: CheckedServer[]
}
