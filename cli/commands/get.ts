/** `sluice get KIND [NAME…]`: shows what there is, once or whenever it changes. */
import { Option, type Command } from 'commander'
import { KINDS, kindOf, type AnyKind } from '../kinds/index.js'
import { oneOfHint } from '../../server/schemas/walk.js'
import { machineText, type Output } from '../output/format.js'
import { pathLines, tableText } from '../output/table.js'
import { apiCommand, outputOption, UsageError, type Context, type Io } from './context.js'
import { watch } from './watch.js'

export interface GetFlags {
  output: Output
  label?: string[]
  filter?: string[]
  watch?: boolean
  interval: string
}

const EXAMPLES = `sluice get services                                 one line each
sluice get services web -o yaml                     the whole document
sluice get servers web -o wide -l rack=3            real servers of one service, by label
sluice get connections web --filter state=ESTABLISHED
sluice get checks web a                             what the health checks of a server found
sluice get stats --watch                            again whenever something changes
sluice get config -o yaml                           everything, as \`sluice apply\` takes it
sluice get audit-log --filter actor=ci --filter since=2030-01-01T00:00:00Z
sluice get services -o name                         for scripts`

export function addGet(program: Command, io: Io): void {
  const kinds = KINDS.map(({ names, about }) => `  ${names[0].padEnd(13)} ${about}`).join('\n')
  const command = program
    .command('get')
    .description('show services, real servers, connections, counters and the rest')
    .argument('<kind>', 'what to show (see below)')
    .argument('[names...]', 'only these')
    .addHelpText('after', `\nKinds:\n${kinds}`)
  apiCommand<GetFlags>(withGetOptions(command), io, EXAMPLES, (context, kind, ...names) =>
    get(context, resolveKind(kind), names),
  )
  for (const { name, about, examples } of SHORTCUTS) {
    const shortcut = program
      .command(name)
      .description(`${about}; as \`sluice get ${name}\``)
      .argument('[service]', 'only of this service')
    apiCommand<GetFlags>(withGetOptions(shortcut), io, examples, (context, service) =>
      get(context, resolveKind(name), service === undefined ? [] : [service]),
    )
  }
}

/** What one asks for often. */
const SHORTCUTS = [
  {
    ...{ name: 'connections', about: 'list connections' },
    examples: `sluice connections web
sluice connections --filter client=192.0.2.0/24 -o json`,
  },
  {
    ...{ name: 'stats', about: 'show counters and rates' },
    examples: `sluice stats web -o wide
sluice stats --watch`,
  },
] as const

const withGetOptions = (command: Command): Command =>
  command
    .addOption(outputOption('table'))
    .addOption(repeatable('-l, --label <key=value>', 'only with this label; repeatable'))
    .addOption(repeatable('--filter <key=value>', 'a query parameter of the API; repeatable'))
    .option('-w, --watch', 'go on, and print what changes')
    .option('--interval <seconds>', 'how often --watch looks', '2')

export function resolveKind(name: string): AnyKind {
  const kind = kindOf(name)
  if (kind !== undefined) return kind
  const hint = oneOfHint(
    name,
    KINDS.map(({ names }) => names[0]),
  )
  throw new UsageError(`there is no kind '${name}'; ${hint}`)
}

async function get(context: Context<GetFlags>, kind: AnyKind, names: string[]): Promise<void> {
  const { session, flags, io } = context
  const query = { names, labels: flags.label ?? [], filters: pairs(flags.filter ?? []) }
  const intervalS = Number(flags.interval)
  if (!(intervalS > 0)) throw new UsageError(`--interval: '${flags.interval}' is no time`)
  if (flags.watch === true) return watch(context, kind, query, intervalS * 1000)
  const items: object[] = []
  for await (const page of kind.read(session, query)) {
    // Names go out as they come; everything else wants to see all.
    if (flags.output === 'name') io.out(page.map(item => `${kind.nameOf(item)}\n`).join(''))
    else items.push(...page)
  }
  if (flags.output === 'name') return
  const isOne =
    kind.single === true ||
    (names.length === 1 && items.length === 1 && isNamed(kind, names[0]!, items[0]!))
  io.out(itemsText(kind, items, flags.output, isOne))
}

/** Lists stay lists however short; what was asked for by its name is itself. */
const isNamed = (kind: AnyKind, name: string, item: object) => kind.nameOf(item) === name

export function itemsText(
  kind: AnyKind,
  items: readonly object[],
  output: Exclude<Output, 'name'>,
  isOne: boolean,
): string {
  if (output === 'json' || output === 'yaml')
    return machineText(isOne ? items[0] : { items }, output)
  if (kind.single === true) return pathLines(items[0]!)
  return tableText(kind.columns, items, output === 'wide')
}

/** `key=value` texts as an object. */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map(text => {
      const at = text.indexOf('=')
      if (at < 1) throw new UsageError(`'${text}' is not of the form key=value`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

export const repeatable = (flag: string, help: string) =>
  new Option(flag, help).argParser((value: string, before: string[] | undefined) => [
    ...(before ?? []),
    value,
  ])
