/** `sluice import` and `sluice export`: configurations of ipvsadm and keepalived. */
import { readFileSync } from 'node:fs'
import { Argument, Option, type Command } from 'commander'
import { mustFetch } from '../client/client.js'
import { machineText } from '../output/format.js'
import { apiCommand, outputOption, UsageError, type Io } from './context.js'

interface ImportFlags {
  format: string
  output: 'json' | 'yaml'
  report: string
}

const FORMATS = ['ipvsadm', 'keepalived'] as const
const IMPORT_EXAMPLES = `ipvsadm -Sn | sluice import --format ipvsadm -
sluice import --format keepalived /etc/keepalived/keepalived.conf -o yaml
sluice import --format keepalived keepalived.conf --report notable`
const EXPORT_EXAMPLES = `sluice export ipvsadm > rules            then: ipvsadm -R < rules
sluice export keepalived > keepalived.conf`

export function addExchange(program: Command, io: Io): void {
  const read = program
    .command('import')
    .description('say what a configuration of ipvsadm or keepalived means here; stores nothing')
    .argument('<file>', 'what to read; - for standard input')
    .addOption(new Option('--format <format>', 'what it is').choices(FORMATS).makeOptionMandatory())
    .addOption(
      new Option('--report <lines>', 'which lines the report has')
        .choices(['full', 'notable', 'none'])
        .default('full'),
    )
    .addOption(outputOption('yaml', ['json', 'yaml']))
  apiCommand<ImportFlags>(read, io, IMPORT_EXAMPLES, async ({ session, flags }, file) => {
    const query = new URLSearchParams({ format: flags.format, report: flags.report })
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
