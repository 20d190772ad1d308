/** A process in a host of the lab that runs health checks, and what it says. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckedServer } from '../../server/health/check-spec.js'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'
import type { LabProcess } from './process.js'
import { program } from './root.js'

export interface HealthChange {
  server: string
  state: string
  detail: string | null
}

export interface HealthCost {
  /** Processor time of the whole process, in cores. */
  cores: number
  checksPerS: number
  /** Ever. */
  failures: number
  /** Of the main thread's event loop. */
  delayP99Ms: number
  delayMaxMs: number
}

let made = 0

export class HealthChecker {
  readonly process: LabProcess
  #read = 0

  constructor(lab: Lab, host: Namespace, servers: readonly CheckedServer[]) {
    const file = join(lab.folder, `checks-${++made}.json`)
    writeFileSync(file, JSON.stringify(servers))
    const env = { NODE_OPTIONS: '', NODE_V8_COVERAGE: '' }
    this.process = host.start([process.execPath, program('health-checker'), file], { env })
  }

  /** The next change of this server to this state that has not been returned before. */
  async change(server: string, state: string, deadlineMs = 30_000): Promise<HealthChange> {
    const line = new RegExp(`^\\{"server":"${server}","state":"${state}".*\\}$`, 'm')
    const found = await this.process.waitFor(line, deadlineMs, this.#read)
    this.#read += found.index + found[0].length
    return JSON.parse(found[0]) as HealthChange
  }

  /** What was used since the last time. */
  async cost(): Promise<HealthCost> {
    const from = (this.process.stdout + this.process.stderr).length
    this.process.tell('cost')
    const [line] = await this.process.waitFor(/^\{"cores".*\}$/m, 10_000, from)
    return JSON.parse(line) as HealthCost
  }
}
