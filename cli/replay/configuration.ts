/** What a replay runs with, whichever file it was read from. */
import type { MarkRule } from '../../dataplane/ipvs/mark-rules.js'
import type { DestConfig, ServiceConfig, SettingsConfig } from '../../dataplane/protocol.js'
import type { NetworkPlan } from './network-plan.js'

export interface NamedServer {
  /** As in the configuration; the endpoint itself where it has no names. */
  name: string
  config: DestConfig
}

export interface NamedService {
  name: string
  config: ServiceConfig
  /** Whether its address is put on the host by Sluice. */
  manageAddress: boolean
  /** Where its address lives, when that was said. */
  interfaceName: string | null
  /** In the order in which the dataplane gets them. */
  servers: NamedServer[]
}

export interface ReplayConfiguration {
  services: NamedService[]
  markRules: MarkRule[]
  /** What differs from the defaults. */
  settings: Partial<Omit<SettingsConfig, 'timeouts'>>
  /** Seconds; 0 keeps the default. */
  timeouts: { tcpS: number; tcpFinS: number; udpS: number }
  /** Null: made up from the capture. */
  network: NetworkPlan | null
}

/** Everything that is wrong with a configuration, a line each. */
export class ConfigurationError extends Error {
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}
