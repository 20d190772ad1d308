/** From the policy of a virtual service as written to one that is complete, or to its faults. */
import { isDeepStrictEqual } from 'node:util'
import type { Fields } from './fields.js'
import { DEFAULT_POLICY, type AllDown, type OnDown } from '../schemas/policy.js'
import type { PolicyConfig, SlowStartConfig, SorryConfig } from '../schemas/policy.js'
import type { ServerConfig } from '../schemas/real-server.js'

/** Reads what a sorry server has in common with real servers; null when something is wrong. */
export type ReadEndpoint = (fields: Fields) => ServerConfig | null

/** Undefined: nothing that differs from the defaults, or a fault. */
export function readPolicy(service: Fields, readEndpoint: ReadEndpoint): PolicyConfig | undefined {
  const fields = service.inner('policy')
  if (fields === null) return undefined
  const quorum = readQuorum(fields.inner('quorum'))
  const sorryServer = readSorryServer(fields.inner('sorryServer'), readEndpoint)
  const slowStart = readSlowStart(fields.inner('slowStart'))
  const allDown = fields.get<AllDown>('allDown')
  checkAllDown(service, fields, allDown)
  const policy: PolicyConfig = {
    ...(quorum === null ? {} : { quorum }),
    ...(sorryServer === null ? {} : { sorryServer }),
    ...(allDown === undefined ? {} : { allDown }),
    onDown: fields.get<OnDown>('onDown') ?? DEFAULT_POLICY.onDown,
    inhibitOnFailure: fields.get<boolean>('inhibitOnFailure') ?? DEFAULT_POLICY.inhibitOnFailure,
    minimumActive: fields.get<number>('minimumActive') ?? DEFAULT_POLICY.minimumActive,
    minimumUsable: fields.get<number>('minimumUsable') ?? DEFAULT_POLICY.minimumUsable,
    ...(slowStart === null ? {} : { slowStart }),
  }
  return isDeepStrictEqual(policy, DEFAULT_POLICY) ? undefined : policy
}

function readQuorum(fields: Fields | null): NonNullable<PolicyConfig['quorum']> | null {
  const up = fields?.get<number>('up')
  if (fields === null || up === undefined) return null
  const down = fields.get<number>('down') ?? up
  if (down > up) {
    const detail = `The quorum would be lost below ${down} and gained at ${up}, at once again.`
    fields.fault('down', 'THRESHOLD_ORDER', detail, "Make 'down' at most 'up'.")
  }
  return { up, down }
}

function readSorryServer(fields: Fields | null, readEndpoint: ReadEndpoint): SorryConfig | null {
  const endpoint = fields === null ? null : readEndpoint(fields)
  if (fields === null || endpoint === null) return null
  const { address, port, forwarding, tunnel } = endpoint
  return {
    ...{ address, port, forwarding },
    ...(tunnel === undefined ? {} : { tunnel }),
    inhibit: fields.get<boolean>('inhibit') ?? false,
  }
}

function readSlowStart(fields: Fields | null): SlowStartConfig | null {
  const seconds = fields?.get<number>('seconds')
  if (fields === null || seconds === undefined) return null
  return { seconds, startPercent: fields.get<number>('startPercent') ?? 10 }
}

function checkAllDown(service: Fields, fields: Fields, allDown: AllDown | undefined): void {
  if (allDown === 'sorry' && !fields.has('sorryServer')) {
    fields.fault('sorryServer', 'MISSING_FIELD', "'allDown': 'sorry' needs a 'sorryServer'.")
  }
  if (allDown !== undefined && allDown !== 'sorry' && fields.has('sorryServer')) {
    const detail = `With 'allDown': '${allDown}' the sorry server would never be asked.`
    fields.fault('allDown', 'CONFLICTING_FIELDS', detail, "Leave 'allDown' out.")
  }
  if (allDown !== 'withdraw') return
  if (service.has('fwmark')) {
    const detail = 'A service by mark has no address that could be withdrawn.'
    fields.fault('allDown', 'CONFLICTING_FIELDS', detail)
  } else if (service.get('manageAddress') === false) {
    const detail = "With 'manageAddress': false the address is not ours to withdraw."
    fields.fault('allDown', 'CONFLICTING_FIELDS', detail)
  }
}
