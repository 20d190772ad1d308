/**
 * Runs health checks as `sluice serve` does, without the rest of it: `health-checker.js FILE`, a
 * list of CheckedServer as JSON. Prints a line for every change of a server's state, and for each
 * line on its standard input what it has cost since the last one. SIGTERM ends it.
 */
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import type { CheckedServer } from '../../../server/health/check-spec.js'
import { HealthEngine } from '../../../server/health/health-engine.js'
import type { HealthChange, HealthCost } from '../health-checker.js'

const servers = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as CheckedServer[]
const complain = (...words: unknown[]) => process.stderr.write(`${words.map(String).join(' ')}\n`)
const engine = new HealthEngine({
  logger: { info: () => undefined, warn: complain, error: complain },
  ...{ commandFolder: null, fileFolder: null },
})
const delay = monitorEventLoopDelay({ resolution: 1 })
let cpu = process.cpuUsage()
let sinceMs = performance.now()
let runs = 0

const say = (line: HealthChange | HealthCost) => process.stdout.write(`${JSON.stringify(line)}\n`)
const states = new Map<string, string>()
engine.listen(({ server, health: { state, detail } }) => {
  if (states.get(server) === state) return
  states.set(server, state)
  say({ server, state, detail })
})
for (const each of servers) engine.set(each)
delay.enable()

createInterface({ input: process.stdin }).on('line', () => {
  const nowMs = performance.now()
  const used = process.cpuUsage(cpu)
  const total = engine.histograms().reduce((sum, { count }) => sum + count, 0)
  const failed = engine.histograms().filter(({ outcome }) => outcome === 'failure')
  say({
    cores: (used.user + used.system) / 1000 / (nowMs - sinceMs),
    checksPerS: ((total - runs) * 1000) / (nowMs - sinceMs),
    failures: failed.reduce((sum, { count }) => sum + count, 0),
    // The resolution itself is part of what is measured.
    delayP99Ms: Math.max(0, delay.percentile(99) / 1e6 - 1),
    delayMaxMs: Math.max(0, delay.max / 1e6 - 1),
  })
  runs = total
  sinceMs = nowMs
  cpu = process.cpuUsage()
  delay.reset()
})
process.on('SIGTERM', () => process.exit(0))
