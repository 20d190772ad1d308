/** `npm run fuzz -- api [--seconds N] [--seed N]`: until the time is up, or something breaks. */
import { parseArgs } from 'node:util'
import { fuzzApi } from './api.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
})
const [target, ...others] = positionals
const seconds = Number(values.seconds)
const seed = Number(values.seed ?? Math.floor(Math.random() * 0x7fffffff))
if (target !== 'api' || others.length > 0 || !(seconds > 0) || !Number.isInteger(seed)) {
  process.stderr.write('usage: npm run fuzz -- api [--seconds N] [--seed N]\n')
  process.exit(2)
}
console.log(`api: ${seconds} s, --seed ${seed}`)
const began = performance.now()
try {
  const report = await fuzzApi(seed, () => performance.now() - began > seconds * 1000)
  const statuses = [...report.statuses].sort(([a], [b]) => a - b)
  console.log(
    `${report.requests} requests to ${report.operations.size} operations; no 5xx, no hang,`,
  )
  console.log('no change by what was refused; answers by status:')
  for (const [status, count] of statuses) console.log(`  ${status}  ${count}`)
  process.exit(0)
} catch (error) {
  console.error(`seed ${seed}, ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}
