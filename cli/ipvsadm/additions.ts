/**
 * What `ipvsadm -R` adds, gathered into one list of changes. Says of each line what the kernel would
 * have said, going by what was there and by the lines before it; whatever else may be wrong with one
 * is for the API to find.
 */
import { endpointOf } from '../../server/documents/service-key.js'
import type { CommandLine } from '../../server/ipvsadm/command-line.js'
import * as documents from '../../server/ipvsadm/documents.js'
import type { ServiceDocument } from '../../server/ipvsadm/documents.js'
import type { DestSpec, ServiceKey, ServiceSpec } from '../../server/ipvsadm/model.js'
import { candidates, serverName, serviceName } from '../../server/ipvsadm/object-names.js'

/** `-A` and `-a`: all that `ipvsadm -S` writes. */
export type Addition =
  | { command: 'add'; service: ServiceSpec }
  | { command: 'addServer'; key: ServiceKey; dest: DestSpec }

export const isAddition = (line: CommandLine): line is Addition =>
  line.command === 'add' || line.command === 'addServer'

export interface Change {
  op: 'put'
  path: string
  value: object
}

interface Known {
  name: string
  /** Names of real servers by endpoint, and the reverse. */
  endpoints: Map<string, string>
  names: Set<string>
  /** Documents of those that are there but disabled, which the kernel does not know. */
  hidden: Map<string, object>
  /** Null: it was there before. */
  fresh: { address: string; document: object; realServers: Record<string, object> } | null
}

const SERVICES = '/v1/virtual-services'

export class Additions {
  readonly #services = new Map<string, Known>()
  readonly #names = new Set<string>()
  /** To real servers of services that were there before. */
  readonly #others: Change[] = []

  constructor(present: readonly ServiceDocument[]) {
    for (const service of present) this.#know(service)
  }

  /** The code of the kernel's refusal; null when it would take it. */
  take(line: Addition): string | null {
    return line.command === 'add'
      ? this.#addService(line.service)
      : this.#addServer(line.key, line.dest)
  }

  /** Services in the order of their lines, each with its real servers in theirs. */
  changes(unmanaged: ReadonlySet<string>): Change[] {
    const fresh = [...this.#services.values()].flatMap(({ name, fresh }): Change[] => {
      if (fresh === null) return []
      const { address, document, realServers } = fresh
      const manage = unmanaged.has(address) ? { manageAddress: false } : {}
      return [
        { op: 'put', path: `${SERVICES}/${name}`, value: { ...document, ...manage, realServers } },
      ]
    })
    return [...fresh, ...this.#others]
  }

  /** Of new services. */
  addresses(): Set<string> {
    const fresh = [...this.#services.values()].map(each => each.fresh?.address ?? '')
    return new Set(fresh.filter(address => address !== ''))
  }

  #know(service: ServiceDocument): void {
    const servers = Object.values(service.realServers)
    this.#names.add(service.name)
    this.#services.set(documents.keyText(documents.keyOf(service)), {
      name: service.name,
      endpoints: new Map(servers.map(server => [endpointOf(server), server.name])),
      names: new Set(servers.map(({ name }) => name)),
      hidden: new Map(
        servers
          .filter(server => !documents.isThere(server))
          .map(({ name, labels }) => [name, { labels, adminState: 'enabled' }]),
      ),
      fresh: null,
    })
  }

  #addService(spec: ServiceSpec): string | null {
    const key = documents.keyText(spec.key)
    if (this.#services.has(key)) return 'EEXIST'
    const name = free(serviceName(spec.key), this.#names)
    const { address } = spec.key
    const fresh = { address, document: documents.serviceDocument(spec), realServers: {} }
    const none = { endpoints: new Map<string, string>(), names: new Set<string>() }
    this.#names.add(name)
    this.#services.set(key, { name, ...none, hidden: new Map(), fresh })
    return null
  }

  #addServer(key: ServiceKey, dest: DestSpec): string | null {
    const service = this.#services.get(documents.keyText(key))
    if (service === undefined) return 'ESRCH'
    // The kernel looks at them before it looks whether the real server is there.
    if (dest.lowerThreshold > dest.upperThreshold) return 'ERANGE'
    const endpoint = endpointOf(dest)
    const there = service.endpoints.get(endpoint)
    const kept = there === undefined ? {} : service.hidden.get(there)
    if (kept === undefined) return 'EEXIST'
    const name = there ?? free(serverName(dest), service.names)
    const value = { ...documents.serverDocument(dest), ...kept }
    service.endpoints.set(endpoint, name)
    service.names.add(name)
    service.hidden.delete(name)
    if (service.fresh === null)
      this.#others.push({
        op: 'put',
        path: `${SERVICES}/${service.name}/real-servers/${name}`,
        value,
      })
    else service.fresh.realServers[name] = value
    return null
  }
}

function free(wanted: string, taken: ReadonlySet<string>): string {
  for (const name of candidates(wanted)) if (!taken.has(name)) return name
  throw new RangeError('candidates never end')
}
