/**
 * `npm run bench -- NAME [options]`. Each bench answers one question, which its first comment
 * states; without a name this lists them.
 */
import { parseArgs } from 'node:util'

export interface BenchOptions {
  rounds: number
  seconds: number
  /** Contenders to leave out, e.g. while one is not installed. */
  without: string[]
}

interface Bench {
  claim: string
  load: () => Promise<{ bench: (options: BenchOptions) => Promise<void> }>
}

const benches: Readonly<Record<string, Bench>> = {
  bulk: {
    claim: 'TCP bulk through Sluice, kernel nftables DNAT and HAProxy, taking turns',
    load: () => import('./bulk.js'),
  },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    without: { type: 'string', multiple: true, default: [] },
  },
})

const [name] = positionals
const chosen = name === undefined ? undefined : benches[name]
if (!chosen) {
  const known = Object.entries(benches).map(([each, { claim }]) => `  ${each.padEnd(10)} ${claim}`)
  const usage = 'npm run bench -- NAME [--rounds N] [--seconds N] [--without CONTENDER]'
  process.stderr.write(`${usage}\n\n${known.join('\n')}\n`)
  process.exit(name === undefined ? 0 : 2)
}

const options: BenchOptions = {
  rounds: positive('rounds', values.rounds),
  seconds: positive('seconds', values.seconds),
  without: values.without,
}

try {
  const { bench } = await chosen.load()
  await bench(options)
} catch (error) {
  process.stderr.write(`bench ${name}: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

function positive(option: string, text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  process.stderr.write(`--${option} takes a whole number above 0, not "${text}"\n`)
  process.exit(2)
}
