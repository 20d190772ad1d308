/**
 * From a document as a client wrote it to a configuration that is complete and normalised, or to
 * every fault in it. What depends on other documents (names, keys, limits) is checked by the control.
 */
import { isIPv4 } from 'node:net'
import type { FamilyName } from '../../dataplane/protocol.js'
import { escapePointer, type Fault } from '../errors.js'
import { checkName, Fields, sortedLabels } from './fields.js'
import { Findings } from './findings.js'
import { isLinkLocal6, notUsable, parseAddress, type IpAddress } from '../ip-address.js'
import { readPolicy } from './policy-document.js'
import { RealServerConfig, type ServerConfig, type TunnelConfig } from '../schemas/real-server.js'
import { VirtualServiceConfig, type PersistenceConfig } from '../schemas/virtual-service.js'
import type { ServiceFields } from '../schemas/virtual-service.js'
import { faultsOf, isObject, quote } from '../schemas/walk.js'
import { serverChecksOf, serviceChecksOf } from '../health/service-checks-document.js'
import { endpointOf } from './service-key.js'

export interface ServiceDraft {
  family: FamilyName
  config: ServiceFields
  /** In the document's order. */
  servers: Map<string, ServerConfig>
}

/** What a real server's document is read against. */
export interface ServiceContext {
  /** Null when the service's own address is faulty, so nothing can be said about it. */
  family: FamilyName | null
  /** Null for a fwmark service. */
  port: number | null
  /** Endpoint of its sorry server. */
  sorry?: string | null
}

export type Read<T> = { draft: T; faults: [] } | { draft: null; faults: Fault[] }

/** Reads a service; `servers` stands in for `realServers` when the document has none. */
export function readService(
  name: string,
  body: unknown,
  servers: Record<string, unknown>,
): Read<ServiceDraft> {
  const found = new Findings(faultsOf(VirtualServiceConfig, body))
  if (!isObject(body)) return { draft: null, faults: found.faults }
  const fields = new Fields(body, '', found)
  checkName(fields, name)
  const address = checkKey(fields)
  const persistence = checkPersistence(fields, address)
  const persistenceEngine = fields.get<'sip'>('persistenceEngine')
  if (persistenceEngine !== undefined && fields.has('persistence')) {
    const detail = "With 'persistence' its engine is 'persistence.engine'."
    fields.fault('persistenceEngine', 'CONFLICTING_FIELDS', detail)
  }
  checkScheduling(fields)
  const healthChecks = serviceChecksOf(fields)
  const port = fields.get<number>('port') ?? null
  const context = { family: familyOf(fields, address), port }
  const given = fields.has('realServers') ? body.realServers : servers
  const documents = isObject(given) ? Object.entries(given) : []
  const pointerOf = (server: string) => `/realServers/${escapePointer(server)}`
  const policy = readPolicy(fields, inner => serverOf('', inner, context))
  const sorry = policy?.sorryServer === undefined ? null : endpointOf(policy.sorryServer)
  const set = readServers(documents, pointerOf, { ...context, sorry }, found)
  if (found.any) return { draft: null, faults: found.faults }
  const key =
    address === null
      ? { fwmark: body.fwmark as number, addressFamily: context.family! }
      : {
          protocol: body.protocol as NonNullable<ServiceFields['protocol']>,
          address: address.text,
          port: port!,
        }
  const config: ServiceFields = {
    ...key,
    scheduler: fields.get<ServiceFields['scheduler']>('scheduler') ?? 'wlc',
    schedulerFlags: [...new Set(fields.get<string[]>('schedulerFlags') ?? [])].sort(),
    ...(persistence === null ? {} : { persistence }),
    ...(persistenceEngine === undefined ? {} : { persistenceEngine }),
    onePacket: fields.get<boolean>('onePacket') ?? false,
    ...fields.optional<'interface', string>('interface'),
    manageAddress: fields.get<boolean>('manageAddress') ?? true,
    ...(policy === undefined ? {} : { policy }),
    labels: sortedLabels(fields.get('labels')),
    ...(healthChecks === undefined ? {} : { healthChecks }),
  }
  return { draft: { family: context.family!, config, servers: set }, faults: [] }
}

/** Reads one real server. */
export function readServer(
  name: string,
  body: unknown,
  context: ServiceContext,
): Read<ServerConfig> {
  const found = new Findings(faultsOf(RealServerConfig, body))
  if (!isObject(body)) return { draft: null, faults: found.faults }
  const draft = serverOf(name, new Fields(body, '', found), context)
  return found.any || draft === null ? { draft: null, faults: found.faults } : { draft, faults: [] }
}

