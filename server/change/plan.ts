/** From a change of records to operations of the dataplane. */
import type { DestConfig, MarkRuleConfig, Op, RestoredService } from '../../dataplane/protocol.js'
import type { ServiceConfig, SettingsConfig } from '../../dataplane/protocol.js'
import { isDeepStrictEqual } from 'node:util'
import { restingWeight } from '../documents/effective-weight.js'
import { policyOf, type Ramp, type Standing } from '../policy/standing.js'
import type { ChangeSet, ServiceChange } from '../repo/configuration.js'
import type { ServerRecord, ServiceRecord, SettingsRecord } from '../repo/records.js'
import type { RowTable } from '../live/row-table.js'
import type { TunnelConfig } from '../schemas/real-server.js'
import { endpointOf, keyOf, keyText } from '../documents/service-key.js'

/** How services stand (policy/standings.ts); by configuration alone where nobody keeps it. */
export interface StandingSource {
  of(service: ServiceRecord): Standing
  /** Monotonic. */
  readonly nowMs: number
}

/** Whether it is configured to be in the dataplane; its health may keep it out all the same. */
export const isInDataplane = ({ config }: Pick<ServerRecord, 'config'>): boolean =>
  config.adminState !== 'disabled'

const REFUSING: readonly (string | undefined)[] = ['reject', 'withdraw']

export function serviceConfig(service: ServiceRecord, standing?: Standing): ServiceConfig {
  const { scheduler, schedulerFlags, persistence, persistenceEngine, onePacket } = service.config
  return {
    key: keyOf(service),
    scheduler,
    schedulerFlags,
    persistence:
      persistence === undefined
        ? null
        : {
            timeoutS: persistence.timeoutSeconds,
            netmask: persistence.netmask ?? persistence.prefixLength!,
            ...(persistence.engine === undefined ? {} : { engine: persistence.engine }),
          },
    ...(persistenceEngine === undefined ? {} : { persistenceEngine }),
    onePacket,
    ...(REFUSING.includes(standing?.fallback?.code) ? { refuses: true } : {}),
  }
}

/** What the dataplane has of the real servers of a service, the sorry server included. */
export function destsOf(service: ServiceRecord, source: StandingSource): DestConfig[] {
  const standing = source.of(service)
  const dests: DestConfig[] = []
  for (const server of service.servers) {
    const own = standing.servers.get(server.name)!
    if (!own.present) continue
    const { config, stateSince, drain } = server
    const dest = destConfig(config, restingWeight({ config, stateSince, drain, standing: own }))
    dests.push(own.ramp === null ? dest : { ...dest, ramp: rampConfig(own.ramp, source.nowMs) })
  }
  const { sorryServer } = policyOf(service)
  const isSorry = standing.fallback?.code === 'sorry'
  if (sorryServer === undefined || !(isSorry || sorryServer.inhibit)) return dests
  const { address, port, forwarding, tunnel } = sorryServer
  const rest = { tunnel: tunnelConfig(tunnel), upperThreshold: 0, lowerThreshold: 0 }
  return [...dests, { address, port, weight: isSorry ? 1 : 0, forwarding, ...rest }]
}

const rampConfig = ({ startedAt, startMs, durationMs, startShare }: Ramp, nowMs: number) => ({
  ...{ startedAt, durationMs, startShare },
  ageMs: Math.max(0, nowMs - startMs),
})

export const tunnelConfig = (tunnel: TunnelConfig | undefined): DestConfig['tunnel'] =>
  tunnel === undefined ? null : { ...tunnel, port: tunnel.port ?? 0 }

/** With the weight that schedulers are to see. */
export const destConfig = (config: ServerRecord['config'], weight: number): DestConfig => ({
  address: config.address,
  port: config.port,
  weight,
  forwarding: config.forwarding,
  tunnel: tunnelConfig(config.tunnel),
  upperThreshold: config.upperThreshold,
  lowerThreshold: config.lowerThreshold,
})

export function settingsConfig({ config }: SettingsRecord): SettingsConfig {
  const { timeouts, lblcExpirationSeconds, lblcrExpirationSeconds, ...knobs } = config
  const { tcpSeconds: tcpS, tcpFinSeconds: tcpFinS, udpSeconds: udpS } = timeouts
  return {
    ...knobs,
    timeouts: { tcpS, tcpFinS, udpS },
    lblcExpirationS: lblcExpirationSeconds,
    lblcrExpirationS: lblcrExpirationSeconds,
  }
}

