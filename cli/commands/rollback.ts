/** `sluice rollback`, and what becomes of a change that waits for a confirmation. */
import type { Command } from 'commander'
import type { Operation, Plan } from '../../openapi/client/schema.js'
import { must, type Session } from '../client/client.js'
import { machineText } from '../output/format.js'
import { outcomeOf, post, printOutcome, printPlan, withChangeOptions } from './change.js'
import { writeQuery, type ChangeFlags } from './change.js'
import { apiCommand, outputOption, UsageError, type Io } from './context.js'

const ROLLBACK_EXAMPLES = `sluice get revisions                          what there is to go back to
sluice rollback 41 --dry-run                  what it would change, and whom it would hurt
sluice rollback 41 -m 'web was slow'`
const CONFIRM_EXAMPLES = `sluice apply -f config.yaml --confirm-within 60
sluice confirm                                the change that waits, when it is the only one
sluice confirm 0f8fad5b-d9cb-469f-a165-70867728950e`
const CANCEL_EXAMPLES = `sluice cancel                                 the change that waits, when it is the only one
sluice get operations                         what waits and what became of it`

export function addRollback(program: Command, io: Io): void {
  const command = program
    .command('rollback')
    .description('make the configuration what it was at a revision; this is a new revision')
    .argument('<revision>', 'whose configuration is wanted back')
  apiCommand<ChangeFlags>(
    withChangeOptions(command),
    io,
    ROLLBACK_EXAMPLES,
    async ({ session, flags }, text) => {
      const body = { revision: revisionOf(text) }
      const answer = await post(session, '/v1/config/rollbacks', body, writeQuery(flags))
      if (flags.dryRun === true) return printPlan(io, (await answer.json()) as Plan, flags)
      printOutcome(io, await outcomeOf(session, answer), flags)
    },
  )
  addEnd(program, io, 'confirm', CONFIRM_EXAMPLES)
  addEnd(program, io, 'cancel', CANCEL_EXAMPLES)
}

const ABOUT = {
  confirm: 'let a change stay that waits for it',
  cancel: 'take a change back that waits to be confirmed',
} as const

function addEnd(program: Command, io: Io, verb: 'confirm' | 'cancel', examples: string): void {
  const command = program
    .command(verb)
    .description(ABOUT[verb])
    .argument('[operation]', 'which; the one that waits when left out')
    .addOption(outputOption('table', ['table', 'json', 'yaml']))
  apiCommand<Pick<ChangeFlags, 'output'>>(
    command,
    io,
    examples,
    async ({ session, flags: { output } }, given) => {
      const id = given ?? (await theOneWaiting(session))
      const params = { path: { id } }
      const operation = await must(session.client.POST(`/v1/operations/{id}/${verb}`, { params }))
      io.out(output === 'table' ? endText(operation) : machineText(operation, output))
    },
  )
}

function endText({ kind, state, revision, rolledBackBy, ...drain }: Operation): string {
  if (kind === 'drain')
    return `servers/${drain.virtualService}/${drain.realServer} takes new connections again\n`
  const what = `revision ${revision ?? '?'} ${state === 'confirmed' ? 'stays' : 'was taken back'}`
  return rolledBackBy ? `${what} by revision ${rolledBackBy}\n` : `${what}\n`
}

async function theOneWaiting({ client }: Session): Promise<string> {
  const query = { kind: 'confirmation', state: 'waiting', limit: 1000 } as const
  const { items: waiting } = await must(client.GET('/v1/operations', { params: { query } }))
  if (waiting.length === 1) return waiting[0]!.id
  if (waiting.length === 0) throw new UsageError('no change waits to be confirmed')
  const lines = waiting.map(({ id, detail }) => `  ${id}  ${detail}`).join('\n')
  throw new UsageError(`several changes wait; say which one:\n${lines}`)
}

export function revisionOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`'${text}' is no revision; sluice get revisions lists them`)
}
