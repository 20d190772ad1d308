/** The appliance itself, started as a user would start it, inside a director. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { API, mustCall } from './api.js'
import { DIRECTOR_DEVICES } from './cast.js'
import type { Director, ServerSpec, ServiceSpec } from './director.js'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'
import type { LabProcess } from './process.js'
import { built, program, SLUICE } from './root.js'

export type DriverName = 'packet-ring' | 'raw-socket'

export interface SluiceOptions {
  driver?: DriverName
  interfaces?: readonly string[]
  /** Preload lab/programs/worker-killer.ts, so that `loseWorker` works. */
  killable?: boolean
  /** File that bench/programs/turn-clock.ts, preloaded then, writes where the time of turns goes. */
  turnClock?: string
  /** In front of the command: what it is started by. */
  by?: readonly string[]
  /** Dataplane threads; what SLUICE_WORKERS says when absent, so that a whole run can have more. */
  workers?: number
  /** Further arguments, e.g. `--connections-max 1000000`. */
  serveArgs?: readonly string[]
  /** Over TCP it wants a token, which its admin socket gives. */
  auth?: boolean
  /** File in the lab's folder, for a second appliance with services of its own. */
  database?: string
}

const SERVICES = '/v1/virtual-services'

export class Sluice implements Director {
  readonly name: string
  readonly host: Namespace
  readonly database: string
  readonly #options: SluiceOptions
  #process: LabProcess | null = null

  constructor(lab: Lab, host: Namespace, options: SluiceOptions = {}) {
    this.host = host
    this.database = join(lab.folder, options.database ?? 'sluice.db')
    this.#options = options
    this.name = `sluice ${options.driver ?? 'packet-ring'}`
  }

  static async start(lab: Lab, host: Namespace, options: SluiceOptions = {}): Promise<Sluice> {
    const sluice = new Sluice(lab, host, options)
    await sluice.start()
    return sluice
  }

  /** The command, without the interpreter: what a person would type after `sluice`. */
  get args(): string[] {
    const interfaces = this.#options.interfaces ?? DIRECTOR_DEVICES
    return [
      'serve',
      ...['--listen', API, '--database', this.database],
      ...(this.#options.auth === true ? [] : ['--no-auth']),
      ...interfaces.flatMap(device => ['--interface', device]),
      ...['--driver', this.#options.driver ?? 'packet-ring'],
      ...(this.#options.serveArgs ?? []),
    ]
  }

  /** Starts it on its database and waits for its one line on standard output. */
  async start(): Promise<string> {
    const { driver, workers, killable, turnClock } = this.#options
    const preload = [
      ...(killable ? [program('worker-killer')] : []),
      ...(turnClock === undefined ? [] : [program('turn-clock', 'bench')]),
    ].flatMap(path => ['--import', pathToFileURL(path).href])
    const by = this.#options.by ?? []
    const command = [...by, process.execPath, ...preload, built(SLUICE), ...this.args]
    // tap's coverage hooks are for the test's own process.
    const count = driver === 'raw-socket' ? '' : (workers ?? process.env['SLUICE_WORKERS'] ?? '')
    const env = {
      NODE_OPTIONS: '',
      NODE_V8_COVERAGE: '',
      SLUICE_WORKERS: String(count),
      TURN_CLOCK: turnClock ?? '',
    }
    this.#process = this.host.start(command, { name: 'sluice', env })
    const [line] = await this.#process.waitFor(/^sluice ready.*\n/m, 60_000)
    return line.trim()
  }

  get process(): LabProcess {
    if (!this.#process) throw new Error('sluice was not started')
    return this.#process
  }

  async putService(name: string, { realServers, ...service }: ServiceSpec): Promise<void> {
    await this.api('PUT', `${SERVICES}/${name}`, { ...service, realServers })
  }

  async putServer(service: string, name: string, server: ServerSpec): Promise<void> {
    await this.api('PUT', `${SERVICES}/${service}/real-servers/${name}`, server)
  }

  async deleteServer(service: string, name: string): Promise<void> {
    await this.api('DELETE', `${SERVICES}/${service}/real-servers/${name}`)
  }

  async deleteService(name: string): Promise<void> {
    await this.api('DELETE', `${SERVICES}/${name}`)
  }

  api(method: string, path: string, body?: unknown): Promise<unknown> {
    return mustCall(this.host, method, path, body)
  }

  /** Ends the dataplane thread under the running appliance. */
  loseWorker(): void {
    this.process.signal('SIGUSR2')
  }

  /** SIGTERM; an exit status other than 0 is an error that quotes its log. */
  async stop(): Promise<void> {
    const status = await this.process.stop('SIGTERM', 10_000)
    if (status === 0) return
    throw new Error(`sluice ended with ${status}:\n${this.process.stderr.slice(-3000)}`)
  }
}
