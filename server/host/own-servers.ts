/**
 * For real servers that are this host itself, with the packet-ring driver: a policy rule that sends
 * what the guard has marked as theirs (guard-ruleset.ts) to the loopback interface, where the
 * dataplane reads it. The table calls every destination local because IPv6 takes no other route
 * through that interface; the guard drops the packets there before anything is delivered.
 */
import { networkInterfaces } from 'node:os'
import { DIVERTED_MARK } from '../../dataplane/limits.js'
import { CommandError, run as runCommand, type Run } from './command.js'

/** Number of our routing table and preference of its rule; high, and unlikely to be in use. */
const ROUTING_TABLE = 7481
const PREFERENCE = 101
const FAMILIES = ['-4', '-6'] as const

const TABLE = ['table', String(ROUTING_TABLE)]
const RULE = [
  ...['preference', String(PREFERENCE)],
  ...['fwmark', `${DIVERTED_MARK}/${DIVERTED_MARK}`, 'lookup', String(ROUTING_TABLE)],
]

export interface OwnServersOptions {
  run?: Run
  /** This host's addresses, of either family. */
  addresses?: () => ReadonlySet<string>
}

export class OwnServers {
  readonly #run: Run
  readonly #addresses: () => ReadonlySet<string>
  readonly #installed = new Set<string>()

  constructor({ run = runCommand, addresses = hostAddresses }: OwnServersOptions = {}) {
    this.#run = run
    this.#addresses = addresses
  }

  /** Installs what real servers at these addresses need; removes it only when `exact`. */
  async follow(servers: Iterable<string>, exact: boolean): Promise<void> {
    const own = this.#addresses()
    const needed = new Set<string>()
    for (const address of servers)
      if (own.has(address)) needed.add(address.includes(':') ? '-6' : '-4')
    for (const family of FAMILIES) {
      if (needed.has(family)) await this.#install(family)
      else if (exact && this.#installed.has(family)) await this.#remove(family)
    }
  }

  /** Takes everything away, also what a killed Sluice left. */
  async uninstall(): Promise<void> {
    for (const family of FAMILIES) await this.#remove(family)
  }

  async #install(family: string): Promise<void> {
    if (this.#installed.has(family)) return
    await this.#run('ip', [family, 'route', 'replace', 'local', 'default', 'dev', 'lo', ...TABLE])
    await this.#run('ip', [family, 'rule', 'add', ...RULE])
    this.#installed.add(family)
  }

  async #remove(family: string): Promise<void> {
    this.#installed.delete(family)
    await this.#ignoringAbsence([family, 'rule', 'del', ...RULE])
    await this.#ignoringAbsence([family, 'route', 'flush', ...TABLE])
  }

  async #ignoringAbsence(args: readonly string[]): Promise<void> {
    try {
      await this.#run('ip', args)
    } catch (error) {
      // Exit code 2 is the kernel's refusal: there was no such rule, table or family.
      if (!(error instanceof CommandError) || error.exitCode !== 2) throw error
    }
  }
}

function hostAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  return new Set(all.map(({ address }) => address))
}
