/** The checks that each real server comes to: its service's or its own, with what it overrides. */
import type { Configuration } from '../change/draft.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import { tunnelConfig } from '../change/plan.js'
import type { CheckFields } from '../schemas/health-check-fields.js'
import type { CheckedServer, CheckSpec, NamedCheck } from './check-spec.js'
import { specOf } from './check-specs.js'
import { isAllowed } from './target.js'

export type Checks = Pick<Configuration, 'healthCheck' | 'settings'>

export interface AskedCheck {
  name: string
  /** Null: it is asked for, but there is none. */
  check: CheckFields | null
  /** Where it is asked for, below the real server's or the service's `healthChecks`. */
  pointer: string
  /** Of the real server, not of its service. */
  own: boolean
}

export interface AskedChecks {
  checks: AskedCheck[]
  required: number
}

/** Which checks a real server has, whether they exist or not. */
export function askedOf(
  checks: Pick<Configuration, 'healthCheck'>,
  service: ServiceRecord,
  { config }: Pick<ServerRecord, 'config'>,
): AskedChecks {
  const override = config.healthChecks
  const own = override?.named !== undefined
  const { named = [], inline = {} } = (own ? override : service.config.healthChecks) ?? {}
  const all = [
    ...named.map((name, i) => ({
      ...{ name, own, pointer: `/named/${i}` },
      check: checks.healthCheck(name)?.config ?? null,
    })),
    ...Object.entries(inline).map(([name, check]) => ({
      ...{ name, own, pointer: `/inline/${name}`, check },
    })),
  ]
  const required = override?.required ?? (own ? undefined : service.config.healthChecks?.required)
  return { checks: all, required: Math.min(required ?? all.length, all.length) }
}

/** As the engine takes them; servers without checks and disabled ones are left out. */
export function checkedServersOf(
  checks: Checks,
  service: ServiceRecord,
  lastKnown: (server: string, check: string) => 'up' | 'down' | null,
): CheckedServer[] {
  return service.servers.flatMap((server): CheckedServer[] => {
    if (server.config.adminState === 'disabled') return []
    const { checks: asked, required } = askedOf(checks, service, server)
    const allowed = checks.settings().config.healthCheckTargets
    const runnable = asked.flatMap(({ name, check }): NamedCheck[] => {
      if (check === null) return []
      const spec = specOf(check, server.config.healthChecks)
      // What was stored before the list was another stays closed.
      if (!isAllowed(targetOf(spec, server), allowed)) return []
      return [{ name, spec, lastKnown: lastKnown(server.name, name) }]
    })
    if (runnable.length === 0) return []
    const { address, port, forwarding, tunnel } = server.config
    return [
      {
        ...{ service: service.name, server: server.name, address, port },
        protocol: service.config.protocol ?? 'tcp',
        way: { forwarding, tunnel: tunnelConfig(tunnel) },
        vip: vipOf(service),
        ...{ required: Math.min(required, runnable.length), checks: runnable },
      },
    ]
  })
}

export const targetOf = (spec: CheckSpec, { config }: Pick<ServerRecord, 'config'>): string =>
  spec.targetAddress ?? config.address

function vipOf({ config: { address, port } }: ServiceRecord): CheckedServer['vip'] {
  return address === undefined || port === undefined ? null : { address, port }
}
