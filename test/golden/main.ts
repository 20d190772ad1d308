/** `npm run golden -- [--verbose] PATH…` */
import { existsSync } from 'node:fs'
import { runCases } from './runner.js'

const args = process.argv.slice(2)
const verbose = args.includes('--verbose')
const paths = args.filter(arg => arg !== '--verbose')
const bad = paths.find(path => path.startsWith('-') || !existsSync(path))

if (bad !== undefined) {
  process.stderr.write(`golden: no such file, folder or option: ${bad}\n`)
  process.exitCode = 2
} else {
  const cases = paths.length > 0 ? paths : ['test/golden/kernel']
  const total = await runCases(cases, line => process.stdout.write(`${line}\n`), verbose)
  process.exitCode = total.failed === 0 ? 0 : 1
}
