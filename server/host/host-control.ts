/** What the control plane asks of a Linux host: VIPs, the packet guard, steering for raw sockets. */
import type { Logger } from 'pino'
import type { DriverName } from '../config.js'
import { Problem } from '../errors.js'
import type { Announcement, HostControl, HostService, HostState } from '../dataplane/host-state.js'
import { Addresses, type WantedAddress } from './addresses.js'
import { run as runCommand, type Run } from './command.js'
import type { Guarded } from './guard-elements.js'
import { markPlans } from './guard-marks.js'
import { listInterfaces } from './interfaces.js'
import type { Journal } from './journal.js'
import { OwnServers } from './own-servers.js'
import { PacketGuard } from './packet-guard.js'
import { Steering } from './steering.js'

export interface LinuxHostOptions {
  driver: DriverName
  interfaces: readonly string[]
  /** Further ones that the dataplane reads, where no address belongs. */
  alsoRead?: readonly string[]
  journal: Journal
  logger: Logger
  run?: Run
  /**
   * Which of these endpoints the dataplane still handles. Without it none is: they are given back
   * to the host as soon as no service wants them.
   */
  stillHeld?: (endpoints: readonly Guarded[]) => Promise<readonly boolean[]>
}

export class LinuxHost implements HostControl {
  readonly #driver: DriverName
  readonly #interfaces: readonly string[]
  readonly #run: Run
  readonly #logger: Logger
  readonly #addresses: Addresses
  readonly #guard: PacketGuard
  readonly #steering: Steering
  /** Null with a driver that cannot serve real servers on this host. */
  readonly #own: OwnServers | null
  /** Services whose needs the host meets now; identity tells an edited one from an unchanged one. */
  readonly #held = new Set<HostService>()
  /** Those of them that a firewall mark leads to. */
  readonly #heldByMark = new Set<HostService>()
  /** Endpoints that no service wants any more, but whose connections the dataplane still has. */
  #lingering: readonly Guarded[] = []
  readonly #stillHeld: NonNullable<LinuxHostOptions['stillHeld']>
  /** Everything that touches the host, one after the other. */
  #queue: Promise<unknown> = Promise.resolve()
  #stopped = false

