/** What is wrong with checks in the light of everything else: whether they exist, and may go there. */
import { isDeepStrictEqual } from 'node:util'
import type { Configuration } from '../change/draft.js'
import type { Fault } from '../errors.js'
import { escapePointer } from '../errors.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import type { CheckFields } from '../schemas/health-check-fields.js'
import { oneOfHint } from '../schemas/walk.js'
import { askedOf, targetOf, type AskedCheck } from './checked-servers.js'
import type { CheckSpec } from './check-spec.js'
import { specOf } from './check-specs.js'
import { unavailable } from './check-platform.js'
import { faultOfSource, isAllowed } from './target.js'

type Checks = Pick<
  Configuration,
  'healthCheck' | 'healthChecks' | 'settings' | 'stored' | 'platform'
>

/** Kinds that need a port of their target. */
const WITH_PORT: readonly string[] = ['tcp', 'tls', 'http', 'https', 'udp', 'dns', 'smtp', 'sctp']

/** Pointers are those of the service's document with its real servers. */
export function referenceFaults(checks: Checks, service: ServiceRecord): Fault[] {
  const faults: Fault[] = []
  const seen = new Set<string>()
  const add = (pointer: string, code: Fault['code'], detail: string, hint?: string) => {
    // Of the service's checks each real server has something to say; once is enough.
    if (!seen.has(pointer))
      faults.push({ pointer, code, detail, ...(hint === undefined ? {} : { hint }) })
    seen.add(pointer)
  }
  // A service may ask for checks before it has any real server.
  for (const [i, name] of (service.config.healthChecks?.named ?? []).entries())
    if (checks.healthCheck(name) === null) missing(checks, `/healthChecks/named/${i}`, name, add)
  for (const [name, check] of Object.entries(service.config.healthChecks?.inline ?? {})) {
    const was = checks.stored().service(service.name)?.config.healthChecks?.inline[name]
    checkPlatform(checks, check, was, `/healthChecks/inline/${name}`, add)
  }
  for (const server of service.servers) {
    const asked = askedOf(checks, service, server)
    const at = `/realServers/${escapePointer(server.name)}/healthChecks`
    const { required } = server.config.healthChecks ?? {}
    if (required !== undefined && required > asked.checks.length) {
      const detail = `${required} checks cannot be up: there are ${asked.checks.length}.`
      add(`${at}/required`, 'OUT_OF_RANGE', detail)
    }
    for (const each of asked.checks) {
      const pointer = each.own ? `${at}${each.pointer}` : `/healthChecks${each.pointer}`
      if (each.check === null) missing(checks, pointer, each.name, add)
      else {
        checkPlatform(checks, each.check, storedCheck(checks, service, server, each), pointer, add)
        checkTarget(checks, service, server, each, { at, pointer }, add)
      }
    }
  }
  return faults
}

type Add = (pointer: string, code: Fault['code'], detail: string, hint?: string) => void

function missing(checks: Checks, pointer: string, name: string, add: Add): void {
  const names = [...checks.healthChecks()].map(each => each.name).sort()
  const hint = names.length === 0 ? 'There is none yet.' : oneOfHint(name, names.slice(0, 100))
  add(pointer, 'UNKNOWN_HEALTH_CHECK', `There is no health check '${name}'.`, hint)
}

/** What was stored when more could be had stays: whoever changes something else is not refused. */
function checkPlatform(
  checks: Checks,
  check: CheckFields,
  was: CheckFields | null | undefined,
  pointer: string,
  add: Add,
): void {
  const found = unavailable(check, checks.platform)
  if (found !== null && !isDeepStrictEqual(was, check))
    add(pointer, 'NOT_AVAILABLE_HERE', found.detail, found.hint)
}

