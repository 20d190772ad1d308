import type { Config } from '../server/config.js'
import { examine, formatReport, thisHost } from '../server/host/doctor.js'

const OK = 0
const HOST = 3

/** Prints the report; the exit status says whether `serve` would start. */
export async function doctor(config: Config, output: 'text' | 'json'): Promise<number> {
  const report = await examine(config, thisHost)
  const text =
    output === 'json'
      ? JSON.stringify(report, null, 2)
      : `${formatReport(report)}\n\n${CONCLUSIONS[report.severity]}`
  process.stdout.write(`${text}\n`)
  return report.severity === 'fatal' ? HOST : OK
}

const CONCLUSIONS = {
  ok: 'Everything is as it should be.',
  hint: 'Sluice can run.',
  warning: 'Sluice can run; look at the warnings.',
  fatal: 'Sluice cannot run here until what is fatal has been mended.',
} as const
