/** `npm run fuzz -- api|packets [--seconds N] [--seed N]`: until the time is up, or something breaks. */
import { parseArgs } from 'node:util'
import { fuzzApi } from './api.js'
import { fuzzPackets } from './packets.js'

type Enough = (done: number) => boolean

/** What is attacked; each says in lines how it went. */
const TARGETS: Record<string, (seed: number, enough: Enough) => Promise<string[]>> = {
  api: async (seed, enough) => {
    const { requests, operations, statuses } = await fuzzApi(seed, enough)
    return [
      `${requests} requests to ${operations.size} operations; no 5xx, no hang,`,
      'no change by what was refused; answers by status:',
      ...[...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `  ${status}  ${count}`),
    ]
  },
  packets: async (seed, enough) => {
    const { packets, sent, connections } = await fuzzPackets(seed, enough)
    return [
      `${packets} packets, ${sent} sent, ${connections} connections; nothing threw, all whole`,
    ]
  },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
})
const [name = '', ...others] = positionals
const target = Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined
const seconds = Number(values.seconds)
const seed = Number(values.seed ?? Math.floor(Math.random() * 0x7fffffff))
if (target === undefined || others.length > 0 || !(seconds > 0) || !Number.isInteger(seed)) {
  process.stderr.write('usage: npm run fuzz -- api|packets [--seconds N] [--seed N]\n')
  process.exit(2)
}
console.log(`${name}: ${seconds} s, --seed ${seed}`)
const began = performance.now()
try {
  const lines = await target(seed, () => performance.now() - began > seconds * 1000)
  for (const line of lines) console.log(line)
  process.exit(0)
} catch (error) {
  console.error(
    `seed ${seed}, ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  )
  if (error instanceof Error && error.cause instanceof Error) console.error(error.cause.stack)
  process.exit(1)
}
