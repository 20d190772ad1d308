import { cpus, release, totalmem } from 'node:os'
import { run } from '../lab/run.js'

const VERSIONS: readonly (readonly string[])[] = [
  ['nft', '--version'],
  ['haproxy', '-v'],
  ['nginx', '-v'],
  ['iperf3', '--version'],
  ['wrk', '-v'],
]

/** What a result was measured on, as lines of a Markdown list. */
export async function machine(): Promise<string[]> {
  const [cpu] = cpus()
  const lines = [
    `${cpu?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, ${gib()} GiB`,
    `Linux ${release()}, Node ${process.version}`,
  ]
  for (const command of VERSIONS) lines.push(await version(command))
  return lines
}

/** Some print it on standard error, some end with a status that means trouble. */
async function version(command: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(command)
    const line = (stdout || stderr).split('\n')[0] ?? ''
    return line.replace(/ - http\S+| \[.*| Copyright.*/, '').trim()
  } catch {
    return `${command[0]} is not installed`
  }
}

const gib = () => Math.round(totalmem() / 2 ** 30)
