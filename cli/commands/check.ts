/** `sluice check SERVICE SERVER`: runs the health checks of a real server now and shows how it went. */
import type { Command } from 'commander'
import type { HealthCheckRunList } from '../../openapi/client/schema.js'
import { must } from '../client/client.js'
import { Exit } from '../client/refused.js'
import { serverIn } from '../kinds/checks.js'
import { machineText } from '../output/format.js'
import { apiCommand, outputOption, type Io } from './context.js'

interface CheckFlags {
  check?: string
  output: 'table' | 'json' | 'yaml'
}
type Run = HealthCheckRunList['items'][number]

const EXAMPLES = `sluice check web a                            all of its checks, with transcripts
sluice check web/a --check port               only this one
sluice check web a -o json
sluice get checks web a                       what the scheduled runs found

Status 1 when a check fails. It counts for nothing: only scheduled runs move a server's state.`

export function addCheck(program: Command, io: Io): void {
  const command = program
    .command('check')
    .description('run the health checks of a real server now')
    .argument('<service>', 'SERVICE, or SERVICE/SERVER')
    .argument('[server]', 'the real server')
    .option('--check <name>', 'only this check')
    .addOption(outputOption('table', ['table', 'json', 'yaml']))
  apiCommand<CheckFlags>(command, io, EXAMPLES, async ({ session, flags }, ...names) => {
    // The second one may be left out.
    const { service, server } = serverIn(names.filter(name => name !== undefined))
    const path = '/v1/virtual-services/{name}/real-servers/{server}/checks/runs'
    const body = flags.check === undefined ? {} : { check: flags.check }
    const params = { path: { name: service, server } }
    const answer = await must(session.client.POST(path, { params, body }))
    const text = answer.items.map(runText).join('\n')
    io.out(flags.output === 'table' ? text : machineText(answer, flags.output))
    return {
      exit: answer.items.some(({ outcome }) => outcome === 'failure') ? Exit.failed : Exit.ok,
    }
  })
}

function runText({ name, outcome, reason, detail, warnings, ...run }: Run): string {
  const why = reason === null ? '' : ` (${reason})`
  const lines = [
    `${name}: ${outcome}${why} after ${run.durationMilliseconds} ms: ${detail}`,
    ...warnings.map(warning => `  warning: ${warning}`),
    ...run.transcript.flatMap(({ atMilliseconds, step, detail: said, octets, excerpt }) => [
      `  ${atMilliseconds.toFixed(3).padStart(10)} ms  ${step.padEnd(8)} ${said}` +
        (octets === undefined ? '' : `, ${octets} octets`),
      ...(excerpt ? [`${' '.repeat(24)}${excerpt}`] : []),
    ]),
  ]
  return lines.map(line => `${line}\n`).join('')
}
