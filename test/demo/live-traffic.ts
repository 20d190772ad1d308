import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseLine, tally } from '../lab/curl.js'
import type { Lab } from '../lab/lab.js'
import type { Namespace } from '../lab/namespace.js'
import type { LabProcess } from '../lab/process.js'

export interface Phase {
  requests: number
  served: Record<string, number>
  failed: number
}

const MOST = 20_000
// On standard error, because curl writes its standard output in blocks.
const FORMAT = '%{stderr}%{exitcode}\\t%{http_code}\\t%header{x-server}\\t%header{x-client}\\n'

/** One curl that keeps asking, a new connection each time, while the demo changes things. */
export class LiveTraffic {
  readonly #curl: LabProcess
  #from = 0

  constructor(lab: Lab, client: Namespace, url: string, perSecond: number) {
    const list = join(lab.folder, 'live-urls')
    writeFileSync(list, `url = "${url}"\noutput = "/dev/null"\n`.repeat(MOST))
    const order = ['-s', '-g', '-H', 'Connection: close', '--connect-timeout', '2', '-w', FORMAT]
    this.#curl = client.start(['curl', ...order, '--rate', `${perSecond}/s`, '-K', list], {
      name: 'live traffic',
    })
  }

  /** Lets `requests` more come back, then tells what became of all since the last call. */
  async phase(requests: number): Promise<Phase> {
    await this.#curl.waitFor(new RegExp(`(.*\\n){${requests}}`), 20_000, this.#from)
    const text = this.#curl.stderr
    const end = text.lastIndexOf('\n') + 1
    const results = text.slice(this.#from, end).split('\n').filter(Boolean).map(parseLine)
    this.#from = end
    const served = results.filter(({ exit, status }) => exit === 0 && status === 200)
    return {
      requests: results.length,
      served: tally(served),
      failed: results.length - served.length,
    }
  }

  stop(): Promise<number> {
    return this.#curl.stop('SIGTERM')
  }
}
