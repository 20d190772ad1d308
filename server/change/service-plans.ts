/** Writes of virtual services and real servers, noted in a draft. Each throws a Problem, or is right. */
import { DESTS_MAX, SERVICES_MAX } from '../../dataplane/limits.js'
import type { Kind } from './commit.js'
import { checkConditions, type Conditions } from '../http/conditions.js'
import { readServer, readService, type ServiceContext } from '../documents/documents.js'
import type { Configuration, Draft } from './draft.js'
import { Problem, problemOf, type Fault } from '../errors.js'
import type { Ground } from './ground.js'
import { referenceFaults } from '../health/check-references.js'
import { mergePatch } from '../http/merge-patch.js'
import { nextService, withServers } from './next-records.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import type { ServerConfig } from '../schemas/real-server.js'
import { checkEndpoints, readSet } from './server-set.js'
import { endpointOf, keyOf, keyText } from '../documents/service-key.js'
import { serverDocument, serverDocuments, serviceDocument } from '../documents/views.js'
import { keyOfDocument, type Places } from '../documents/whole-document.js'

/** Null: replaces without looking. */
export type Wanted = Conditions | null

export function putService(ground: Ground, name: string, body: unknown, wanted: Wanted) {
  const before = ground.draft.service(name)
  if (wanted !== null) checkConditions(wanted, before, ground.tell)
  const kept = before === null ? {} : serverDocuments(before)
  return setService(ground, name, body, kept)
}

export function patchService(ground: Ground, name: string, patch: unknown, wanted: Wanted) {
  const before = serviceOf(ground.draft, name)
  if (wanted !== null) checkConditions(wanted, before, ground.tell)
  return setService(ground, name, mergePatch(serviceDocument(before), patch), {})
}

/** Returns what was there. */
export function deleteService(
  { draft, tell }: Ground,
  name: string,
  wanted: Wanted,
): ServiceRecord | null {
  const before = draft.service(name)
  if (wanted !== null) checkConditions(wanted, before, tell)
  draft.setService(name, null)
  return before
}

/** `kept` stands in for the real servers of a document that says nothing of them. */
export function setService(
  { draft, stamp }: Ground,
  name: string,
  body: unknown,
  kept: Record<string, unknown>,
  places?: Places,
): ServiceRecord {
  const before = draft.service(name)
  const { draft: read, faults } = readService(name, body, kept)
  if (read === null) throw problemOf(faults)
  checkLimits(draft, before, read.servers.size)
  const place = (kind: Kind, of: string) => places?.get(keyOfDocument(kind, of))
  const after = nextService(name, before, read, stamp, {
    service: place('virtualService', name) ?? draft.lastPosition() + 1,
    server: server => place('realServer', `${name}/${server}`),
  })
  draft.setService(name, after)
  return after
}

export function putServer(
  ground: Ground,
  name: string,
  server: string,
  body: unknown,
  wanted: Wanted,
) {
  const service = serviceOf(ground.draft, name)
  if (wanted !== null) checkConditions(wanted, find(service, server), ground.tell)
  return setServer(ground, service, server, body)
}

export function patchServer(
  ground: Ground,
  name: string,
  server: string,
  patch: unknown,
  wanted: Wanted,
) {
  const service = serviceOf(ground.draft, name)
  const before = serverOf(service, server)
  if (wanted !== null) checkConditions(wanted, before, ground.tell)
  return setServer(ground, service, server, mergePatch(serverDocument(service, before), patch))
}

/** Returns what was there. */
export function deleteServer(
  { draft, stamp, tell }: Ground,
  name: string,
  server: string,
  wanted: Wanted,
): ServerRecord | null {
  const service = serviceOf(draft, name)
  const before = find(service, server)
  if (wanted !== null) checkConditions(wanted, before, tell)
  const rest = configsOf(service)
  rest.delete(server)
  draft.setService(name, withServers(service, rest, stamp))
  return before
}

/** Makes the set what the document says; `merge` leaves those that it does not name. */
export function putServers(
  { draft, stamp, tell }: Ground,
  name: string,
  body: unknown,
  mode: 'replace' | 'merge',
  wanted: Wanted,
): ServiceRecord {
  const before = serviceOf(draft, name)
  if (wanted !== null) checkConditions(wanted, before, tell)
  const listed = readSet(body, contextOf(before))
  const drafts = new Map([...(mode === 'merge' ? configsOf(before) : []), ...listed])
  checkEndpoints(drafts, listed)
  checkLimits(draft, before, drafts.size)
  const after = withServers(before, drafts, stamp)
  draft.setService(name, after)
  return after
}

