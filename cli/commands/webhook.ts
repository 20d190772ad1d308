/** `sluice webhook …`: says whom to tell of events, and tries whether they hear it. */
import { readFileSync } from 'node:fs'
import { Option, type Command } from 'commander'
import { must } from '../client/client.js'
import { Exit } from '../client/refused.js'
import { machineText } from '../output/format.js'
import { apiCommand, outputOption, UsageError, type Io } from './context.js'
import { repeatable } from './get.js'

interface PutFlags {
  url?: string
  command?: string
  event?: string[]
  secretFile?: string
  ca?: string
  timeout?: number
  attempts?: number
  off?: boolean
}

const HELP = `sluice get webhooks shows how deliveries go, sluice delete webhook NAME ends them. It takes the
scope admin, but for reading.`
const PUT_EXAMPLES = `sluice webhook put pager --url https://alerts.example.com/sluice --secret-file secret.txt
sluice webhook put audit --url https://10.0.0.9/ --ca our-ca.pem --event change --event denial
sluice webhook put mail --command notify.sh    a program of --notify-commands
sluice webhook put pager --url … --off         nothing is told for now

What is not given is as in the beginning, but for the secret, which stays.`
const TEST_EXAMPLES = `sluice webhook test pager
sluice webhook test pager -o json

Status 1 when it was not delivered.`

export function addWebhook(program: Command, io: Io): void {
  const webhook = program
    .command('webhook')
    .description('say whom to tell of events, and try whether they hear it')
    .addHelpText('after', `\n${HELP}`)
  addPut(webhook, io)
  const test = webhook
    .command('test')
    .description('send a test event now and show what came back')
    .argument('<webhook>', 'its name')
    .addOption(outputOption('table', ['table', 'json', 'yaml']))
  apiCommand<{ output: 'table' | 'json' | 'yaml' }>(
    test,
    io,
    TEST_EXAMPLES,
    async ({ session, flags: { output } }, name) => {
      const params = { path: { name } }
      const result = await must(session.client.POST('/v1/webhooks/{name}/tests', { params }))
      const { delivered, detail, durationMs } = result
      const said = `${delivered ? 'delivered' : 'not delivered'} after ${durationMs} ms: ${detail}\n`
      io.out(output === 'table' ? said : machineText(result, output))
      return { exit: delivered ? Exit.ok : Exit.failed }
    },
  )
}

function addPut(webhook: Command, io: Io): void {
  const command = webhook
    .command('put')
    .description('make a webhook or replace it')
    .argument('<webhook>', 'its name')
    .addOption(new Option('--url <url>', 'where events are sent by POST').conflicts('command'))
    .option('--command <program>', 'a program of --notify-commands instead')
    .addOption(repeatable('--event <events>', 'state, change, denial or a type; repeatable'))
    .option('--secret-file <file>', 'holds the key of the signature; - for standard input')
    .option('--ca <file>', 'certificates to trust, PEM, instead of the well-known ones')
    .option('--timeout <seconds>', 'longest time of an attempt', Number)
    .option('--attempts <n>', 'after so many failures an event is given up', Number)
    .option('--off', 'tell nothing for now')
  apiCommand<PutFlags>(command, io, PUT_EXAMPLES, async ({ session, flags }, name) => {
    const { url, command, event, timeout, attempts } = flags
    const secret = flags.secretFile === '-' ? await io.stdin() : textOf(flags, 'secretFile')
    const ca = textOf(flags, 'ca')
    const body = {
      ...(url === undefined ? {} : { url }),
      ...(command === undefined ? {} : { command }),
      ...(event === undefined ? {} : { events: event }),
      ...(secret === undefined ? {} : { secret: secret.trim() }),
      ...(ca === undefined ? {} : { ca }),
      ...(timeout === undefined ? {} : { timeoutSeconds: timeout }),
      ...(attempts === undefined ? {} : { maxAttempts: attempts }),
      ...(flags.off === true ? { enabled: false } : {}),
    }
    const params = { path: { name } }
    await must(session.client.PUT('/v1/webhooks/{name}', { params, body }))
    io.out(`webhooks/${name} stored\n`)
  })
}

function textOf(flags: PutFlags, name: 'secretFile' | 'ca'): string | undefined {
  const file = flags[name]
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${name === 'ca' ? '--ca' : '--secret-file'}: ${(error as Error).message}`)
  }
}
