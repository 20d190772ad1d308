/** Network namespaces for one test file: unique names, gone with the test. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { run, type Run } from '../../../server/host/command.js'

/** scapy is Debian's python3-scapy, so Debian's own Python must run it. */
const PYTHON = '/usr/bin/python3'
const PROBES = fileURLToPath(new URL('probes.py', import.meta.url))

export class Namespaces {
  readonly #tag: string
  readonly #names: string[] = []

  constructor(tag: string) {
    this.#tag = `${tag}${process.pid}`
    // Also when the test file fails before its teardown.
    process.once('exit', () => this.close())
  }

  /** Name of the namespace that is `short` in the test; made when first named. */
  name(short: string): string {
    const name = `${this.#tag}-${short}`
    if (!this.#names.includes(name)) {
      execFileSync('ip', ['netns', 'add', name])
      this.#names.push(name)
    }
    return name
  }

  /** Runs lines of `ip` arguments in a namespace. */
  ip(short: string, ...lines: string[]): void {
    execFileSync('ip', ['-netns', this.name(short), '-batch', '-'], { input: lines.join('\n') })
  }

  exec(short: string, file: string, ...args: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name(short), file, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  sysctl(short: string, ...settings: string[]): void {
    this.exec(short, 'sysctl', '-qw', ...settings)
  }

  /** A `Run` whose programs see that namespace. */
  run(short: string): Run {
    const name = this.name(short)
    return (file, args, input) => run('ip', ['netns', 'exec', name, file, ...args], input)
  }

  /** A veth pair between two namespaces, `a.name` and `b.name`, both up. */
  link(a: string, aName: string, b: string, bName: string): void {
    this.name(b)
    this.ip(a, `link add ${aName} type veth peer name ${bName} netns ${this.name(b)}`)
    this.ip(a, `link set ${aName} up`)
    this.ip(b, `link set ${bName} up`)
  }

  mac(short: string, interfaceName: string): string {
    return this.exec(short, 'cat', `/sys/class/net/${interfaceName}/address`).trim()
  }

  close(): void {
    for (const name of this.#names.splice(0)) execFileSync('ip', ['netns', 'del', name])
  }
}

export interface ProbeSocket {
  namespace: string
  interface: string
  /** MAC address that the probes are sent to. */
  gateway: string
  /** Only sends, through the namespace's own stack. */
  raw?: boolean
}

/** Sends the probes in order and returns what came in until each of `until` did. */
export function probe(
  sockets: Record<string, ProbeSocket>,
  probes: readonly (readonly [from: string, packet: string])[],
  ...until: readonly RegExp[]
): string[] {
  const job = {
    sockets,
    probes: probes.map(([from, packet]) => ({ from, packet })),
    until: until.map(each => each.source),
  }
  const out = execFileSync(PYTHON, [PROBES], { input: JSON.stringify(job), encoding: 'utf8' })
  return out.trim().split('\n')
}