  constructor(options: LinuxHostOptions) {
    const { driver, interfaces, alsoRead = [], journal, logger, run = runCommand } = options
    this.#driver = driver
    this.#interfaces = interfaces
    this.#run = run
    this.#stillHeld = options.stillHeld ?? (async endpoints => endpoints.map(() => false))
    this.#logger = logger
    this.#addresses = new Addresses({ interfaces, journal, run })
    this.#guard = new PacketGuard({
      interfaces: [...interfaces, ...alsoRead],
      mode: driver === 'raw-socket' ? 'mark' : 'drop',
      run,
    })
    this.#steering = new Steering({ journal, run })
    this.#own = driver === 'raw-socket' ? null : new OwnServers({ run })
  }

  /** Takes over what a killed Sluice left and prepares the host; before the first state. */
  start(): Promise<void> {
    return this.#exclusive(async () => {
      const left = await this.#addresses.adopt()
      if (left.length > 0) {
        const addresses = left.map(each => `${each.address} on ${each.interface}`)
        this.#logger.info({ addresses }, 'took over the addresses that an earlier run left')
      }
      await this.#steering.recover()
      if (this.#driver === 'raw-socket') await this.#steering.install()
      await this.#own?.uninstall()
    })
  }

  examine(desired: HostState): Promise<void> {
    return this.#exclusive(async () => {
      const fresh = await this.#freshOf(desired)
      if (fresh.length === 0) return
      await this.#guard.examine(guardedBy(fresh), markPlans([...this.#heldByMark, ...fresh]))
      await this.#addresses.examine(fresh.flatMap(wantedOf))
    })
  }

  beforeApply(desired: HostState): Promise<readonly Announcement[]> {
    return this.#exclusive(async () => {
      const fresh = await this.#freshOf(desired)
      // Guarded first: an address that exists before its guard would be answered by the kernel.
      await this.#guard.add(guardedBy(fresh))
      const wanted = fresh.flatMap(wantedOf)
      let announcements: Announcement[]
      try {
        await this.#guard.setMarks(markPlans([...this.#heldByMark, ...fresh]))
        if (fresh.length > 0) await this.#own?.follow(realServersOf(fresh), false)
        announcements = await this.#addresses.add(wanted)
      } catch (error) {
        await this.#guard.setMarks(markPlans(this.#heldByMark))
        await this.#guard.remove(guardedBy(fresh))
        throw error
      }
      for (const service of fresh) this.#hold(service)
      return announcements
    })
  }

  afterApply(desired: HostState): Promise<void> {
    return this.#exclusive(async () => {
      if (this.#stopped) return
      const needed = new Set(desired)
      await this.#letGo([...this.#held].filter(service => !needed.has(service)))
    })
  }

  release(stale: HostState): Promise<void> {
    return this.#exclusive(async () => {
      if (this.#stopped || stale.length === 0) return
      await this.#letGo(stale.filter(service => this.#held.has(service)))
    })
  }

  async #letGo(stale: HostState): Promise<void> {
    for (const service of stale) {
      this.#held.delete(service)
      this.#heldByMark.delete(service)
    }
    this.#addresses.release(stale.flatMap(wantedOf))
    // In the opposite order: the address goes before its guard.
    await this.#addresses.trim()
    // A mark that no service asks for means nothing, also to connections that it once had.
    await this.#guard.setMarks(markPlans(this.#heldByMark))
    await this.#linger([...guardedBy(stale)])
    await this.#giveBack()
    if (stale.length > 0) await this.#followOwn()
  }

  #hold(service: HostService): void {
    this.#held.add(service)
    if ('fwmark' in service.key) this.#heldByMark.add(service)
  }

  async #linger(stale: readonly Guarded[]): Promise<void> {
    // FTP's data connections may be gone before the endpoint's other connections are.
    const plain = stale.filter(({ ftp }) => ftp).map(each => ({ ...each, ftp: false }))
    await this.#guard.add(plain)
    this.#lingering = [...this.#lingering, ...stale, ...plain]
  }

  /** Connections to a deleted real server on this host go on, so its answers are still diverted. */
  async #followOwn(): Promise<void> {
    const left = this.#lingering.filter(({ role }) => role === 'real')
    const addresses = [...realServersOf(this.#held), ...left.map(({ address }) => address)]
    await this.#own?.follow(addresses, true)
  }

  /** Takes the guard off the endpoints that have no connections any more. */
  async #giveBack(): Promise<void> {
    const asked = this.#lingering
    if (asked.length === 0) return
    // A dataplane that cannot answer keeps what it has; the next check asks again.
    const held = await this.#stillHeld(asked).catch(() => asked.map(() => true))
    await this.#guard.remove(asked.filter((_, i) => held[i] !== true))
    this.#lingering = asked.filter((_, i) => held[i] === true)
  }

  /** Mends what somebody else took away from under us; returns what is to be announced again. */
  verify(): Promise<readonly Announcement[]> {
    return this.#exclusive(async () => {
      if (this.#stopped) return []
      // First: while it is gone, the kernel resets connections.
      if (await this.#guard.verify())
        this.#logger.warn('the packet guard was gone from nftables and has been put back')
      await this.#giveBack()
      // An address may have come to this host, or gone, since the service was made.
      await this.#followOwn()
      const announcements = await this.#addresses.repair()
      for (const each of announcements)
        this.#logger.warn({ ...each }, 'a virtual address was gone and has been put back')
      return announcements
    })
  }

  /** Takes everything off the host, each part even when another cannot be. */
  stop(): Promise<void> {
    return this.#exclusive(async () => {
      this.#stopped = true
      const failures: unknown[] = []
      const attempt = (work: Promise<void>) => work.catch((error: unknown) => failures.push(error))
      await attempt(this.#addresses.removeAll())
      await attempt(this.#steering.uninstall())
      if (this.#own !== null) await attempt(this.#own.uninstall())
      await attempt(this.#guard.uninstall())
      if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '))
    })
  }

  /** What the host does not provide yet; rejects when the driver could not serve it. */
  async #freshOf(desired: HostState): Promise<HostState> {
    if (this.#stopped) throw new Problem('SHUTTING_DOWN', 'Sluice is stopping.')
    const fresh = desired.filter(service => !this.#held.has(service))
    for (const service of fresh) await this.#refuse(service)
    return fresh
  }

  /** The raw-socket driver is told of IPv4 packets only, and sends through the host's routing. */
  async #refuse(service: HostService): Promise<void> {
    if (this.#driver !== 'raw-socket') return
    const why = rawSocketRefusal(service, this.#interfaces) ?? (await this.#ownTunnelEnd(service))
    if (why === null) return
    const detail = `Virtual service '${service.name}' ${why}. Start Sluice with --driver packet-ring.`
    throw new Problem('NOT_SUPPORTED_YET', detail)
  }

  /** What is handed to the host's own stack would come in by the raw sockets again, for ever. */
  async #ownTunnelEnd({ tunnelEnds = [] }: HostService): Promise<string | null> {
    if (tunnelEnds.length === 0) return null
    const links = await listInterfaces(this.#run)
    const own = links.flatMap(({ addresses }) => addresses.map(({ address }) => address))
    const end = tunnelEnds.find(address => own.includes(address))
    return end === undefined
      ? null
      : `has a tunnel to ${end}, an address of this host, which the raw-socket driver cannot serve`
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined)
    return result
  }
}

/** Why the raw-socket driver cannot serve it, null when it can. */
function rawSocketRefusal(service: HostService, interfaces: readonly string[]): string | null {
  const { key, forwardings = [], tunnelEnds = [], markRules = [] } = service
  if (key.family === 'ipv6')
    return 'is IPv6, which the raw-socket driver cannot serve: a raw IPv6 socket hands over no header'
  if (forwardings.includes('dr'))
    return (
      "has a real server with forwarding 'dr', which the raw-socket driver cannot do: it sends no " +
      'Ethernet frames of its own'
    )
  if (forwardings.includes('local'))
    return (
      "has a real server with forwarding 'local', which the raw-socket driver cannot do: it would " +
      'receive again what it gives to this host'
    )
  if (tunnelEnds.some(address => address.includes(':')))
    return 'has a tunnel over IPv6, which the raw-socket driver cannot send'
  const named = markRules.some(rule => rule.interface !== null && rule.family === 'ipv4')
  if ('fwmark' in key && named && interfaces.length > 1)
    return (
      'depends on a mark rule for one interface, and the raw-socket driver does not know by which ' +
      'one a packet came in'
    )
  return null
}

/** May be gone through more than once. */
const guardedBy = (services: HostState): Iterable<Guarded> => ({
  *[Symbol.iterator]() {
    for (const service of services) yield* guardedOf(service)
  },
})

/** Endpoints whose packets belong to the dataplane. A firewall mark has no address of its own. */
function* guardedOf({ key, dests, ftp = false }: HostService): Generator<Guarded> {
  if (!('fwmark' in key)) {
    const { address, protocol, port } = key
    yield { role: 'vip', address, protocol, port, ftp }
  }
  for (const { address, protocol, port } of dests) {
    // Any service by mark may have FTP connections. On port 0 every port is guarded anyhow.
    const data = protocol === 'tcp' && port !== 0 && ('fwmark' in key || ftp)
    yield { role: 'real', address, protocol, port, ftp: data }
  }
}

/** Addresses of masquerading real servers. */
function* realServersOf(services: Iterable<HostService>): Generator<string> {
  for (const { dests } of services) for (const { address } of dests) yield address
}

function wantedOf({ key, manageAddress, interface: name, ...rest }: HostService): WantedAddress[] {
  if (!manageAddress || 'fwmark' in key) return []
  const wanted = { address: key.address, service: rest.name }
  return [name === undefined ? wanted : { ...wanted, interface: name }]
}
