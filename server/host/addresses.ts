/**
 * The VIPs that Sluice itself puts on interfaces, as /32 and /128. What was there before is used
 * and left alone, also at the end. Several services may want one address: it goes with the last.
 */
import { isIP } from 'node:net'
import { Problem } from '../errors.js'
import { parseAddress } from '../ip-address.js'
import type { Announcement } from '../dataplane/host-state.js'
import { run as runCommand, type Run } from './command.js'
import { listInterfaces, type HostInterface } from './interfaces.js'
import type { Journal, OwnedAddress } from './journal.js'
import { inSubnet } from './subnet.js'

export interface WantedAddress {
  address: string
  /** Interface asked for by name; found by route when absent. */
  interface?: string
  /** Who wants it, for messages. */
  service: string
}

export interface AddressesOptions {
  /** Interfaces of the dataplane, in the order they were named. */
  interfaces: readonly string[]
  journal: Journal
  run?: Run
}

export class Addresses {
  readonly #interfaces: readonly string[]
  readonly #journal: Journal
  readonly #run: Run
  /** How many services want each address. */
  readonly #wanted = new Map<string, number>()
  /** What we have added, by address. */
  readonly #owned = new Map<string, OwnedAddress>()

  constructor({ interfaces, journal, run = runCommand }: AddressesOptions) {
    this.#interfaces = interfaces
    this.#journal = journal
    this.#run = run
  }

  /** Takes over what a killed Sluice left; what no service wants goes with the next `trim`. */
  async adopt(): Promise<readonly OwnedAddress[]> {
    const left = this.#journal.read().addresses
    if (left.length === 0) return []
    const present = await listInterfaces(this.#run)
    for (const each of left) {
      const found = present.find(link => link.name === each.interface)
      if (found?.ifIndex === each.ifIndex && holds(found, each.address, true))
        this.#owned.set(each.address, each)
    }
    this.#record()
    return [...this.#owned.values()]
  }

  /** Adds what is missing; all or nothing. Returns what is ours and newly wanted, to be announced. */
  async add(wanted: readonly WantedAddress[]): Promise<Announcement[]> {
    const fresh = this.#fresh(wanted)
    const adopted = [...fresh.keys()].filter(address => this.#owned.has(address))
    const added = fresh.size > adopted.length ? await this.#addMissing(fresh) : []
    for (const { address } of wanted) this.#count(canonical(address), 1)
    return [...adopted.map(address => this.#owned.get(address)!), ...added].map(
      ({ address, interface: name }) => ({ address, interface: name }),
    )
  }

  /** Rejects when these could not be added; changes nothing. */
  async examine(wanted: readonly WantedAddress[]): Promise<void> {
    const fresh = this.#fresh(wanted)
    if ([...fresh.keys()].every(address => this.#owned.has(address))) return
    for (const each of await this.#missing(fresh))
      if (isIP(each.address) === 6) await this.#examineIpv6(each)
  }

  /** Takes back as many wishes as were added; the addresses stay until `trim`. */
  release(wanted: readonly WantedAddress[]): void {
    for (const { address } of wanted) this.#count(canonical(address), -1)
  }

  /** Takes off what is ours and nobody wants any more. */
  async trim(): Promise<void> {
    const stale = [...this.#owned.values()].filter(({ address }) => !this.#wanted.has(address))
    await this.#remove(stale)
  }

  /**
   * Puts back what somebody took away: the kernel drops IPv6 addresses of an interface that goes
   * down, an administrator may flush it. Returns what is to be announced again.
   */
  async repair(): Promise<Announcement[]> {
    if (this.#owned.size === 0) return []
    const present = await listInterfaces(this.#run)
    const lost = [...this.#owned.values()].filter(each => {
      const link = present.find(found => found.name === each.interface)
      return link?.up && !holds(link, each.address, true)
    })
    if (lost.length === 0) return []
    await this.#add(lost)
    return lost.map(({ address, interface: name }) => ({ address, interface: name }))
  }

  /** Takes off everything that is ours. */
  async removeAll(): Promise<void> {
    this.#wanted.clear()
    await this.#remove([...this.#owned.values()])
  }

  /** Those that nobody wanted so far, each once. */
  #fresh(wanted: readonly WantedAddress[]): ReadonlyMap<string, WantedAddress> {
    const fresh = new Map<string, WantedAddress>()
    for (const each of wanted) {
      const address = canonical(each.address)
      if (!this.#wanted.has(address) && !fresh.has(address)) fresh.set(address, each)
    }
    return fresh
  }

  /** Those of them that the host does not have, and where they belong. */
  async #missing(fresh: ReadonlyMap<string, WantedAddress>): Promise<OwnedAddress[]> {
    const present = await listInterfaces(this.#run)
    const missing: OwnedAddress[] = []
    for (const [address, wanted] of fresh) {
      const link = await this.#place(address, wanted, present)
      const there = present.some(each => holds(each, address, false))
      if (!there && !this.#owned.has(address))
        missing.push({ address, interface: link.name, ifIndex: link.ifIndex })
    }
    return missing
  }

  async #addMissing(fresh: ReadonlyMap<string, WantedAddress>): Promise<OwnedAddress[]> {
    const missing = await this.#missing(fresh)
    if (missing.length === 0) return []
    for (const each of missing) this.#owned.set(each.address, each)
    this.#record()
    try {
      await this.#add(missing)
    } catch (error) {
      await this.#remove(missing)
      throw error
    }
    return missing
  }

  /** The interface where an address belongs; refuses one that is named and does not exist. */
  async #place(
    address: string,
    { interface: name, service }: WantedAddress,
    present: readonly HostInterface[],
  ): Promise<HostInterface> {
    const candidates = this.#interfaces.flatMap(each => present.filter(link => link.name === each))
    if (name !== undefined) {
      const named = present.find(link => link.name === name)
      if (named) return named
      const there = candidates.map(link => link.name).join(', ')
      throw new Problem(
        'INTERFACE_NOT_FOUND',
        `Virtual service '${service}' wants its address on interface ${name}, which this host does ` +
          `not have. Interfaces in use: ${there}.`,
      )
    }
    const byRoute = mostSpecific(address, candidates)
    if (byRoute) return byRoute
    const gateway = await this.#defaultRoute(isIP(address) === 6 ? '-6' : '-4')
    const found = candidates.find(link => link.name === gateway) ?? candidates[0]
    if (found) return found
    throw new Problem('INTERFACE_NOT_FOUND', `No interface is left to put ${address} on.`)
  }

  /** Interface of the default route with the lowest metric, if there is one. */
  async #defaultRoute(family: '-4' | '-6'): Promise<string | null> {
    const text = await this.#run('ip', ['-j', family, 'route', 'show', 'default'])
    const routes = JSON.parse(text || '[]') as { dev?: string; metric?: number }[]
    routes.sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0))
    return routes[0]?.dev ?? null
  }

  async #remove(stale: readonly OwnedAddress[]): Promise<void> {
    if (stale.length === 0) return
    // One by one where it matters: an address or its interface may be gone already.
    const lines = stale.map(
      ({ address, interface: name }) => `addr del ${prefixOf(address)} dev ${name}`,
    )
    const failure = await this.#run('ip', ['-force', '-batch', '-'], lines.join('\n') + '\n').then(
      () => null,
      (error: Error) => error,
    )
    const left = failure === null ? [] : await this.#leftOf(stale)
    for (const each of stale) if (!left.includes(each)) this.#owned.delete(each.address)
    this.#record()
    // `ip` also complains about what was gone already, which is as wanted.
    if (left.length > 0) throw failure!
  }

  async #leftOf(stale: readonly OwnedAddress[]): Promise<readonly OwnedAddress[]> {
    const present = await listInterfaces(this.#run)
    return stale.filter(({ address, interface: name }) =>
      present.some(link => link.name === name && holds(link, address, true)),
    )
  }

  async #add(addresses: readonly OwnedAddress[]): Promise<void> {
    try {
      await this.#batch(addresses.map(additionOf))
    } catch (error) {
      throw refusalOf(addresses, error)
    }
  }

  /** The one refusal of the kernel's that can be foreseen: where IPv6 is off, it takes no address. */
  async #examineIpv6(wanted: OwnedAddress): Promise<void> {
    const file = `/proc/sys/net/ipv6/conf/${wanted.interface}/disable_ipv6`
    // A kernel without IPv6 has no such file.
    const isOff = await this.#run('cat', [file]).then(
      text => text.trim() !== '0',
      () => true,
    )
    if (isOff) throw refusalOf([wanted], new Error('IPv6 is disabled'))
  }

