/** From a change of records to operations of the dataplane. */
import type { DestConfig, MarkRuleConfig, Op, RestoredService } from '../dataplane/protocol.js'
import type { ServiceConfig, SettingsConfig } from '../dataplane/protocol.js'
import { isDeepStrictEqual } from 'node:util'
import { deriveWeight, type Weighed } from './effective-weight.js'
import type { ChangeSet, ServiceChange } from './repo/configuration.js'
import type { ServerRecord, ServiceRecord, SettingsRecord } from './repo/records.js'
import type { RowTable } from './row-table.js'
import { endpointOf, keyOf, keyText } from './service-key.js'

/** The weight that the scheduler sees. */
export const effectiveWeight = (server: Weighed): number => deriveWeight(server).weight

/** A disabled real server is not in the dataplane at all. */
export const isInDataplane = ({ config }: Pick<ServerRecord, 'config'>): boolean =>
  config.adminState !== 'disabled'

export function serviceConfig(service: ServiceRecord): ServiceConfig {
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
  }
}

export function destConfig(server: ServerRecord): DestConfig {
  const { address, port, forwarding, tunnel, upperThreshold, lowerThreshold } = server.config
  return {
    address,
    port,
    weight: effectiveWeight(server),
    forwarding,
    tunnel: tunnel === undefined ? null : { ...tunnel, port: tunnel.port ?? 0 },
    upperThreshold,
    lowerThreshold,
  }
}

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
export function opsOf(changes: ChangeSet, markRules: readonly MarkRuleConfig[]): Op[] {
  const { settings } = changes
  const ops = serviceOps(changes.services ?? [])
  if (settings !== undefined)
    ops.push({ op: 'setSettings', settings: settingsConfig(settings.after) })
  if ((changes.markRules ?? []).length > 0) ops.push({ op: 'setMarkRules', rules: [...markRules] })
  return ops
}

/**
 * By what a service takes, not by its name: a renamed one keeps its connections. Deletions first, so
 * that there is room for what comes.
 */
function serviceOps(changes: readonly ServiceChange[]): Op[] {
  const deletions: Op[] = []
  const rest: Op[] = []
  const old = byKey(changes.map(({ before }) => before))
  const wanted = byKey(changes.map(({ after }) => after))
  for (const [key, service] of old)
    if (!wanted.has(key)) deletions.push({ op: 'delService', key: keyOf(service) })
  for (const [key, service] of wanted) {
    const was = old.get(key)
    if (was === undefined) rest.push(...addService(service))
    else editService(was, service, deletions, rest)
  }
  return [...deletions, ...rest]
}

const byKey = (services: readonly (ServiceRecord | null)[]): Map<string, ServiceRecord> =>
  new Map(services.flatMap(each => (each === null ? [] : [[keyText(keyOf(each)), each]])))

function addService(service: ServiceRecord): Op[] {
  const key = keyOf(service)
  const dests = service.servers.filter(isInDataplane)
  return [
    { op: 'addService', service: serviceConfig(service) },
    ...dests.map((server): Op => ({ op: 'addDest', key, dest: destConfig(server) })),
  ]
}

function editService(before: ServiceRecord, after: ServiceRecord, deletions: Op[], rest: Op[]) {
  const key = keyOf(after)
  const edited = serviceConfig(after)
  if (!isDeepStrictEqual(serviceConfig(before), edited))
    rest.push({ op: 'editService', service: edited })
  // By endpoint, not by name: a renamed real server keeps its connections.
  const dests = (service: ServiceRecord) =>
    new Map(service.servers.filter(isInDataplane).map(s => [endpointOf(s.config), destConfig(s)]))
  const old = dests(before)
  const wanted = dests(after)
  for (const [endpoint, { address, port }] of old) {
    if (!wanted.has(endpoint)) deletions.push({ op: 'delDest', key, dest: { address, port } })
  }
  for (const [endpoint, dest] of wanted) {
    const was = old.get(endpoint)
    if (was === undefined) rest.push({ op: 'addDest', key, dest })
    else if (!isDeepStrictEqual(was, dest)) rest.push({ op: 'editDest', key, dest })
  }
}

/** Everything, with the rows that hold the statistics so far. */
export function restoreOf(services: readonly ServiceRecord[], rows: RowTable): RestoredService[] {
  return services.map(service => {
    const key = keyText(keyOf(service))
    return {
      service: serviceConfig(service),
      row: rows.service(key),
      dests: service.servers.filter(isInDataplane).map(server => ({
        dest: destConfig(server),
        row: rows.dest(key, endpointOf(server.config)),
      })),
    }
  })
}
