/**
 * What the options have said so far. Order matters where it matters to ipvsadm: `-r` copies the
 * port of a service named before it, `-M` reads a prefix length only behind an IPv6 address, `-6`
 * stands behind `-f`.
 */
import { fail } from './failure.js'
import type { DaemonSpec, DestSpec, Protocol, ServiceKey, ServiceSpec, Timeouts } from './model.js'
import type { Names } from './names.js'
import type { ArgumentId, OptionName } from './options.js'
import * as values from './values.js'

/** Longest names that the kernel's structures hold. */
const NAME_MAX = 15
const MASK4_ALL = '255.255.255.255'
const MASK6_ALL = 128
const MAXLEN_MAX = 65507

export class Draft {
  readonly given = new Set<OptionName>()
  readonly key: ServiceKey = { family: 4, protocol: 'tcp', address: '', port: 0, fwmark: 0 }
  readonly dest: DestSpec = {
    family: 4,
    address: '',
    port: 0,
    forwarding: 'dr',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnel: { type: 'ipip', port: 0, checksum: 'none' },
  }
  readonly daemon: DaemonSpec = {
    ...{ role: 'master', interface: '', syncId: 0, maxLength: 0, group: '', port: 0, ttl: 0 },
  }
  timeouts: Timeouts = { tcpS: 0, tcpFinS: 0, udpS: 0 }
  scheduler = ''
  /** Text of `-b`; read once the scheduler is known, wherever it stood. */
  schedulerFlags: string | null = null
  schedulerFlagBits = 0
  readonly #names: Names
  #engine = ''
  #timeoutS = 0
  #netmask: string | number = MASK4_ALL

  constructor(names: Names) {
    this.#names = names
  }

  service(): ServiceSpec {
    return {
      key: this.key,
      scheduler: this.scheduler,
      schedulerFlags: this.schedulerFlagBits,
      persistence: this.given.has('persistent')
        ? { timeoutS: this.#timeoutS, netmask: this.#netmask }
        : null,
      engine: this.#engine,
      onePacket: this.given.has('ops'),
    }
  }

  setRole(command: 'startDaemon' | 'stopDaemon', role: string): void {
    if (role === 'master' || role === 'backup') this.daemon.role = role
    else if (command === 'startDaemon') fail('illegal start-daemon parameter specified')
    // The same for stopping.
    else fail('illegal start_daemon specified')
  }

  /** Takes an option behind the command; false when it is a command itself. */
  async take(id: ArgumentId, given: string | null): Promise<boolean> {
    const value = given ?? ''
    switch (id) {
      case 'tcp':
      case 'udp':
      case 'sctp':
        this.#once('service-address')
        await this.#takeService(id, value)
        return true
      case 'fwmark':
        this.#once('service-address')
        this.key.protocol = 'tcp'
        this.key.fwmark = values.fwmark(value)
        return true
      case 'ipv6':
        // The line is followed by an empty one.
        if (this.key.fwmark === 0) fail('-6 used before -f\n')
        this.key.family = 6
        this.#netmask = MASK6_ALL
        return true
      case 'real-server':
        this.#once(id)
        await this.#takeServer(value)
        return true
      case 'masq':
      case 'tunnel':
      case 'dr':
        this.#once('forwarding-method')
        this.dest.forwarding = id
        return true
      case 'sort':
        return true
      default:
        if (!this.#isOption(id)) return false
        this.#once(id)
        this.#takeServiceOption(id, given)
        this.#takeServerOption(id, value)
        this.#takeDaemonOption(id, value)
        return true
    }
  }

  #isOption(id: ArgumentId): id is Extract<ArgumentId, OptionName> {
    return !COMMAND_IDS.has(id)
  }

  #once(option: OptionName): void {
    if (this.given.has(option)) fail(`multiple '${option}' options specified`)
    this.given.add(option)
  }

  async #takeService(protocol: Protocol, text: string): Promise<void> {
    const { key } = this
    key.protocol = protocol
    const parsed = await values.endpoint(text, protocol, this.#names)
    if (parsed === null) fail('illegal virtual server address[:port] specified')
    key.family = parsed.family
    key.address = parsed.address
    key.port = parsed.port ?? 0
    if (parsed.family === 6) this.#netmask = MASK6_ALL
  }

  async #takeServer(text: string): Promise<void> {
    // Without a service in front of it there is no protocol to look a port's name up in.
    const protocol = this.given.has('service-address') ? this.key.protocol : null
    const parsed = await values.endpoint(text, protocol, this.#names)
    if (parsed === null) fail('illegal real server address[:port] specified')
    this.dest.family = parsed.family
    this.dest.address = parsed.address
    this.dest.port = parsed.port ?? this.key.port
  }

  #takeServiceOption(option: OptionName, given: string | null): void {
    const text = given ?? ''
    switch (option) {
      case 'scheduler':
        this.scheduler = text.slice(0, NAME_MAX)
        break
      case 'persistent':
        this.#timeoutS = given === null ? values.TIMEOUT_DEFAULT_S : values.timeoutS(text, 1)
        break
      case 'netmask':
        this.#netmask = this.key.family === 6 ? values.netmask6(text) : values.netmask4(text)
        break
      case 'pe':
        this.#engine = text.slice(0, NAME_MAX)
        break
      case 'sched-flags':
        this.schedulerFlags = text
        break
      default:
    }
  }

  #takeServerOption(option: OptionName, text: string): void {
    const { dest } = this
    const { tunnel } = dest
    switch (option) {
      case 'weight':
        dest.weight = values.bounded(text, 0, values.INT_MAX, 'illegal weight specified')
        break
      case 'u-threshold':
        dest.upperThreshold = values.bounded(text, 0, values.INT_MAX, illegal('u_threshold'))
        break
      case 'l-threshold':
        dest.lowerThreshold = values.bounded(text, 0, values.INT_MAX, illegal('l_threshold'))
        break
      case 'tun-type':
        tunnel.type = values.tunnelType(text)
        break
      case 'tun-port':
        tunnel.port = values.bounded(text, 1, 65535, illegal('tunnel port'))
        break
      case 'tun-nocsum':
        tunnel.checksum = 'none'
        break
      case 'tun-csum':
        tunnel.checksum = 'checksum'
        break
      case 'tun-remcsum':
        tunnel.checksum = 'remote'
        break
      default:
    }
  }

  #takeDaemonOption(option: OptionName, text: string): void {
    const { daemon } = this
    switch (option) {
      case 'mcast-interface':
        daemon.interface = text.slice(0, NAME_MAX)
        break
      case 'syncid':
        daemon.syncId = values.bounded(text, 0, 255, illegal('syncid'))
        break
      case 'sync-maxlen':
        daemon.maxLength = values.bounded(text, 1, MAXLEN_MAX, illegal('sync-maxlen'))
        break
      case 'mcast-group':
        daemon.group = values.multicastGroup(text)
        break
      case 'mcast-port':
        daemon.port = values.bounded(text, 1, 65535, illegal('mcast-port'))
        break
      case 'mcast-ttl':
        daemon.ttl = values.bounded(text, 1, 255, illegal('mcast-ttl'))
        break
      default:
    }
  }
}

const illegal = (what: string): string => `illegal ${what} specified`

const COMMAND_IDS: ReadonlySet<ArgumentId> = new Set<ArgumentId>([
  ...(['add', 'edit', 'delete', 'flush', 'list', 'zero', 'addServer', 'editServer'] as const),
  ...(['deleteServer', 'timeouts', 'restore', 'save', 'startDaemon', 'stopDaemon'] as const),
  ...(['help', 'version'] as const),
])
