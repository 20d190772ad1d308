/**
 * Looks after what others take away from the host: every ten seconds, and in the moment in which
 * nftables tells that a table went. Without the packet guard the kernel answers the packets of
 * balanced connections with RST, and every reload of a host's firewall (`nft flush ruleset`) takes
 * the guard away with everything else.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { searchPath } from './command.js'
import { TABLE } from './guard-ruleset.js'

/** Tables that go, a line for each. It needs no cache of the rule set, and ends with us even when we are killed. */
export const MONITOR = ['setpriv', '--pdeathsig', 'KILL', 'nft', 'monitor', 'destroy', 'tables']
/** How often the host is looked at; a monitor that ended is started again then. */
const LOOK_MS = 10_000

export interface HostWatchOptions {
  /** Puts back what is gone; called again only after it is done. */
  verify: () => Promise<void>
  monitor?: readonly string[]
  lookMs?: number
}

export class HostWatch {
  readonly #options: HostWatchOptions
  readonly #looking: NodeJS.Timeout
  #monitor: ChildProcess | null = null
  #running = false
  #again = false

  constructor(options: HostWatchOptions) {
    this.#options = options
    this.#looking = setInterval(() => this.#look(), options.lookMs ?? LOOK_MS)
    this.#listen()
  }

  close(): void {
    clearInterval(this.#looking)
    this.#monitor?.kill('SIGKILL')
  }

  #look(): void {
    this.#listen()
    void this.#verify()
  }

  /** Whatever goes wrong here costs only the early word: there is a look every ten seconds. */
  #listen(): void {
    if (this.#monitor !== null) return
    const [file = '', ...args] = this.#options.monitor ?? MONITOR
    const env = { ...process.env, PATH: searchPath(), LC_ALL: 'C' }
    const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
    this.#monitor = child
    child.on('error', () => (this.#monitor = null))
    child.on('close', () => (this.#monitor = null))
    createInterface(child.stdout).on('line', line => {
      // Our own changes replace the table, too; a look at it costs little.
      if (line === `delete table ${TABLE}`) void this.#verify()
    })
  }

  async #verify(): Promise<void> {
    this.#again = true
    if (this.#running) return
    this.#running = true
    while (this.#again) {
      this.#again = false
      await this.#options.verify()
    }
    this.#running = false
  }
}
