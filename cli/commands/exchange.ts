/** `sluice import` and `sluice export`: configurations of ipvsadm and keepalived. */
import { readFileSync } from 'node:fs'
import { Argument, Option, type Command } from 'commander'
import { mustFetch } from '../client/client.js'
import { machineText } from '../output/format.js'
import { writeQuery, type ChangeFlags } from './change.js'
import { apiCommand, outputOption, UsageError, type Io } from './context.js'

interface ImportFlags extends Pick<ChangeFlags, 'dryRun' | 'confirmWithin' | 'message'> {
  format: string
  apply?: boolean
  replace?: boolean
  partial?: boolean
  output: 'json' | 'yaml'
  report: string
}

const FORMATS = ['ipvsadm', 'keepalived'] as const
const IMPORT_EXAMPLES = `ipvsadm -Sn | sluice import --format ipvsadm -
sluice import --format keepalived /etc/keepalived/keepalived.conf -o yaml
sluice import --format keepalived keepalived.conf --report notable
ipvsadm -Sn | sluice import --format ipvsadm - --apply --report none -m 'from the old balancer'
sluice import --format keepalived keepalived.conf --apply --replace --dry-run`
const EXPORT_EXAMPLES = `sluice export ipvsadm > rules            then: ipvsadm -R < rules
sluice export keepalived > keepalived.conf`

export function addExchange(program: Command, io: Io): void {
  const read = program
    .command('import')
    .description('say what a configuration of ipvsadm or keepalived means here, or take it over')
    .argument('<file>', 'what to read; - for standard input')
    .addOption(new Option('--format <format>', 'what it is').choices(FORMATS).makeOptionMandatory())
    .addOption(
      new Option('--report <lines>', 'which lines the report has')
        .choices(['full', 'notable', 'none'])
        .default('full'),
    )
    .option('--apply', 'store it; what is not in the text stays')
    .option('--replace', 'with --apply: services and real servers not in the text are deleted')
    .option('--partial', 'with --apply: take the rest over even if statements are refused')
    .option('--dry-run', 'with --apply: only say what would change, and what it does to traffic')
    .option('--confirm-within <seconds>', 'with --apply: take it back unless confirmed in time')
    .option('-m, --message <text>', 'with --apply: why, for the history')
    .addOption(outputOption('yaml', ['json', 'yaml']))
  apiCommand<ImportFlags>(read, io, IMPORT_EXAMPLES, async ({ session, flags }, file) => {
    const query = new URLSearchParams({ format: flags.format, report: flags.report })
    const { apply, replace, partial } = flags
    const change = Object.entries({
      ...(apply === true ? { apply } : {}),
      ...(replace === true ? { mode: 'replace' } : {}),
      ...(partial === true ? { partial } : {}),
      ...writeQuery(flags),
    })
    if (apply !== true && change.length > 0)
      throw new UsageError('--replace, --partial, --dry-run, --confirm-within and -m need --apply')
    for (const [key, value] of change) query.set(key, String(value))
    const response = await mustFetch(
      session.fetch(`/v1/imports?${query.toString()}`, {
        ...{ method: 'POST', headers: { 'content-type': 'text/plain' } },
        body: await textOf(file, io),
      }),
    )
    io.out(machineText(await response.json(), flags.output))
  })
  const write = program
    .command('export')
    .description('write the configuration for ipvsadm or keepalived')
    .addArgument(new Argument('<format>', 'for which').choices(FORMATS))
  apiCommand(write, io, EXPORT_EXAMPLES, async ({ session }, format) => {
    const headers = { accept: 'text/plain' }
    const response = await mustFetch(session.fetch(`/v1/exports?format=${format}`, { headers }))
    io.out(await response.text())
  })
}

/** A file's text, or what comes in; a file that cannot be read is a wrong argument. */
export async function textOf(file: string, io: Io): Promise<string> {
  if (file === '-') return io.stdin()
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
