import type { Namespace } from './namespace.js'
import type { LabProcess } from './process.js'

/** What tcpdump sees on an interface while it runs: an opinion on our packets that is not ours. */
export class Capture {
  readonly #tcpdump: LabProcess

  private constructor(tcpdump: LabProcess) {
    this.#tcpdump = tcpdump
  }

  /** Listening on return. `direction` is in, out or inout, as seen by that host. */
  static async start(
    host: Namespace,
    device: string,
    filter: string,
    { direction = 'inout', verbose = false } = {},
  ): Promise<Capture> {
    const detail = verbose ? ['-v'] : []
    // A small snapshot length keeps the capture from slowing bulk transfers down.
    const order = ['-i', device, '-n', '-l', '-s', '192', '--immediate-mode', '-Q', direction]
    const tcpdump = host.start(['tcpdump', ...order, ...detail, filter])
    await tcpdump.waitFor(/listening on/)
    return new Capture(tcpdump)
  }

  /** Waits for a packet that looks like this. */
  async waitFor(pattern: RegExp, deadlineMs = 5000): Promise<RegExpExecArray> {
    return this.#tcpdump.waitFor(pattern, deadlineMs)
  }

  /** What was printed so far. */
  get text(): string {
    return this.#tcpdump.stdout
  }

  /** Ends the capture and returns its lines. */
  async stop(): Promise<string[]> {
    await this.#tcpdump.stop('SIGINT')
    return this.#tcpdump.stdout.split('\n').filter(Boolean)
  }
}