/** Reads real servers by name that the schema has been checked for; faults go to `found`. */
export function readServers(
  documents: Iterable<[name: string, document: unknown]>,
  pointerOf: (name: string) => string,
  context: ServiceContext,
  found: Findings,
): Map<string, ServerConfig> {
  const set = new Map<string, ServerConfig>()
  const holders = new Map<string, string>()
  for (const [name, document] of documents) {
    if (!isObject(document)) continue
    const at = pointerOf(name)
    const config = serverOf(name, new Fields(document, at, found), context)
    if (config === null) continue
    const endpoint = endpointOf(config)
    const holder = holders.get(endpoint)
    if (holder !== undefined) found.add(duplicateServer(at, endpoint, holder))
    holders.set(endpoint, name)
    set.set(name, config)
  }
  return set
}

export function duplicateServer(pointer: string, endpoint: string, holder: string): Fault {
  const detail = `Real server '${holder}' of this service already has ${endpoint}.`
  return { pointer: `${pointer}/address`, code: 'REAL_SERVER_EXISTS', detail }
}

/** The virtual address; null for a mark service or when it is faulty. */
function checkKey(fields: Fields): IpAddress | null {
  if (fields.has('fwmark')) {
    for (const other of ['address', 'protocol', 'port']) {
      if (fields.has(other))
        fields.fault(other, 'CONFLICTING_FIELDS', `'fwmark' excludes '${other}'.`)
    }
    if (!fields.has('addressFamily'))
      fields.fault('addressFamily', 'MISSING_FIELD', "'fwmark' needs 'addressFamily'.")
    if (fields.has('interface')) {
      const detail = "'interface' is where an address lives; a service by mark has none."
      fields.fault('interface', 'CONFLICTING_FIELDS', detail)
    }
    return null
  }
  for (const needed of ['address', 'protocol', 'port']) {
    if (!fields.has(needed))
      fields.fault(needed, 'MISSING_FIELD', `The field '${needed}' is missing.`)
  }
  if (fields.has('addressFamily')) {
    const detail = "'addressFamily' goes with 'fwmark'; an address has its family in itself."
    fields.fault('addressFamily', 'CONFLICTING_FIELDS', detail)
  }
  return addressOf(fields)
}

function addressOf(fields: Fields): IpAddress | null {
  const text = fields.get<string>('address')
  if (text === undefined) return null
  const address = parseAddress(text)
  const wrong = address === null ? 'it is neither IPv4 nor IPv6' : notUsable(address)
  if (wrong === null) return address
  fields.fault('address', 'INVALID_ADDRESS', `${quote(text)} cannot be used: ${wrong}.`)
  return null
}

function familyOf(fields: Fields, address: IpAddress | null): FamilyName | null {
  return address?.family ?? fields.get<FamilyName>('addressFamily') ?? null
}

function checkPersistence(fields: Fields, address: IpAddress | null): PersistenceConfig | null {
  const inner = fields.inner('persistence')
  if (inner === null) {
    if (fields.get('port') === 0 && !fields.has('persistence')) {
      const detail = 'Port 0 takes every port, which only works with persistence.'
      fields.fault('port', 'PORT_ZERO_NEEDS_PERSISTENCE', detail, "Add 'persistence': {}.")
    }
    return null
  }
  const family = familyOf(fields, address)
  const netmask = inner.get<string>('netmask')
  const engine = inner.get<'sip'>('engine')
  if (family === 'ipv6' && inner.has('netmask'))
    inner.fault('netmask', 'CONFLICTING_FIELDS', 'An IPv6 service has a prefixLength instead.')
  else if (netmask !== undefined && !isIPv4(netmask))
    inner.fault('netmask', 'INVALID_NETMASK', `${quote(netmask)} is not an IPv4 netmask.`)
  if (family === 'ipv4' && inner.has('prefixLength'))
    inner.fault('prefixLength', 'CONFLICTING_FIELDS', 'An IPv4 service has a netmask instead.')
  return {
    timeoutSeconds: inner.get<number>('timeoutSeconds') ?? 360,
    ...(family === 'ipv6'
      ? { prefixLength: inner.get<number>('prefixLength') ?? 128 }
      : { netmask: netmask ?? '255.255.255.255' }),
    ...(engine === undefined ? {} : { engine }),
  }
}

function checkScheduling(fields: Fields): void {
  const protocol = fields.get<string>('protocol')
  if (fields.get('onePacket') === true && protocol !== undefined && protocol !== 'udp') {
    const detail = `One-packet scheduling is for UDP services; this one is ${protocol}.`
    fields.fault('onePacket', 'ONE_PACKET_NEEDS_UDP', detail)
  }
  if (fields.isFaulty('scheduler')) return
  const scheduler = fields.get<string>('scheduler') ?? 'wlc'
  for (const [i, flag] of (fields.get<string[]>('schedulerFlags') ?? []).entries()) {
    const owner = flag.split('-')[0]!
    if (owner === 'flag' || owner === scheduler) continue
    const detail = `The scheduler ${scheduler} has no flag '${flag}'.`
    fields.fault('schedulerFlags', 'FLAG_MISMATCH', detail, `Entry ${i} goes with '${owner}'.`)
  }
}