function storedCheck(
  checks: Checks,
  service: ServiceRecord,
  server: ServerRecord,
  { name, own }: AskedCheck,
): CheckFields | null | undefined {
  const stored = checks.stored()
  const before = stored.service(service.name)
  const known = before?.servers.find(each => each.name === server.name)
  // One that is new is asked what its service asks of all.
  if (before === null || (known === undefined && own)) return undefined
  return askedOf(stored, before, known ?? server).checks.find(each => each.name === name)?.check
}

function checkTarget(
  checks: Checks,
  service: ServiceRecord,
  server: ServerRecord,
  { name, check }: AskedCheck,
  { at, pointer }: { at: string; pointer: string },
  add: Add,
): void {
  const spec = specOf(check!, server.config.healthChecks)
  const target = targetOf(spec, server)
  const { healthCheckTargets } = checks.settings().config
  if (hasTarget(spec) && !isAllowed(target, healthCheckTargets)) {
    const overridden = server.config.healthChecks?.targetAddress === target
    const where = overridden ? `${at}/targetAddress` : pointer
    add(where, 'TARGET_NOT_ALLOWED', notAllowed(name, target), ALLOW_HINT)
  }
  const source = hasTarget(spec) ? faultOfSource(spec.sourceAddress, target) : null
  if (source !== null) add(pointer, 'CONFLICTING_FIELDS', source)
  if (spec.kind === 'sctp' && spec.via === 'service' && service.config.protocol !== 'sctp') {
    const detail = `The check '${name}' sends SCTP through a service that is not for SCTP.`
    add(pointer, 'CONFLICTING_FIELDS', detail, "Check directly, or give the service 'sctp'.")
  } else if (spec.via === 'service') {
    if (service.config.fwmark === undefined && (service.config.port ?? 0) > 0) return
    const detail = `The check '${name}' goes through the service, which has no address or port.`
    add(pointer, 'CONFLICTING_FIELDS', detail, 'Check directly, with a targetPort.')
  } else if (WITH_PORT.includes(spec.kind) && (spec.targetPort ?? server.config.port) === 0) {
    const detail = `The check '${name}' needs a port, and real server '${server.name}' has none.`
    add(
      pointer,
      'MISSING_FIELD',
      detail,
      "Give the check or the real server's override a targetPort.",
    )
  }
}

const hasTarget = ({ kind, via }: CheckSpec): boolean =>
  kind !== 'file' && kind !== 'external' && via === 'direct'

export const ALLOW_HINT = "An administrator can add it to the setting 'healthCheckTargets'."
export const notAllowed = (name: string, target: string): string =>
  `The check '${name}' would go to ${target}, which the setting healthCheckTargets does not allow.`

/** Names of virtual services, and of real servers as `service/server`, that ask for a check. */
export function usersOf(services: Iterable<ServiceRecord>, check: string): string[] {
  return [...services]
    .flatMap(({ name, config, servers }) => [
      ...(config.healthChecks?.named.includes(check) === true ? [name] : []),
      ...servers
        .filter(server => server.config.healthChecks?.named?.includes(check) === true)
        .map(server => `${name}/${server.name}`),
    ])
    .sort()
}

/** What a shorter allow-list would leave without a way; the first of many. */
export function allowListFaults(checks: Checks & Pick<Configuration, 'services'>): Fault[] {
  for (const { name, config } of checks.healthChecks()) {
    const { targetAddress } = config
    const { healthCheckTargets } = checks.settings().config
    if (targetAddress === undefined || isAllowed(targetAddress, healthCheckTargets)) continue
    return [inSettings(notAllowed(name, targetAddress))]
  }
  for (const service of checks.services()) {
    const found = referenceFaults(checks, service).find(({ code }) => code === 'TARGET_NOT_ALLOWED')
    if (found !== undefined) return [inSettings(`${service.name}: ${found.detail}`)]
  }
  return []
}

const inSettings = (detail: string): Fault => ({
  ...{ pointer: '/healthCheckTargets', code: 'TARGET_NOT_ALLOWED', detail },
})
