/**
 * Two ways to show a configuration: `full` says every default, `declared` leaves them out. Either can
 * be sent back and means the same. Members are in one order, so that equal configurations are equal
 * texts.
 */
import { isDeepStrictEqual } from 'node:util'
import type { HealthCheckRecord, MarkRuleRecord, ServerRecord } from '../repo/records.js'
import type { ServiceRecord, SettingsRecord } from '../repo/records.js'
import { FIELDS_OF, type CheckFields } from '../schemas/health-check-fields.js'
import type { ServerCheckFields } from '../schemas/service-checks.js'
import { ORDER_DEFAULT } from '../schemas/mark-rule.js'
import { DEFAULT_POLICY, type PolicyConfig } from '../schemas/policy.js'
import { DEFAULT_SETTINGS } from '../schemas/settings.js'
import { isObject } from '../schemas/walk.js'
import { byName } from './views.js'

export type Manner = 'full' | 'declared'
type Fields = Record<string, unknown>

const SERVER = {
  ...{ weight: 1, forwarding: 'masq', upperThreshold: 0, lowerThreshold: 0 },
  ...{ adminState: 'enabled', labels: {}, tunnel: {} },
}
const TUNNEL = { type: 'ipip', checksum: 'none' }
const SERVICE = {
  ...{ scheduler: 'wlc', schedulerFlags: [], onePacket: false, manageAddress: true, labels: {} },
}
const PERSISTENCE = { timeoutSeconds: 360, netmask: '255.255.255.255', prefixLength: 128 }
const POLICY = { ...DEFAULT_POLICY, slowStart: { startPercent: 10 } }
const SORRY_SERVER = { forwarding: 'masq', inhibit: false, tunnel: {} }
const MARK_RULE = { protocol: 'any', order: ORDER_DEFAULT, labels: {} }

/** Fields that have another value than the default; an object keeps those of its own that have. */
function without(config: object, defaults: object): Fields {
  const known = new Map(Object.entries(defaults))
  return Object.fromEntries(
    Object.entries(config).flatMap(([name, value]): [string, unknown][] => {
      const usual: unknown = known.get(name)
      if (isDeepStrictEqual(value, usual)) return []
      if (!isObject(value) || !isObject(usual)) return [[name, value]]
      const inner = without(value, usual)
      return Object.keys(inner).length === 0 ? [] : [[name, inner]]
    }),
  )
}

/** Configuration alone, without its real servers. */
export function serviceFields({ config }: Pick<ServiceRecord, 'config'>, manner: Manner): Fields {
  if (manner === 'full') return { ...config }
  const { persistence, policy, healthChecks, ...rest } = config
  return {
    ...without(rest, SERVICE),
    ...(policy === undefined ? {} : { policy: policyFields(policy, config.port ?? 0) }),
    // Empty, it still means something.
    ...(persistence === undefined ? {} : { persistence: without(persistence, PERSISTENCE) }),
    ...(healthChecks === undefined ? {} : { healthChecks: checksFields(healthChecks, false) }),
  }
}

function policyFields({ quorum, sorryServer, ...rest }: PolicyConfig, port: number): Fields {
  const shown = sorryServer && {
    ...sorryServer,
    ...(sorryServer.tunnel === undefined ? {} : { tunnel: without(sorryServer.tunnel, TUNNEL) }),
  }
  return {
    ...(quorum === undefined ? {} : { quorum: without(quorum, { down: quorum.up }) }),
    ...(shown === undefined ? {} : { sorryServer: without(shown, { ...SORRY_SERVER, port }) }),
    ...without(rest, POLICY),
  }
}

export function serverFields(
  service: Pick<ServiceRecord, 'config'>,
  { config }: Pick<ServerRecord, 'config'>,
  manner: Manner,
): Fields {
  if (manner === 'full') return { ...config }
  const { tunnel, healthChecks, ...rest } = config
  const shown = tunnel === undefined ? rest : { ...rest, tunnel: without(tunnel, TUNNEL) }
  return {
    ...without(shown, { ...SERVER, port: service.config.port ?? 0 }),
    ...(healthChecks === undefined ? {} : { healthChecks: checksFields(healthChecks, true) }),
  }
}

export const markRuleFields = ({ config }: MarkRuleRecord, manner: Manner): Fields =>
  manner === 'full' ? { ...config } : without(config, MARK_RULE)

export const healthCheckFields = ({ config }: HealthCheckRecord, manner: Manner): Fields =>
  manner === 'full' ? { ...config } : checkFields(config)

const checkFields = ({ kind, ...config }: CheckFields): Fields => ({
  kind,
  ...without(config, { ...FIELDS_OF[kind], labels: {} }),
})

/** `override`: an empty list says that nothing checks the server. */
function checksFields(checks: ServerCheckFields, override: boolean): Fields {
  const { named, inline, ...rest } = checks
  const documents = Object.entries(inline ?? {})
  const shown = documents.map(([name, check]) => [name, checkFields(check)] as const)
  const says = (named ?? []).length > 0 || (override && named !== undefined && shown.length === 0)
  return {
    ...(says ? { named } : {}),
    ...(shown.length === 0 ? {} : { inline: Object.fromEntries(shown) }),
    ...rest,
  }
}

export const settingsFields = ({ config }: SettingsRecord, manner: Manner): Fields =>
  manner === 'full' ? { ...config } : without(config, DEFAULT_SETTINGS)

/** A service as one document, with its real servers by name. */
export function serviceFieldsWhole(service: ServiceRecord, manner: Manner): Fields {
  const servers = [...service.servers]
    .sort(byName)
    .map(server => [server.name, serverFields(service, server, manner)] as const)
  const none = manner === 'declared' && servers.length === 0
  return {
    ...serviceFields(service, manner),
    ...(none ? {} : { realServers: Object.fromEntries(servers) }),
  }
}