/** Null when something is wrong with it. */
function serverOf(name: string, fields: Fields, context: ServiceContext): ServerConfig | null {
  checkName(fields, name)
  const forwarding = fields.get<ServerConfig['forwarding']>('forwarding') ?? 'masq'
  const address = addressOf(fields)
  if (address !== null) checkServerAddress(fields, address, forwarding, context)
  const port = checkServerPort(fields, forwarding, context)
  const tunnel = checkTunnel(fields, forwarding)
  const upperThreshold = fields.get<number>('upperThreshold') ?? 0
  const lowerThreshold = fields.get<number>('lowerThreshold') ?? 0
  if (lowerThreshold > upperThreshold && !fields.isFaulty('upperThreshold')) {
    const detail = `The lower threshold ${lowerThreshold} exceeds the upper one, ${upperThreshold}.`
    fields.fault('lowerThreshold', 'THRESHOLD_ORDER', detail)
  }
  const healthChecks = serverChecksOf(fields)
  if (address === null || port === null) return null
  const endpoint = endpointOf({ address: address.text, port })
  if (endpoint === context.sorry) {
    const detail = `The sorry server of this service already has ${endpoint}.`
    fields.fault('address', 'REAL_SERVER_EXISTS', detail)
  }
  const priority = fields.get<number>('priority') ?? 0
  return {
    address: address.text,
    port,
    weight: fields.get<number>('weight') ?? 1,
    forwarding,
    ...(tunnel === null ? {} : { tunnel }),
    upperThreshold,
    lowerThreshold,
    adminState: fields.get<ServerConfig['adminState']>('adminState') ?? 'enabled',
    ...(priority === 0 ? {} : { priority }),
    labels: sortedLabels(fields.get('labels')),
    ...(healthChecks === undefined ? {} : { healthChecks }),
  }
}

function checkServerAddress(
  fields: Fields,
  address: IpAddress,
  forwarding: string,
  { family }: ServiceContext,
): void {
  if (isLinkLocal6(address)) {
    const detail = `${address.text} is link-local, which a real server's address cannot be.`
    fields.fault('address', 'INVALID_ADDRESS', detail)
  } else if (family !== null && address.family !== family && forwarding !== 'tunnel') {
    const detail = `${address.text} is ${address.family}; the virtual service is ${family}.`
    fields.fault('address', 'FAMILY_MISMATCH', detail)
  }
}

/** Null when the port cannot be told, because it or the service's own is faulty. */
function checkServerPort(
  fields: Fields,
  forwarding: string,
  { port: servicePort }: ServiceContext,
): number | null {
  if (fields.isFaulty('port')) return null
  // By mark, packets of many ports come in: 0 leaves each its own.
  const port = fields.get<number>('port') ?? servicePort ?? 0
  // Packets are not rewritten, so another port would be a promise that nobody keeps; ipvsadm
  // replaces it in silence.
  if (forwarding !== 'masq' && servicePort !== null && port !== servicePort) {
    const detail = `With forwarding '${forwarding}' the port stays that of the service, ${servicePort}.`
    fields.fault('port', 'PORT_MISMATCH', detail, 'Leave the port out.')
  }
  return port
}

function checkTunnel(fields: Fields, forwarding: string): TunnelConfig | null {
  const inner = fields.inner('tunnel')
  if (forwarding !== 'tunnel') {
    if (fields.has('tunnel') && !fields.isFaulty('forwarding'))
      fields.fault('tunnel', 'CONFLICTING_FIELDS', "'tunnel' needs forwarding 'tunnel'.")
    return null
  }
  const type = inner?.get<TunnelConfig['type']>('type') ?? 'ipip'
  const port = inner?.get<number>('port')
  const checksum = inner?.get<TunnelConfig['checksum']>('checksum') ?? 'none'
  if (inner?.isFaulty('type')) return null
  if (type === 'gue' && !inner!.has('port'))
    inner!.fault('port', 'MISSING_FIELD', "A gue tunnel needs 'port'.")
  if (type !== 'gue' && port !== undefined)
    inner!.fault('port', 'CONFLICTING_FIELDS', `An ${type} tunnel has no port.`)
  const possible = {
    ipip: ['none'],
    gre: ['none', 'checksum'],
    gue: ['none', 'checksum', 'remote'],
  }
  if (!possible[type].includes(checksum))
    inner!.fault('checksum', 'CONFLICTING_FIELDS', `${type} has no checksum '${checksum}'.`)
  return { type, ...(port === undefined ? {} : { port }), checksum }
}
