/** The network that a configuration describes: interfaces, addresses, routes, neighbours. */
import * as address from '../../dataplane/wire/address.js'
import * as mac from '../../dataplane/wire/mac.js'
import type { Findings } from '../../server/documents/findings.js'
import type { NetworkDocument } from './document.js'

export const MTU_DEFAULT = 1500
export const NO_TIMEOUTS = { tcpS: 0, tcpFinS: 0, udpS: 0 } as const

export interface PlannedInterface {
  name: string
  /** Null: any unicast frame of the capture is for it. */
  mac: mac.Mac | null
  mtuOctets: number
  addresses: address.Prefix[]
}

export interface PlannedRoute {
  destination: address.Prefix
  via: address.Address | null
  /** Index into the interfaces. */
  port: number
}

export interface PlannedNeighbour {
  address: address.Address
  mac: mac.Mac
  port: number
}

export interface NetworkPlan {
  interfaces: PlannedInterface[]
  routes: PlannedRoute[]
  neighbours: PlannedNeighbour[]
}

/** Faults go to `found`; what has none is still read, so that every one is found. */
export function readNetwork(document: NetworkDocument, found: Findings): NetworkPlan {
  return new Reader(document, found).read()
}

class Reader {
  readonly #document: NetworkDocument
  readonly #found: Findings
  readonly #interfaces: PlannedInterface[]

  constructor(document: NetworkDocument, found: Findings) {
    this.#document = document
    this.#found = found
    this.#interfaces = []
  }

  read(): NetworkPlan {
    this.#readInterfaces()
    return {
      interfaces: this.#interfaces,
      routes: this.#each('routes').map(({ at, value }) => ({
        destination: this.#prefix(`${at}/destination`, value.destination) ?? NOWHERE,
        ...this.#hop(at, value.via, value.interface),
      })),
      neighbours: this.#each('neighbours').map(({ at, value }) => {
        const where = this.#address(`${at}/address`, value.address)
        const port = this.#port(at, value.interface, where)
        return { address: where ?? NOWHERE, mac: this.#mac(`${at}/mac`, value.mac), port }
      }),
    }
  }

  #readInterfaces(): void {
    const listed = this.#each('interfaces')
    if (listed.length === 0 && !this.#found.isFaulty('/network'))
      this.#fault('/network/interfaces', 'MISSING_FIELD', 'At least one interface is needed.')
    const names = new Set<string>()
    for (const { at, value } of listed) {
      const { name, mac: macText, mtu, addresses = [] } = value
      if (names.has(name)) this.#fault(`${at}/name`, 'INVALID_VALUE', `'${name}' appears twice.`)
      names.add(name)
      this.#interfaces.push({
        name,
        mac: macText === undefined ? null : this.#mac(`${at}/mac`, macText),
        mtuOctets: mtu ?? MTU_DEFAULT,
        addresses: addresses.flatMap((text, i) => {
          const prefix = this.#prefix(`${at}/addresses/${i}`, text)
          return prefix === null ? [] : [prefix]
        }),
      })
    }
  }

  /** Entries of a list that have the right shape. */
  #each<K extends 'interfaces' | 'routes' | 'neighbours'>(
    name: K,
  ): { at: string; value: NonNullable<NetworkDocument[K]>[number] }[] {
    const list: unknown = this.#document[name]
    if (!Array.isArray(list)) return []
    return (list as NonNullable<NetworkDocument[K]>[number][])
      .map((value, i) => ({ at: `/network/${name}/${i}`, value }))
      .filter(({ at }) => !this.#found.isFaulty(at))
  }

  #hop(at: string, via: string | undefined, interfaceName: string | undefined) {
    const gateway = via === undefined ? null : this.#address(`${at}/via`, via)
    if (via === undefined && interfaceName === undefined) {
      const detail = "A route needs 'via', 'interface' or both."
      this.#fault(at, 'MISSING_FIELD', detail)
    }
    return { via: gateway, port: this.#port(at, interfaceName, gateway) }
  }

  /** By name, else the interface whose network holds the address. */
  #port(at: string, name: string | undefined, near: address.Address | null): number {
    const interfaces = this.#interfaces
    if (name !== undefined) {
      const index = interfaces.findIndex(each => each.name === name)
      if (index < 0) this.#fault(`${at}/interface`, 'INVALID_VALUE', `No interface '${name}'.`)
      return Math.max(0, index)
    }
    if (interfaces.length === 1 || near === null) return 0
    const index = interfaces.findIndex(each => each.addresses.some(p => holds(p, near)))
    if (index >= 0) return index
    const detail = 'No interface has an address in that network; name one.'
    this.#fault(`${at}/interface`, 'MISSING_FIELD', detail)
    return 0
  }

  #address(pointer: string, text: string): address.Address | null {
    const parsed = address.parse(text)
    if (parsed === null) this.#fault(pointer, 'INVALID_ADDRESS', `'${text}' is no IP address.`)
    return parsed
  }

  #prefix(pointer: string, text: string): address.Prefix | null {
    const parsed = address.parsePrefix(text)
    if (parsed === null) {
      const detail = `'${text}' is not an IP address with a prefix length.`
      this.#fault(pointer, 'INVALID_ADDRESS', detail)
    }
    return parsed
  }

  #mac(pointer: string, text: string): mac.Mac {
    const parsed = mac.parse(text)
    if (parsed === null || (parsed.high & 0x0100) !== 0) {
      const detail = `'${text}' is not the hardware address of an interface (02:00:00:00:00:01).`
      this.#fault(pointer, 'INVALID_VALUE', detail)
    }
    return parsed ?? { high: 0, low: 0 }
  }

  #fault(pointer: string, code: Parameters<Findings['add']>[0]['code'], detail: string): void {
    this.#found.add({ pointer, code, detail })
  }
}

/** Stands in for what could not be read. */
const NOWHERE: address.Prefix = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0, prefixLength: 32 }

export const holds = (prefix: address.Prefix, a: address.Address): boolean =>
  address.inPrefix(prefix, a.family, a.w0, a.w1, a.w2, a.w3)
