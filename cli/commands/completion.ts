/** `sluice completion SHELL`: shells ask `sluice __complete WORDS…` what could come next. */
import { Argument, type Command, type Option } from 'commander'
import { parseApi } from '../client/address.js'
import { clientTls } from '../client/certificates.js'
import { connect, type Session } from '../client/client.js'
import { findApi } from '../find-api.js'
import { KINDS, kindOf } from '../kinds/index.js'
import type { Io } from './context.js'
import { schemasOf } from './explain.js'
import { FIELD_ROOTS, fieldPaths } from './fields.js'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `_sluice() {
  local IFS=$'\\n'
  local line=\${COMP_LINE:0:COMP_POINT}
  local words=() current=
  IFS=$' \\t' read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] || current=\${words[-1]}
  [[ -n $current ]] || words+=('')
  COMPREPLY=($(sluice __complete -- "\${words[@]:1}" 2>/dev/null))
}
complete -o default -F _sluice sluice
`,
  zsh: `#compdef sluice
_sluice() {
  local -a candidates
  candidates=(\${(f)"$(sluice __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#candidates} )); then compadd -a candidates; else _files; fi
}
compdef _sluice sluice
`,
  fish: `function __sluice_complete
  set -l words (commandline -opc) (commandline -ct)
  sluice __complete -- $words[2..-1] 2>/dev/null
end
complete -c sluice -f -a '(__sluice_complete)'
complete -c sluice -F -n 'test -z (__sluice_complete | string collect)'
`,
}

const HELP = `
Examples:
  source <(sluice completion bash)                          for this shell
  sluice completion bash > /etc/bash_completion.d/sluice    for good
  sluice completion zsh > "\${fpath[1]}/_sluice"
  sluice completion fish > ~/.config/fish/completions/sluice.fish`

export function addCompletion(program: Command, io: Io): void {
  program
    .command('completion')
    .description('print a script by which a shell completes commands, options and names')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText('after', HELP)
    .exitOverride()
    .action((shell: Shell) => io.out(SCRIPTS[shell]))
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .exitOverride()
    .action(async (words: string[]) => {
      const found = await candidates(program, words, io.env)
      io.out(found.map(each => `${each}\n`).join(''))
    })
}

/** What could stand for the last of `words`, which may be unfinished or empty. */
export async function candidates(
  program: Command,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const { command, rest } = descend(program, before)
  const all = await possible(command, rest, current, env)
  return all.filter(each => each.startsWith(current)).sort()
}

async function possible(
  command: Command,
  rest: readonly string[],
  current: string,
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const pending = valueWanted(command, rest.at(-1))
  if (pending !== null) return [...(pending.argChoices ?? [])]
  if (current.startsWith('-'))
    return [...command.options, ...(command.parent?.options ?? [])].flatMap(option =>
      option.hidden ? [] : [option.long ?? option.short ?? ''],
    )
  if (command.commands.length > 0)
    return command.commands.flatMap(each => (each.name().startsWith('__') ? [] : [each.name()]))
  const args = positionals(command, rest)
  const argument = command.registeredArguments[args.length]
  if (argument?.argChoices !== undefined) return [...argument.argChoices]
  if (argument?.name() === 'field') return fieldsFor(current, env)
  if (argument?.name() === 'kind') return KINDS.map(({ names }) => names[0])
  const last = command.registeredArguments.at(-1)
  const named = argument ?? (last?.variadic === true ? last : undefined)
  if (named === undefined) return []
  return namesOf(ARGUMENT_KINDS[named.name()] ?? args[0] ?? '', env)
}

/** The innermost command that the words name, and what comes after it. */
function descend(program: Command, words: readonly string[]) {
  let command = program
  let at = 0
  for (; at < words.length; at++) {
    const next = command.commands.find(
      each => each.name() === words[at] || each.aliases().includes(words[at]!),
    )
    if (next === undefined) break
    command = next
  }
  return { command, rest: words.slice(at) }
}

/** The option before the cursor, when it still wants its value. */
function valueWanted(command: Command, word: string | undefined): Option | null {
  const option = command.options.find(
    ({ long, short }) => word !== undefined && [long, short].includes(word),
  )
  return option !== undefined && (option.required || option.optional) ? option : null
}

function positionals(command: Command, words: readonly string[]): string[] {
  return words.filter(
    (word, i) => !word.startsWith('-') && valueWanted(command, words[i - 1]) === null,
  )
}

/** Kinds whose items nobody asks for by name, or of which there are too many. */
const NAMELESS = new Set(['connections', 'events', 'audit-log'])
/** Kinds that arguments of commands name. */
const ARGUMENT_KINDS: Readonly<Record<string, string>> = {
  ...{ server: 'servers', service: 'services', token: 'tokens', webhook: 'webhooks' },
  ...{ revision: 'revisions', against: 'revisions', operation: 'operations' },
}

/** Names that exist now; none when the appliance cannot be asked. */
async function namesOf(kindName: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const kind = kindOf(kindName)
  if (kind === undefined || kind.single === true || NAMELESS.has(kind.names[0])) return []
  return asking(env, async session => {
    const names: string[] = []
    for await (const page of kind.read(session, { names: [], labels: [], filters: {} }))
      names.push(...page.map(item => kind.nameOf(item)))
    return names
  })
}

/** Paths of fields; what a dot comes behind only the appliance knows. */
const fieldsFor = async (current: string, env: NodeJS.ProcessEnv): Promise<string[]> =>
  current.includes('.')
    ? asking(env, async session => fieldPaths(await schemasOf(session), current))
    : FIELD_ROOTS

async function asking(
  env: NodeJS.ProcessEnv,
  ask: (session: Session) => Promise<string[]>,
): Promise<string[]> {
  const session = connect(parseApi(findApi(env)), env.SLUICE_TOKEN || null, clientTls({}, env))
  try {
    return await ask(session)
  } catch {
    return []
  } finally {
    session.close()
  }
}