  async #batch(lines: readonly string[]): Promise<void> {
    await this.#run('ip', ['-batch', '-'], lines.join('\n') + '\n')
  }

  #record(): void {
    this.#journal.write({ ...this.#journal.read(), addresses: [...this.#owned.values()] })
  }

  #count(address: string, change: 1 | -1): void {
    const count = (this.#wanted.get(address) ?? 0) + change
    if (count > 0) this.#wanted.set(address, count)
    else this.#wanted.delete(address)
  }
}

/** As the kernel writes it, so that texts can be compared. */
const canonical = (address: string) => parseAddress(address)?.text ?? address

const prefixOf = (address: string) => `${address}/${isIP(address) === 6 ? 128 : 32}`

/**
 * IPv6: no duplicate address detection, which would leave the address unusable for a second and
 * for ever after a failover; and deprecated, so that the host does not pick the VIP as the source
 * of its own connections (RFC 6724 rule 3).
 */
function additionOf({ address, interface: name }: OwnedAddress): string {
  const extra = isIP(address) === 6 ? ' nodad preferred_lft 0' : ''
  return `addr add ${prefixOf(address)} dev ${name}${extra}`
}

function refusalOf(addresses: readonly OwnedAddress[], error: unknown): Error {
  const places = addresses.map(each => `${each.address} on ${each.interface}`).join(', ')
  return new Error(`could not put ${places}: ${hintOf(error as Error)}`, { cause: error })
}

/** What the kernel means when it refuses an address. */
function hintOf(error: Error): string {
  // Kernels before 6.x say no more than EACCES for an IPv6 address where IPv6 is off.
  if (!/Permission denied|IPv6 is disabled/.test(error.message)) return error.message
  return `${error.message} (sysctl net.ipv6.conf.<interface>.disable_ipv6)`
}

/** Whether the interface has the address; `whole`: as a host address, as we would have added it. */
function holds(link: HostInterface, address: string, whole: boolean): boolean {
  const bits = isIP(address) === 6 ? 128 : 32
  return link.addresses.some(
    each => each.address === address && (!whole || each.prefixLength === bits),
  )
}

/** The interface with the smallest subnet that holds the address. */
function mostSpecific(address: string, links: readonly HostInterface[]): HostInterface | null {
  let best: HostInterface | null = null
  let bestLength = -1
  for (const link of links)
    for (const { address: member, prefixLength } of link.addresses)
      if (prefixLength > bestLength && inSubnet(address, member, prefixLength)) {
        best = link
        bestLength = prefixLength
      }
  return best
}