/** What brings the dataplane to a change; `markRules` are those that hold afterwards. */
export function opsOf(
  changes: ChangeSet,
  markRules: readonly MarkRuleConfig[],
  standings: StandingSource,
): Op[] {
  const { settings } = changes
  const ops = serviceOps(changes.services ?? [], standings)
  if (settings !== undefined)
    ops.push({ op: 'setSettings', settings: settingsConfig(settings.after) })
  if ((changes.markRules ?? []).length > 0) ops.push({ op: 'setMarkRules', rules: [...markRules] })
  return ops
}

/**
 * By what a service takes, not by its name: a renamed one keeps its connections. Deletions first, so
 * that there is room for what comes.
 */
function serviceOps(changes: readonly ServiceChange[], standings: StandingSource): Op[] {
  const deletions: Op[] = []
  const rest: Op[] = []
  const old = byKey(changes.map(({ before }) => before))
  const wanted = byKey(changes.map(({ after }) => after))
  for (const [key, service] of old)
    if (!wanted.has(key)) deletions.push({ op: 'delService', key: keyOf(service) })
  for (const [key, service] of wanted) {
    const was = old.get(key)
    if (was === undefined) rest.push(...addService(service, standings))
    else editService(was, service, standings, deletions, rest)
  }
  return [...deletions, ...rest]
}

const byKey = (services: readonly (ServiceRecord | null)[]): Map<string, ServiceRecord> =>
  new Map(services.flatMap(each => (each === null ? [] : [[keyText(keyOf(each)), each]])))

function addService(service: ServiceRecord, standings: StandingSource): Op[] {
  const key = keyOf(service)
  return [
    { op: 'addService', service: serviceConfig(service, standings.of(service)) },
    ...destsOf(service, standings).map((dest): Op => ({ op: 'addDest', key, dest })),
  ]
}

function editService(
  before: ServiceRecord,
  after: ServiceRecord,
  standings: StandingSource,
  deletions: Op[],
  rest: Op[],
) {
  const key = keyOf(after)
  const edited = serviceConfig(after, standings.of(after))
  if (!isDeepStrictEqual(serviceConfig(before, standings.of(before)), edited))
    rest.push({ op: 'editService', service: edited })
  // By endpoint, not by name: a renamed real server keeps its connections.
  const dests = (service: ServiceRecord) =>
    new Map(destsOf(service, standings).map(dest => [endpointOf(dest), dest]))
  const old = dests(before)
  const wanted = dests(after)
  for (const [endpoint, { address, port }] of old) {
    if (!wanted.has(endpoint)) deletions.push({ op: 'delDest', key, dest: { address, port } })
  }
  for (const [endpoint, dest] of wanted) {
    const was = old.get(endpoint)
    if (was === undefined) rest.push({ op: 'addDest', key, dest })
    else if (!isSameDest(was, dest)) rest.push({ op: 'editDest', key, dest })
  }
  // New ones go to the head of its list; another order is that of an older state gone back to.
  const made = [...[...old.keys()].filter(each => wanted.has(each)), ...wanted.keys()]
  if ([...new Set(made)].join() !== [...wanted.keys()].join()) {
    const dests = [...wanted.values()].map(({ address, port }) => ({ address, port })).reverse()
    rest.push({ op: 'orderDests', key, dests })
  }
}

/** A ramp is the same one however old it is. */
function isSameDest(before: DestConfig, after: DestConfig): boolean {
  const ageless = ({ ramp, ...dest }: DestConfig) => ({ dest, ramp: { ...ramp, ageMs: 0 } })
  return isDeepStrictEqual(ageless(before), ageless(after))
}

/** Everything, with the rows that hold the statistics so far. */
export function restoreOf(
  services: readonly ServiceRecord[],
  rows: RowTable,
  standings: StandingSource,
): RestoredService[] {
  return services.map(service => {
    const key = keyText(keyOf(service))
    return {
      service: serviceConfig(service, standings.of(service)),
      row: rows.service(key),
      dests: destsOf(service, standings).map(dest => ({
        dest,
        row: rows.dest(key, endpointOf(dest)),
      })),
    }
  })
}
