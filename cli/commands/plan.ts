/** `sluice plan` and `sluice diff`: what would change, or what did. */
import type { Command } from 'commander'
import type { Difference } from '../../openapi/client/schema.js'
import { must, type Session } from '../client/client.js'
import { Exit } from '../client/refused.js'
import { machineText } from '../output/format.js'
import { differencesText } from '../output/plan-text.js'
import { filesOption, planDeclaration, printPlan } from './change.js'
import { apiCommand, outputOption, UsageError, type Io } from './context.js'
import { declarationOf } from './declaration.js'
import { revisionOf } from './rollback.js'

interface PlanFlags {
  filename?: string[]
  prune?: boolean
  output: 'table' | 'json' | 'yaml'
}

const PLAN_EXAMPLES = `sluice plan -f config.yaml                    differences, and what they do to traffic
sluice plan -f config.yaml --prune -o json`
const DIFF_EXAMPLES = `sluice diff -f config.yaml                    exit status 8 when something would change
sluice diff 42                                what revision 42 changed
sluice diff 42 40                             from revision 40 to revision 42`
const PRUNE_HELP = 'as apply --prune: what the files do not name goes'

export function addPlan(program: Command, io: Io): void {
  const plan = program
    .command('plan')
    .description('say what applying files would change and do to traffic; changes nothing')
    .addOption(filesOption())
    .option('--prune', PRUNE_HELP)
    .addOption(outputOption('table', ['table', 'json', 'yaml']))
  apiCommand<PlanFlags>(plan, io, PLAN_EXAMPLES, async ({ session, flags }) => {
    const { filename = [], prune = false } = flags
    const declaration = await declarationOf(session, filename, prune, io)
    printPlan(io, await planDeclaration(session, declaration), flags)
  })
  const diff = program
    .command('diff')
    .description('compare files with the configuration, or revisions with each other')
    .argument('[revision]', 'whose changes to show; the configuration as it is when left out')
    .argument('[against]', 'the older revision; the one before when left out')
    .addOption(filesOption())
    .option('--prune', PRUNE_HELP)
    .addOption(outputOption('table', ['table', 'json', 'yaml']))
  apiCommand<PlanFlags>(diff, io, DIFF_EXAMPLES, async ({ session, flags }, revision, against) => {
    const { filename = [], prune = false, output } = flags
    if (revision === undefined && filename.length === 0)
      throw new UsageError('say what to compare: -f FILE, or a revision')
    if (revision !== undefined && filename.length > 0)
      throw new UsageError(
        'files are compared with the configuration as it is, not with a revision',
      )
    const changes =
      revision === undefined
        ? (await planDeclaration(session, await declarationOf(session, filename, prune, io)))
            .changes
        : await differenceOf(session, revision, against)
    io.out(output === 'table' ? differencesText(changes) : machineText({ changes }, output))
    return { exit: changes.length === 0 ? Exit.ok : Exit.different }
  })
}

async function differenceOf(
  { client }: Session,
  revision: string,
  against: string | undefined,
): Promise<readonly Difference[]> {
  const params = {
    path: { revision: String(revisionOf(revision)) },
    query: against === undefined ? {} : { against: revisionOf(against) },
  }
  return (await must(client.GET('/v1/config/revisions/{revision}/diff', { params }))).changes
}
