/** From ipvsadm's words to the documents of the REST API, and back. */
import type { Static } from 'typebox'
import type { Connection } from '../schemas/live.js'
import type { RealServer, RealServerConfig } from '../schemas/real-server.js'
import type { VirtualService, VirtualServiceConfig } from '../schemas/virtual-service.js'
import type * as model from './model.js'
import { SCHEDULER_FLAG_1, SCHEDULER_FLAG_2, SCHEDULER_FLAG_3 } from './model.js'
import { schedulerFlagNames } from './values.js'

export type ServiceDocument = Static<typeof VirtualService>
export type ServerDocument = Static<typeof RealServer>
export type ConnectionDocument = Static<typeof Connection>

const FAMILIES = { 4: 'ipv4', 6: 'ipv6' } as const
const FLAGS: readonly [RegExp, number][] = [
  [/-fallback$|^flag-1$/, SCHEDULER_FLAG_1],
  [/^.h-port$|^flag-2$/, SCHEDULER_FLAG_2],
  [/^flag-3$/, SCHEDULER_FLAG_3],
]

/** Query that finds a service by what makes it unique. */
export function queryOf({ fwmark, protocol, address, port }: model.ServiceKey): string {
  if (fwmark !== 0) return `fwmark=${fwmark}`
  return `protocol=${protocol}&address=${encodeURIComponent(address)}&port=${port}`
}

export function keyOf(document: ServiceDocument): model.ServiceKey {
  const { fwmark = 0, protocol = 'tcp', address = '', port = 0 } = document
  const isIPv6 = document.addressFamily === 'ipv6' || address.includes(':')
  return { family: isIPv6 ? 6 : 4, protocol, address, port, fwmark }
}

/** Equal for equal keys. */
export const keyText = ({ family, protocol, address, port, fwmark }: model.ServiceKey): string =>
  fwmark !== 0 ? `${family} ${fwmark}` : `${protocol} ${address} ${port}`

/** A whole document, as for a new service. */
export function serviceDocument(spec: model.ServiceSpec): Static<typeof VirtualServiceConfig> {
  const { key } = spec
  const { protocol, address, port, fwmark } = key
  const { persistence, persistenceEngine, ...rest } = serviceOptions(spec)
  return {
    ...(fwmark === 0 ? { protocol, address, port } : { fwmark }),
    ...(fwmark === 0 ? {} : { addressFamily: FAMILIES[key.family] }),
    ...rest,
    ...(persistence === null ? {} : { persistence }),
    ...(persistenceEngine === null ? {} : { persistenceEngine }),
  }
}

/** What `-E` sets; all of it, since ipvsadm gives each its default when it is left out. */
export function serviceOptions(spec: model.ServiceSpec) {
  const { scheduler, persistence, engine, onePacket } = spec
  const mask = (netmask: string | number) =>
    typeof netmask === 'string' ? { netmask } : { prefixLength: netmask }
  return {
    scheduler: scheduler as ServiceDocument['scheduler'],
    schedulerFlags: schedulerFlagNames(spec.schedulerFlags, scheduler) as Flags,
    persistence:
      persistence === null
        ? null
        : {
            timeoutSeconds: persistence.timeoutS,
            ...mask(persistence.netmask),
            ...(engine === '' ? {} : { engine: engine as 'sip' }),
          },
    persistenceEngine: persistence === null && engine !== '' ? (engine as 'sip') : null,
    onePacket,
  }
}
type Flags = ServiceDocument['schedulerFlags']

/** A whole document, as for a new real server. */
export function serverDocument(spec: model.DestSpec): Static<typeof RealServerConfig> {
  const { tunnel, ...rest } = serverOptions(spec)
  return {
    address: spec.address,
    port: spec.port,
    ...rest,
    ...(tunnel === null ? {} : { tunnel }),
  }
}

/** What `-e` sets; all of it, as for a service. */
export function serverOptions(spec: model.DestSpec) {
  const { weight, forwarding, upperThreshold, lowerThreshold } = spec
  const { type, port, checksum } = spec.tunnel
  const gue = type === 'gue' ? { port } : {}
  return {
    ...{ weight, upperThreshold, lowerThreshold },
    forwarding: forwarding as ServerDocument['forwarding'],
    tunnel: forwarding === 'tunnel' ? { type, ...gue, checksum } : null,
  }
}

export function listedService(document: ServiceDocument): model.ListedService {
  const key = keyOf(document)
  const { persistence, schedulerFlags } = document
  const servers = newestFirst(Object.values(document.realServers))
  return {
    key,
    scheduler: document.scheduler,
    schedulerFlags: schedulerFlags.reduce((bits, name) => bits | flagBit(name), 0),
    persistence:
      persistence === undefined
        ? null
        : {
            timeoutS: persistence.timeoutSeconds ?? 0,
            netmask: persistence.netmask ?? persistence.prefixLength ?? 0,
          },
    engine: persistence?.engine ?? document.persistenceEngine ?? '',
    onePacket: document.onePacket,
    statistics: document.status.statistics,
    dests: servers.filter(isThere).map(listedServer),
  }
}

/** One that is disabled is not in the table: the kernel knows no such state. */
export const isThere = ({ adminState }: ServerDocument): boolean => adminState !== 'disabled'

/** Positions ascend in the order of creation, which the kernel's lists have backwards. */
export const newestFirst = <T extends { meta: { position?: number } }>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => (b.meta.position ?? 0) - (a.meta.position ?? 0))

function listedServer(document: ServerDocument): model.ListedDest {
  const { address, port, forwarding, upperThreshold, lowerThreshold, tunnel, status } = document
  const { activeConns, inactConns, persistConns, statistics } = status
  return {
    ...{ family: familyOf(address), address, port, forwarding },
    // One that is being drained shows as what the scheduler sees of it.
    weight: status.effectiveWeight,
    ...{ upperThreshold, lowerThreshold, activeConns, inactConns, persistConns, statistics },
    tunnel: {
      type: tunnel?.type ?? 'ipip',
      port: tunnel?.port ?? 0,
      checksum: tunnel?.checksum ?? 'none',
    },
  }
}

export function listedConnection(document: ConnectionDocument): model.Connection {
  const { protocol, state, client, virtual, realServer, expiresInSeconds, engine } = document
  const endpoint = ({ address, port }: { address: string; port: number }): model.Endpoint => ({
    ...{ family: familyOf(address), address, port },
  })
  const isBypass = document.forwarding === 'bypass'
  const nowhere = { address: client.address.includes(':') ? '::' : '0.0.0.0', port: 0 }
  return {
    protocol: protocol.toUpperCase(),
    expiresS: expiresInSeconds,
    state,
    ...{ client: endpoint(client), virtual: endpoint(virtual) },
    dest: endpoint(isBypass ? nowhere : realServer),
    ...(engine === null ? {} : { engine }),
  }
}

const familyOf = (address: string): model.Family => (address.includes(':') ? 6 : 4)

export const flagBit = (name: string): number =>
  FLAGS.find(([pattern]) => pattern.test(name))?.[1] ?? 0
