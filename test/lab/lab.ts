/**
 * A laboratory: network namespaces, the processes in them and a scratch folder. Everything in it
 * is gone after `close`, and also when the process that made it dies of an error or a signal.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Namespace } from './namespace.js'
import { keep, kill, pidsOf, reap, removeNamespace } from './orphans.js'
import type { LabProcess } from './process.js'
import { must, run, runSync } from './run.js'

let labs = 0
const open = new Set<Lab>()

export interface WireEnd {
  host: Namespace
  device: string
}

export class Lab {
  /** Starts the name of everything in this lab, so that two labs never meet. */
  readonly id = `sluice-${process.pid}-${++labs}`
  /** Scratch folder, removed with the lab. */
  readonly folder: string
  readonly #hosts: Namespace[] = []
  readonly #lasting: boolean

  private constructor(lasting: boolean) {
    this.folder = mkdtempSync(join(tmpdir(), `${this.id}-`))
    this.#lasting = lasting
  }

  /**
   * An empty lab. Throws in words a person can act on when this host cannot have one. Programs in a
   * lasting one write to log files in its folder, so that `leave` is possible. What labs of killed
   * processes left is removed first: it takes memory and the processor's time.
   */
  static async open({ lasting = false } = {}): Promise<Lab> {
    if (process.getuid?.() !== 0) {
      throw new Error('network namespaces need root: run this as root (sudo)')
    }
    if ((await run(['ip', '-V'])).code !== 0) {
      throw new Error('the "ip" command is missing: apt-get install iproute2')
    }
    if (open.size === 0) {
      watchForDeath()
      await reap()
    }
    const lab = new Lab(lasting)
    open.add(lab)
    return lab
  }

  get hosts(): readonly Namespace[] {
    return this.#hosts
  }

  /** A new host: its own network, loopback up, IPv6 without the second of address probing. */
  async host(role: string): Promise<Namespace> {
    const host = new Namespace(`${this.id}-${role}`, role, this.#lasting ? this.folder : undefined)
    await must(['ip', 'netns', 'add', host.name])
    this.#hosts.push(host)
    const conf: Record<string, number> = { 'net.ipv6.conf.all.disable_ipv6': 0 }
    for (const scope of ['all', 'default']) {
      conf[`net.ipv4.conf.${scope}.rp_filter`] = 0
      conf[`net.ipv6.conf.${scope}.accept_dad`] = 0
      conf[`net.ipv6.conf.${scope}.accept_ra`] = 0
    }
    await host.sysctl(conf)
    await host.ip('link set lo up')
    return host
  }

  /** A cable between two hosts. */
  async wire(a: WireEnd, b: WireEnd, mtuOctets = 1500): Promise<void> {
    const far = `peer name ${b.device} netns ${b.host.name} mtu ${mtuOctets}`
    await a.host.ip(
      `link add ${a.device} mtu ${mtuOctets} type veth ${far}`,
      `link set ${a.device} up`,
    )
    await b.host.ip(`link set ${b.device} up`)
  }

  /** Leaves everything running when this process ends; returns the command that removes it all. */
  leave(): string {
    open.delete(this)
    keep(this.folder)
    for (const one of this.#processes) one.release()
    const names = this.#hosts.map(host => host.name).join(' ')
    const each = 'ip netns pids $n | xargs -r kill -9; ip netns del $n'
    return `for n in ${names}; do ${each}; done; rm -rf ${this.folder}`
  }

  /** Stops every process, removes every host; returns what could not be removed. */
  async close(): Promise<string[]> {
    await Promise.all(this.#processes.map(one => one.stop('SIGTERM', 3000)))
    await Promise.all(this.#hosts.map(host => removeNamespace(host.name)))
    rmSync(this.folder, { recursive: true, force: true })
    open.delete(this)
    return this.leftovers()
  }

  /** What of this lab still stands: namespaces by name. */
  async leftovers(): Promise<string[]> {
    const names = await must(['ip', 'netns', 'list'])
    return names.split('\n').filter(line => line.startsWith(`${this.id}-`))
  }

  /** As `close`, for a process on its way out. */
  closeSync(): void {
    for (const host of this.#hosts) {
      for (const pid of pidsOf(runSync(['ip', 'netns', 'pids', host.name]))) kill(pid)
      runSync(['ip', 'netns', 'del', host.name])
    }
    rmSync(this.folder, { recursive: true, force: true })
    open.delete(this)
  }

  get #processes(): LabProcess[] {
    return this.#hosts.flatMap(host => host.processes)
  }
}

let watching = false
function watchForDeath(): void {
  if (watching) return
  watching = true
  process.on('exit', () => {
    for (const lab of [...open]) lab.closeSync()
  })
  // `process.exit` runs the handler above; an uncaught exception does too.
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
  process.once('SIGHUP', () => process.exit(129))
}
