/**
 * The kernel's own NAT as a director: nftables DNAT with conntrack. It is the peer in demo and
 * bench, and the reference that proves what the end-to-end tests expect of any balancer.
 */
import type { Director, ServerSpec, ServiceSpec } from './director.js'
import type { Namespace } from './namespace.js'

const TABLE = 'table inet lab_dnat'

export class NftDirector implements Director {
  readonly name = 'kernel nftables'
  readonly #host: Namespace
  readonly #services = new Map<string, ServiceSpec>()

  constructor(host: Namespace) {
    this.#host = host
  }

  async putService(name: string, service: ServiceSpec): Promise<void> {
    this.#services.set(name, service)
    await this.#apply()
  }

  async putServer(service: string, name: string, server: ServerSpec): Promise<void> {
    const spec = this.#get(service)
    const realServers = { ...spec.realServers, [name]: server }
    await this.putService(service, { ...spec, realServers })
  }

  async deleteServer(service: string, name: string): Promise<void> {
    const spec = this.#get(service)
    const realServers = Object.fromEntries(
      Object.entries(spec.realServers).filter(([other]) => other !== name),
    )
    await this.putService(service, { ...spec, realServers })
  }

  async deleteService(name: string): Promise<void> {
    this.#services.delete(name)
    await this.#apply()
  }

  /** Takes the rules off the host; `resume` puts them back. */
  async stop(): Promise<void> {
    await this.#host.nft(`${TABLE} {}\ndelete ${TABLE}\n`)
  }

  async resume(): Promise<void> {
    await this.#apply()
  }

  #get(name: string): ServiceSpec {
    const service = this.#services.get(name)
    if (!service) throw new Error(`nft-director: no service ${name}`)
    return service
  }

  /** The whole ruleset in one transaction. Connections stay where conntrack has them. */
  async #apply(): Promise<void> {
    const services = [...this.#services.values()]
    await this.#host.nft(`${TABLE} {}
delete ${TABLE}
${TABLE} {
  chain refuse {
    type filter hook prerouting priority -150
    ${services.filter(isEmpty).map(refuse).join('\n    ')}
  }
  chain balance {
    type nat hook prerouting priority dstnat
    ${services
      .filter(service => !isEmpty(service))
      .map(balance)
      .join('\n    ')}
  }
}
`)
  }
}

const weightOf = (server: ServerSpec) => server.weight ?? 1

const isEmpty = ({ realServers }: ServiceSpec) =>
  Object.values(realServers).every(server => weightOf(server) === 0)

const family = ({ address }: ServiceSpec) => (address.includes(':') ? 'ip6' : 'ip')

const match = (service: ServiceSpec) =>
  `${family(service)} daddr ${service.address} ${service.protocol} dport ${service.port}`

const refuse = (service: ServiceSpec) => `${match(service)} reject with icmpx type port-unreachable`

/** Weighted round robin as a map from a counter to (address, port). */
function balance(service: ServiceSpec): string {
  const slots = Object.values(service.realServers).flatMap(server =>
    Array<string>(weightOf(server)).fill(`${server.address} . ${server.port ?? service.port}`),
  )
  const map = slots.map((slot, number) => `${number} : ${slot}`).join(', ')
  return `${match(service)} dnat ${family(service)} to numgen inc mod ${slots.length} map { ${map} }`
}
