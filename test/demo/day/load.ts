/** The load that never rests, and what became of its requests. */
import type { Namespace } from '../../lab/namespace.js'
import type { LabProcess } from '../../lab/process.js'
import { program } from '../../lab/root.js'
import { parseResult, type SteadyOrder, type SteadyResult } from '../../lab/steady-format.js'

const ENV = { NODE_OPTIONS: '', NODE_V8_COVERAGE: '' }

export class Load {
  readonly #client: LabProcess

  private constructor(client: LabProcess) {
    this.#client = client
  }

  static async start(host: Namespace, order: SteadyOrder): Promise<Load> {
    const command = [process.execPath, program('steady-client'), JSON.stringify(order)]
    const client = host.start(command, { name: 'steady client', env: ENV })
    await client.waitFor(/^ready\n/)
    return new Load(client)
  }

  /** So far, in the order in which they ended. */
  get results(): SteadyResult[] {
    const { stdout } = this.#client
    const lines = stdout.slice(0, stdout.lastIndexOf('\n') + 1).split('\n')
    return lines.filter(line => line !== '' && line !== 'ready').map(parseResult)
  }

  /** Lets what is under way finish; returns everything. */
  async stop(): Promise<SteadyResult[]> {
    await this.#client.stop('SIGTERM', 40_000)
    return this.results
  }
}

export const isFailed = ({ status }: SteadyResult): boolean => status !== 200
