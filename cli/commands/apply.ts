/**
 * `sluice apply -f FILE`: makes the appliance have what the documents say, all of it or nothing, as
 * one revision. Repeating it changes nothing. What the documents do not name stays, unless pruned.
 */
import type { Command } from 'commander'
import type { Difference } from '../../openapi/client/schema.js'
import { applyDeclaration, filesOption, planDeclaration, printOutcome } from './change.js'
import { printPlan, withChangeOptions, type ChangeFlags } from './change.js'
import { apiCommand, type Io } from './context.js'
import { DECLARATION_HELP, declarationOf, type Resource } from './declaration.js'

interface ApplyFlags extends ChangeFlags {
  filename?: string[]
  prune?: boolean
}

const EXAMPLES = `sluice apply -f config.yaml
sluice apply -f /etc/sluice.d                 every .yaml, .yml and .json in it, by name
sluice apply -f config.yaml --dry-run         what it would change, and whom it would hurt
sluice apply -f config.yaml --confirm-within 60 -m 'move web'
sluice apply -f config.yaml --prune           what the file does not name is deleted
sluice get config -o yaml > config.yaml       everything that there is, ready to be applied

${DECLARATION_HELP}`

export function addApply(program: Command, io: Io): void {
  const command = program
    .command('apply')
    .description('make the appliance have what files say, all or nothing')
    .addOption(filesOption())
    .option('--prune', 'delete what the files do not name; settings get their defaults')
  apiCommand<ApplyFlags>(withChangeOptions(command), io, EXAMPLES, async ({ session, flags }) => {
    const { filename = [], prune = false } = flags
    const declaration = await declarationOf(session, filename, prune, io)
    if (flags.dryRun === true)
      return printPlan(io, await planDeclaration(session, declaration), flags)
    const outcome = await applyDeclaration(session, declaration, flags)
    const lines = declaration.resources.map(
      resource => `${resource.name} ${fate(resource, outcome.changes)}\n`,
    )
    printOutcome(io, outcome, flags, lines.join(''))
  })
}

/** created, configured, deleted or unchanged; what happens to a real server happens to its service. */
function fate({ name }: Resource, changes: readonly Difference[]): string {
  const [section, own = ''] = name.split('/')
  const about = changes.filter(({ kind, name: changed }) => {
    if (section === 'settings') return kind === 'settings'
    if (section === 'markRules') return kind === 'markRule' && changed === own
    if (section === 'healthChecks') return kind === 'healthCheck' && changed === own
    return kind === 'realServer'
      ? changed.startsWith(`${own}/`)
      : changed === own && kind === 'virtualService'
  })
  const itself = about.find(({ kind }) => kind !== 'realServer')
  if (itself !== undefined && section !== 'settings' && itself.action !== 'update')
    return itself.action === 'create' ? 'created' : 'deleted'
  return about.length > 0 ? 'configured' : 'unchanged'
}
