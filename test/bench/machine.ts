import { cpus, release, totalmem } from 'node:os'
import { run } from '../lab/run.js'

const VERSIONS: readonly (readonly string[])[] = [
  ['nft', '--version'],
  ['haproxy', '-v'],
  ['iperf3', '--version'],
]

/** What a result was measured on, as lines of a Markdown list. */
export async function machine(): Promise<string[]> {
  const [cpu] = cpus()
  const lines = [
    `${cpu?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, ${gib()} GiB`,
    `Linux ${release()}, Node ${process.version}`,
  ]
  for (const command of VERSIONS) {
    const { stdout } = await run(command)
    lines.push(stdout.split('\n')[0]?.trim() ?? command.join(' '))
  }
  return lines
}

const gib = () => Math.round(totalmem() / 2 ** 30)
