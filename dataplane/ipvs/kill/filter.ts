/** Which connections a kill is about, decided on bare words. */
import { OpError } from '../../op-error.js'
import type { KillFilter, ServiceKey } from '../../protocol.js'
import { KILLED, TEMPLATE } from '../../shared/conn-record.js'
import { stateName } from '../../shared/conn-states.js'
import * as address from '../../wire/address.js'
import { SCTP, TCP, UDP } from '../../wire/ip-protocol.js'
import { PORT_INVALID, type Connections } from '../conn.js'
import type { ConnSlab } from '../conn-slab.js'
import type { Dest } from '../dest.js'
import type { Service } from '../service.js'

/** Templates by firewall mark have none; ipvsadm calls them IP. */
const PROTOCOLS: Readonly<Record<string, number>> = { ip: 0, tcp: TCP, udp: UDP, sctp: SCTP }

/** Finds what the filter names; throws OpError when it is not there. */
export interface Finder {
  service(key: ServiceKey): Service
  dest(service: Service, key: { address: string; port: number }): Dest
}

export class Filter {
  readonly #conns: Connections
  readonly #records: ConnSlab
  readonly #service: Service | null
  readonly #dest: Dest | null
  readonly #protocol: number
  readonly #state: string | undefined
  readonly #template: boolean | undefined
  readonly #client: address.Prefix | null
  readonly #clientPort: number
  readonly #real: address.Prefix | null
  readonly #realPort: number

  /** ESRCH or ENOENT: what it names is not there; EINVAL: it is no address. */
  constructor(conns: Connections, finder: Finder, filter: KillFilter) {
    const { service, server, protocol, state, template, client, realServer } = filter
    this.#conns = conns
    this.#records = conns.records
    this.#service = service === undefined ? null : finder.service(service)
    this.#dest =
      server === undefined || this.#service === null ? null : finder.dest(this.#service, server)
    this.#protocol = protocol === undefined ? -1 : PROTOCOLS[protocol]!
    this.#state = state
    this.#template = template
    this.#client = prefixOf(client)
    this.#clientPort = client?.port ?? -1
    this.#real = prefixOf(realServer)
    this.#realPort = realServer?.port ?? -1
  }

  /** Whether record `c` is in use, not killed before, and meant. */
  accepts(c: number): boolean {
    const records = this.#records
    if (!records.isInUse(c)) return false
    const flags = records.flags(c)
    const template = (flags & TEMPLATE) !== 0
    if (template ? records.vport(c) === PORT_INVALID : (flags & KILLED) !== 0) return false
    if (this.#template !== undefined && template !== this.#template) return false
    const protocol = records.protocol(c)
    if (this.#protocol >= 0 && protocol !== this.#protocol) return false
    if (this.#dest !== null && this.#conns.destOf(c) !== this.#dest) return false
    if (this.#clientPort >= 0 && records.cport(c) !== this.#clientPort) return false
    if (this.#realPort >= 0 && records.dport(c) !== this.#realPort) return false
    if (this.#client !== null && !this.#isClientIn(c, this.#client)) return false
    if (this.#real !== null && !this.#isRealIn(c, this.#real)) return false
    if (this.#service !== null && !this.#belongs(c, this.#service)) return false
    return (
      this.#state === undefined || stateName(protocol, records.state(c), template) === this.#state
    )
  }

  /** By its real server; by what it goes to when that is gone. */
  #belongs(c: number, service: Service): boolean {
    const records = this.#records
    const row = this.#conns.destOf(c)?.serviceRow ?? 0
    if (row !== 0) return row === service.row
    if (service.fwmark !== 0) {
      return records.fwmark(c) === (service.fwmark | 0) && records.family(c) === service.family
    }
    return (
      records.fwmark(c) === 0 &&
      records.family(c) === service.family &&
      records.protocol(c) === service.protocol &&
      (service.port === 0 || records.vport(c) === service.port) &&
      records.vaddr(c, 0) === service.w0 &&
      records.vaddr(c, 1) === service.w1 &&
      records.vaddr(c, 2) === service.w2 &&
      records.vaddr(c, 3) === service.w3
    )
  }

  #isClientIn(c: number, prefix: address.Prefix): boolean {
    const records = this.#records
    return address.inPrefix(
      prefix,
      records.family(c),
      records.caddr(c, 0),
      records.caddr(c, 1),
      records.caddr(c, 2),
      records.caddr(c, 3),
    )
  }

  #isRealIn(c: number, prefix: address.Prefix): boolean {
    const records = this.#records
    return address.inPrefix(
      prefix,
      records.destFamily(c),
      records.daddr(c, 0),
      records.daddr(c, 1),
      records.daddr(c, 2),
      records.daddr(c, 3),
    )
  }
}

function prefixOf(endpoint: { address: string } | undefined): address.Prefix | null {
  if (endpoint === undefined) return null
  const prefix = address.parsePrefix(endpoint.address)
  if (prefix === null) throw new OpError('EINVAL', `'${endpoint.address}' is no address or prefix`)
  return prefix
}