function setServer(
  { draft, stamp }: Ground,
  before: ServiceRecord,
  server: string,
  body: unknown,
): ServiceRecord {
  const { draft: read, faults } = readServer(server, body, contextOf(before))
  if (read === null) throw problemOf(faults)
  const listed = new Map([[server, read]])
  const drafts = new Map([...configsOf(before), ...listed])
  checkEndpoints(drafts, listed, '')
  checkLimits(draft, before, drafts.size)
  const after = withServers(before, drafts, stamp)
  draft.setService(before.name, after)
  return after
}

/** What is wrong with a service in the light of all others; pointers are its document's. */
export function serviceFaults(draft: Draft, service: ServiceRecord): Fault[] {
  const rival = rivalFault(draft, service)
  return [...(rival === null ? [] : [rival]), ...referenceFaults(draft, service)]
}

/**
 * What checks say of real servers that a document is about; `pointerOf` says where one stands in it.
 * What is wrong with the service itself is found when that is written.
 */
export function serverFaults(
  draft: Draft,
  service: ServiceRecord,
  pointerOf: (server: string) => string | null,
): Fault[] {
  return referenceFaults(draft, service).flatMap(fault => {
    const [, section, server = '', ...rest] = fault.pointer!.split('/')
    // A check of the service's that only a new real server makes impossible has no field here.
    if (section !== 'realServers')
      return service.servers.length === 0 ? [] : [{ ...fault, pointer: '' }]
    const at = pointerOf(server)
    return at === null ? [] : [{ ...fault, pointer: [at, ...rest].join('/') }]
  })
}

/** What is wrong when two services take the same packets; null when nothing is. */
function rivalFault(draft: Draft, service: ServiceRecord): Fault | null {
  const rival = draft.rival(service)
  if (rival === null) return null
  const detail = `Virtual service '${rival}' already has ${keyText(keyOf(service))}.`
  const pointer = service.config.fwmark === undefined ? '/address' : '/fwmark'
  return { pointer, code: 'SERVICE_EXISTS', detail }
}

function checkLimits(draft: Draft, before: ServiceRecord | null, serverCount: number): void {
  const { services, servers } = draft.counts()
  // Row 0 of each memory means "none".
  const faults: Fault[] = []
  const limit = (pointer: string, detail: string) =>
    faults.push({ pointer, code: 'LIMIT_REACHED', detail })
  if (before === null && services + 1 >= SERVICES_MAX)
    limit('', `There can be at most ${SERVICES_MAX - 1} virtual services.`)
  if (servers - (before?.servers.length ?? 0) + serverCount >= DESTS_MAX)
    limit('/realServers', `At most ${DESTS_MAX - 1} real servers fit in all.`)
  if (faults.length > 0) throw problemOf(faults)
}

export function serviceOf(configuration: Configuration, name: string): ServiceRecord {
  const found = configuration.service(name)
  if (found === null) throw serviceNotFound(name)
  return found
}

export function serverOf(service: ServiceRecord, name: string): ServerRecord {
  const found = find(service, name)
  if (found === null) throw serverNotFound(service.name, name)
  return found
}

const find = (service: ServiceRecord, name: string): ServerRecord | null =>
  service.servers.find(server => server.name === name) ?? null

const contextOf = ({ family, config }: ServiceRecord): ServiceContext => ({
  family,
  port: config.port ?? null,
  sorry: config.policy?.sorryServer === undefined ? null : endpointOf(config.policy.sorryServer),
})

const configsOf = ({ servers }: ServiceRecord): Map<string, ServerConfig> =>
  new Map(servers.map(({ name, config }) => [name, config]))

export const serviceNotFound = (name: string) =>
  new Problem('SERVICE_NOT_FOUND', `There is no virtual service '${name}'.`)

export const serverNotFound = (service: string, name: string) =>
  new Problem('REAL_SERVER_NOT_FOUND', `Virtual service '${service}' has no real server '${name}'.`)
