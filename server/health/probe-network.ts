/**
 * Where health checks through a service come from: a network namespace with one wire to this host,
 * whose host end is a port of the dataplane, so that what a probe sends comes in as any client's
 * packets do. Neighbours are written down on both ends: nothing is asked, nothing can be answered
 * wrongly. Servers have to have a route to the probe's addresses by the way they have to clients.
 */
import { existsSync } from 'node:fs'
import { readlink } from 'node:fs/promises'
import { CommandError, run as runCommand, type Run } from '../host/command.js'
import { PROBE_INTERFACE } from '../host/interfaces.js'

export interface ProbeAddresses {
  ipv4: string
  ipv6: string
}

/** RFC 2544's network, and one of RFC 4193 of our own: neither is routed anywhere by chance. */
export const PROBE_ADDRESSES: ProbeAddresses = {
  ipv4: '198.18.255.254',
  ipv6: 'fd53:6c75:6963:65::2',
}
const INNER = 'probe0'
// Locally administered (IEEE 802), the same in every host: the wire leads nowhere else.
const HOST_MAC = '02:53:4c:00:00:01'
const INNER_MAC = '02:53:4c:00:00:02'
const GATEWAY = { ipv4: '169.254.83.1', ipv6: 'fe80::53:4cff:fe00:1' } as const

/** `PROBE_INTERFACE` is its host end, and what the dataplane is to be given as an interface. */
export class ProbeNetwork {
  /** Of the namespace, for whoever opens sockets in it. */
  readonly path: string
  readonly addresses: ProbeAddresses
  readonly #name: string
  readonly #run: Run

  /** `name` is the namespace's, unique on this host. */
  constructor(run: Run, name: string, addresses: ProbeAddresses = PROBE_ADDRESSES) {
    this.#run = run
    this.#name = name
    this.path = `/run/netns/${name}`
    this.addresses = addresses
  }

  /**
   * Makes it anew, whatever is left of another. Returns why it has no IPv6, null when it has. Rejects
   * (ProbeNetworkError), nothing left behind.
   */
  async open(): Promise<string | null> {
    await this.close()
    try {
      await this.#run('ip', ['netns', 'add', this.#name])
      const ends = `link add ${PROBE_INTERFACE} address ${HOST_MAC} type veth`
      const peer = `peer name ${INNER} address ${INNER_MAC} netns ${this.#name}`
      await this.#batch([], [`${ends} ${peer}`])
      const { inner, host } = this.#ipv4Lines()
      await this.#batch(['-n', this.#name], ['link set lo up', `link set ${INNER} up`, ...inner])
      await this.#batch([], [`link set ${PROBE_INTERFACE} up`, ...host])
      return await this.#openIpv6()
    } catch (error) {
      await this.close()
      throw new ProbeNetworkError(error as Error)
    }
  }

  /** The wire goes with the namespace. */
  async close(): Promise<void> {
    await this.#run('ip', ['netns', 'del', this.#name]).catch(() => undefined)
    await this.#run('ip', ['link', 'del', PROBE_INTERFACE]).catch(() => undefined)
  }

  /** For whoever does not open it: what a Sluice that was killed left. */
  async clear(): Promise<void> {
    if (existsSync(this.path)) await this.close()
  }

  /** A host that has switched IPv6 off has no IPv6 services to be probed. */
  async #openIpv6(): Promise<string | null> {
    const { inner, host } = this.#ipv6Lines()
    try {
      await this.#batch(['-n', this.#name], inner)
      await this.#batch([], host)
      return null
    } catch (error) {
      if (!(error instanceof CommandError) || error.exitCode === null) throw error
      return error.message
    }
  }

  #ipv4Lines() {
    const { ipv4 } = this.addresses
    return {
      inner: [
        `addr add ${ipv4}/32 dev ${INNER}`,
        `neigh replace ${GATEWAY.ipv4} lladdr ${HOST_MAC} dev ${INNER} nud permanent`,
        `route replace default via ${GATEWAY.ipv4} dev ${INNER} onlink src ${ipv4}`,
      ],
      host: [
        `neigh replace ${ipv4} lladdr ${INNER_MAC} dev ${PROBE_INTERFACE} nud permanent`,
        `route replace ${ipv4}/32 dev ${PROBE_INTERFACE}`,
      ],
    }
  }

  #ipv6Lines() {
    const { ipv6 } = this.addresses
    return {
      inner: [
        `addr add ${ipv6}/128 dev ${INNER} nodad`,
        `neigh replace ${GATEWAY.ipv6} lladdr ${HOST_MAC} dev ${INNER} nud permanent`,
        `route replace default via ${GATEWAY.ipv6} dev ${INNER} src ${ipv6}`,
      ],
      host: [
        `neigh replace ${ipv6} lladdr ${INNER_MAC} dev ${PROBE_INTERFACE} nud permanent`,
        `route replace ${ipv6}/128 dev ${PROBE_INTERFACE}`,
      ],
    }
  }

  async #batch(options: readonly string[], lines: readonly string[]): Promise<void> {
    await this.#run('ip', [...options, '-batch', '-'], `${lines.join('\n')}\n`)
  }
}

/** In words a person can act on. */
export class ProbeNetworkError extends Error {
  constructor(cause: Error) {
    const hint = /not permitted|denied/i.test(cause.message)
      ? '; it takes root (CAP_SYS_ADMIN)'
      : ''
    super(`--service-probes: the network of probes cannot be made: ${cause.message}${hint}`)
  }
}

/**
 * That of the Sluice in this network namespace, of which there is one at a time: another one on this
 * machine has another name, and the next one here the same, so that it finds what was left.
 */
export async function ownProbeNetwork(run: Run = runCommand): Promise<ProbeNetwork> {
  const [inode] = /\d+/.exec(await readlink('/proc/self/ns/net')) ?? ['0']
  return new ProbeNetwork(run, `sluice-probe-${inode}`)
}
