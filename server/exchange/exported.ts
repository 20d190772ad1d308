/** A configuration in ipvsadm's words, and what of it no other program's words can say. */
import { flagBit } from '../ipvsadm/documents.js'
import type { DestSpec, ServiceSpec } from '../ipvsadm/model.js'
import { serverName, serviceName } from '../ipvsadm/object-names.js'
import type { MarkRuleRecord, ServerRecord, ServiceRecord } from '../repo/records.js'
import type { SettingsRecord } from '../repo/records.js'
import { DEFAULT_SETTINGS } from '../schemas/settings.js'
import { isDeepStrictEqual } from 'node:util'
import { keyOfRecord } from './present.js'

/** The whole of it, services in the order in which the dataplane got them. */
export interface Configuration {
  services: readonly ServiceRecord[]
  markRules: readonly MarkRuleRecord[]
  settings: SettingsRecord
}

/** Something that the exported text does not say, or says otherwise. */
export interface Loss {
  /** JSON Pointer into the configuration. */
  pointer: string
  reason: string
}

export interface Exported {
  text: string
  losses: Loss[]
}

export interface ExportedService extends ServiceSpec {
  /** Of the record that it comes from. */
  name: string
  record: ServiceRecord
  dests: ExportedServer[]
}

export interface ExportedServer extends DestSpec {
  name: string
  record: ServerRecord
}

const NAME = 'Names are not written; it comes back as '

/** Collects `losses` that every format has. */
export function exportedServices(
  { services, markRules, settings }: Configuration,
  losses: Loss[],
): ExportedService[] {
  for (const { name } of markRules) {
    const reason = 'Marks are given by nftables or iptables elsewhere; write the rule there.'
    losses.push({ pointer: `/markRules/${name}`, reason })
  }
  for (const [name, value] of Object.entries(settings.config)) {
    const fallback = DEFAULT_SETTINGS[name as keyof typeof DEFAULT_SETTINGS]
    if (name === 'timeouts' || isDeepStrictEqual(value, fallback)) continue
    losses.push({
      pointer: `/settings/${name}`,
      reason: 'It is a sysctl or module parameter elsewhere.',
    })
  }
  return services.map(service => exportedService(service, losses))
}

/** Null while they are the kernel's own. */
export function changedTimeouts({ settings }: Configuration) {
  const { timeouts } = settings.config
  return isDeepStrictEqual(timeouts, DEFAULT_SETTINGS.timeouts) ? null : timeouts
}

function exportedService(record: ServiceRecord, losses: Loss[]): ExportedService {
  const { name, config } = record
  const key = keyOfRecord(record)
  const pointer = `/virtualServices/${name}`
  const lose = (field: string, reason: string) =>
    losses.push({ pointer: `${pointer}${field}`, reason })
  if (serviceName(key) !== name) lose('', `${NAME}'${serviceName(key)}'.`)
  if (Object.keys(config.labels).length > 0) lose('/labels', 'There are no labels.')
  if (config.interface !== undefined) lose('/interface', 'Where an address lives is not said.')
  if (!config.manageAddress) lose('/manageAddress', 'Who manages an address is not said.')
  const { persistence } = config
  const whole = key.family === 4 ? '255.255.255.255' : 128
  return {
    name,
    key,
    record,
    scheduler: config.scheduler,
    schedulerFlags: config.schedulerFlags.reduce((bits, flag) => bits | flagBit(flag), 0),
    persistence:
      persistence?.timeoutSeconds === undefined
        ? null
        : {
            timeoutS: persistence.timeoutSeconds,
            netmask: persistence.netmask ?? persistence.prefixLength ?? whole,
          },
    engine: persistence?.engine ?? config.persistenceEngine ?? '',
    onePacket: config.onePacket,
    dests: record.servers.flatMap(server =>
      exportedServer(server, `${pointer}/realServers/${server.name}`, losses),
    ),
  }
}

function exportedServer(record: ServerRecord, pointer: string, losses: Loss[]): ExportedServer[] {
  const { name, config } = record
  const { address, port, adminState, tunnel, forwarding } = config
  const { weight, upperThreshold, lowerThreshold, labels, priority } = config
  const lose = (field: string, reason: string) =>
    losses.push({ pointer: `${pointer}${field}`, reason })
  if (adminState === 'disabled') {
    lose('/adminState', 'It is disabled, which is not to be there at all elsewhere: left out.')
    return []
  }
  if (serverName(config) !== name) lose('', `${NAME}'${serverName(config)}'.`)
  if (Object.keys(labels).length > 0) lose('/labels', 'There are no labels.')
  if (priority !== undefined && priority !== 0) lose('/priority', 'There are no priorities.')
  if (forwarding === 'local')
    lose('/forwarding', 'There is no word for it; the kernel finds out by the address.')
  if (adminState === 'draining')
    lose('/weight', `It is draining, which is weight 0 elsewhere; its own is ${weight}.`)
  const dest: ExportedServer = {
    ...{ name, record, family: address.includes(':') ? 6 : 4, address, port, forwarding },
    weight: adminState === 'enabled' ? weight : 0,
    ...{ upperThreshold, lowerThreshold },
    tunnel: { port: 0, ...(tunnel ?? { type: 'ipip', checksum: 'none' }) },
  }
  return [dest]
}
