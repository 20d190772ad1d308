/** Virtual services as the API takes them, checked by the API's own rules. */
import { DESTS_MAX, SERVICES_MAX } from '../../dataplane/limits.js'
import { readService } from '../../server/documents/documents.js'
import { restingWeight } from '../../server/documents/effective-weight.js'
import { nextService } from '../../server/change/next-records.js'
import { escapePointer } from '../../server/errors.js'
import type { Findings } from '../../server/documents/findings.js'
import { destConfig, isInDataplane, serviceConfig } from '../../server/change/plan.js'
import { keyOf, keyText } from '../../server/documents/service-key.js'
import type { NamedService } from './configuration.js'

/** Nothing is stored, so it does not matter when. */
const STAMP = { revision: 1, now: '1970-01-01T00:00:00.000Z' }

export function readServices(documents: Record<string, unknown>, found: Findings): NamedService[] {
  const services: NamedService[] = []
  const holders = new Map<string, string>()
  let servers = 0
  for (const [name, body] of Object.entries(documents)) {
    const at = `/virtualServices/${escapePointer(name)}`
    const { draft, faults } = readService(name, body, {})
    for (const fault of faults) found.add({ ...fault, pointer: `${at}${fault.pointer ?? ''}` })
    if (draft === null) continue
    const record = nextService(name, null, draft, STAMP, { service: 1 })
    const key = keyText(keyOf(record))
    const holder = holders.get(key)
    if (holder !== undefined) {
      const pointer = `${at}/${draft.config.fwmark === undefined ? 'address' : 'fwmark'}`
      const detail = `Virtual service '${holder}' already has ${key}.`
      found.add({ pointer, code: 'SERVICE_EXISTS', detail })
    }
    holders.set(key, name)
    servers += record.servers.length
    services.push({
      name,
      config: serviceConfig(record),
      manageAddress: record.config.manageAddress,
      interfaceName: record.config.interface ?? null,
      servers: record.servers.filter(isInDataplane).map(server => ({
        name: server.name,
        config: destConfig(server.config, restingWeight(server)),
      })),
    })
  }
  checkLimits(services.length, servers, found)
  return services
}

function checkLimits(services: number, servers: number, found: Findings): void {
  const fault = (detail: string) =>
    found.add({ pointer: '/virtualServices', code: 'LIMIT_REACHED', detail })
  if (services >= SERVICES_MAX) fault(`There can be at most ${SERVICES_MAX - 1} virtual services.`)
  if (servers >= DESTS_MAX) fault(`At most ${DESTS_MAX - 1} real servers fit in all.`)
}
