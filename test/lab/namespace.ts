import { cpus } from 'node:os'
import { join } from 'node:path'
import { LabProcess, type ProcessOptions } from './process.js'
import { must, run, type Output, type RunOptions } from './run.js'

/** A network namespace: a host of the lab. Made and removed by `Lab`. */
export class Namespace {
  /** As `ip netns` knows it. */
  readonly name: string
  /** What it is in the lab: client, director, … */
  readonly role: string
  readonly #started: LabProcess[] = []
  readonly #logFolder: string | undefined

  /** With a folder for logs, what is started in it outlives this process. */
  constructor(name: string, role: string, logFolder?: string) {
    this.name = name
    this.role = role
    this.#logFolder = logFolder
  }

  /** The command line that runs `command` in here; `ip` replaces itself, so the pid is the command's. */
  enter(command: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.name, ...command]
  }

  run(command: readonly string[], options?: RunOptions): Promise<Output> {
    return run(this.enter(command), options)
  }

  must(command: readonly string[], options?: RunOptions): Promise<string> {
    return must(this.enter(command), options)
  }

  /** Starts a program that runs until it is stopped or the lab is closed. */
  start(command: readonly string[], options: ProcessOptions = {}): LabProcess {
    const name = options.name ?? `${this.role}: ${command.join(' ')}`
    const log = this.#logFolder && {
      log: join(this.#logFolder, `${this.role}-${this.#started.length}.log`),
    }
    const started = new LabProcess(this.enter(command), { ...options, ...log, name })
    this.#started.push(started)
    return started
  }

  get processes(): readonly LabProcess[] {
    return this.#started
  }

  /** Runs lines of `ip` (without the word), all in one process. */
  async ip(...lines: readonly string[]): Promise<void> {
    await must(['ip', '-n', this.name, '-force', '-batch', '-'], { input: lines.join('\n') + '\n' })
  }

  /** Sets kernel parameters, e.g. `net.ipv4.ip_forward: 1`. */
  async sysctl(settings: Readonly<Record<string, string | number>>): Promise<void> {
    const write = ([key, value]: [string, string | number]) =>
      `echo '${value}' > /proc/sys/${key.replaceAll('.', '/')}`
    await this.must(['sh', '-ec', Object.entries(settings).map(write).join('\n')])
  }

  /** Switches segmentation and checksum offload of an interface on or off. */
  async offload(device: string, on: boolean): Promise<void> {
    const features = ['rx', 'tx', 'sg', 'tso', 'gso', 'gro'].flatMap(name => [name, onOff(on)])
    await this.must(['ethtool', '-K', device, ...features])
  }

  /**
   * Lets every core take part in receiving from an interface (receive packet steering by a hash of
   * each flow), or leaves it to the core that sent, which is veth's way.
   */
  async spreadReceiving(device: string, on: boolean): Promise<void> {
    const mask = on ? (2 ** cpus().length - 1).toString(16) : '0'
    const queues = `/sys/class/net/${device}/queues/rx-*/rps_cpus`
    await this.must(['sh', '-ec', `for queue in ${queues}; do echo ${mask} > $queue; done`])
  }

  nft(ruleset: string): Promise<string> {
    return this.must(['nft', '-f', '-'], { input: ruleset })
  }
}

const onOff = (on: boolean) => (on ? 'on' : 'off')
