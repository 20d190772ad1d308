/**
 * Brings packets to the raw sockets of the raw-socket driver. The guard's table (mode `mark`) marks
 * what the dataplane serves; here is the rest of it:
 *
 *  - a policy rule sends marked packets to a routing table that calls every destination local, so
 *    that answers of real servers, addressed to clients, are delivered instead of forwarded;
 *  - `net.ipv4.fwmark_reflect` puts the packet's mark on what the host itself answers (RST, ICMP),
 *    which the table's output chain drops.
 */
import { CommandError, run as runCommand, type Run } from './command.js'
import { RAW_MARK } from './guard-ruleset.js'
import type { Journal } from './journal.js'
import { sysctls as hostSysctls, type Sysctls } from './sysctl.js'

/** Number of our routing table and preference of its rule; high, and unlikely to be in use. */
export const ROUTING_TABLE = 7480
const PREFERENCE = 100
const REFLECT = 'net/ipv4/fwmark_reflect'
const RULE = ['fwmark', `${RAW_MARK}/${RAW_MARK}`, 'lookup', String(ROUTING_TABLE)]

export interface SteeringOptions {
  journal: Journal
  run?: Run
  sysctls?: Sysctls
}

export class Steering {
  readonly #journal: Journal
  readonly #run: Run
  readonly #sysctls: Sysctls

  constructor({ journal, run = runCommand, sysctls = hostSysctls }: SteeringOptions) {
    this.#journal = journal
    this.#run = run
    this.#sysctls = sysctls
  }

  /** Takes away what a killed Sluice left. */
  async recover(): Promise<void> {
    if (Object.keys(this.#journal.read().sysctls).length > 0) await this.uninstall()
  }

  async install(): Promise<void> {
    const record = this.#journal.read()
    this.#journal.write({ ...record, sysctls: { [REFLECT]: this.#sysctls.get(REFLECT) ?? '0' } })
    this.#sysctls.set(REFLECT, '1')
    await this.#run('ip', ['route', 'replace', 'local', 'default', 'dev', 'lo', ...TABLE])
    await this.#run('ip', ['rule', 'add', 'preference', String(PREFERENCE), ...RULE])
  }

  /** Takes everything away again, the kernel's setting back to what it was. */
  async uninstall(): Promise<void> {
    const { sysctls, ...record } = this.#journal.read()
    if (Object.keys(sysctls).length === 0) return
    await this.#ignoringAbsence(['rule', 'del', 'preference', String(PREFERENCE), ...RULE])
    await this.#ignoringAbsence(['route', 'flush', ...TABLE])
    for (const [name, value] of Object.entries(sysctls)) this.#sysctls.set(name, value)
    this.#journal.write({ ...record, sysctls: {} })
  }

  async #ignoringAbsence(args: readonly string[]): Promise<void> {
    try {
      await this.#run('ip', args)
    } catch (error) {
      // Exit code 2 is the kernel's refusal: there was no such rule or table.
      if (!(error instanceof CommandError) || error.exitCode !== 2) throw error
    }
  }
}

const TABLE = ['table', String(ROUTING_TABLE)]
