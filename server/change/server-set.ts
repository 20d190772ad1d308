/** Whole sets of real servers: PUT on the collection, and who is in whose way. */
import { duplicateServer, readServers, type ServiceContext } from '../documents/documents.js'
import { problemOf } from '../errors.js'
import { Findings } from '../documents/findings.js'
import { isValidName } from '../schemas/common.js'
import { RealServerSet, type ServerConfig } from '../schemas/real-server.js'
import { faultsOf, isObject } from '../schemas/walk.js'
import { endpointOf } from '../documents/service-key.js'

/** Reads the document of a whole set: items that carry their names. */
export function readSet(body: unknown, context: ServiceContext): Map<string, ServerConfig> {
  const found = new Findings(faultsOf(RealServerSet, body))
  const documents = new Map<string, unknown>()
  const items = isObject(body) && Array.isArray(body.items) ? body.items : []
  const pointers = new Map<string, string>()
  for (const [i, item] of items.entries()) {
    const pointer = `/items/${i}/name`
    const name: unknown = isObject(item) ? item.name : undefined
    if (typeof name !== 'string') {
      if (isObject(item) && name === undefined)
        found.add({ pointer, code: 'MISSING_FIELD', detail: "An item needs its 'name'." })
    } else if (!isValidName(name)) {
      found.add({ pointer, code: 'INVALID_NAME', detail: 'This is not a valid name.' })
    } else if (documents.has(name)) {
      found.add({ pointer, code: 'CONFLICTING_FIELDS', detail: `'${name}' is listed twice.` })
    } else {
      documents.set(name, item)
      pointers.set(name, `/items/${i}`)
    }
  }
  const set = readServers(documents, server => pointers.get(server)!, context, found)
  if (found.any) throw problemOf(found.faults)
  return set
}

/** Faults for what was `listed` when it meets somebody else of the whole set. */
export function checkEndpoints(
  all: ReadonlyMap<string, ServerConfig>,
  listed: ReadonlyMap<string, ServerConfig>,
  pointer?: string,
): void {
  const holders = new Map<string, string>()
  for (const [name, config] of all) {
    if (!listed.has(name)) holders.set(endpointOf(config), name)
  }
  const faults = [...listed].flatMap(([name, config], i) => {
    const holder = holders.get(endpointOf(config))
    const at = pointer ?? `/items/${i}`
    return holder === undefined || holder === name
      ? []
      : [duplicateServer(at, endpointOf(config), holder)]
  })
  if (faults.length > 0) throw problemOf(faults)
}
