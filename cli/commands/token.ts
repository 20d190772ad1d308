/** `sluice token …`: mints, lists and revokes the tokens of an appliance. */
import { Option, type Command } from 'commander'
import { SCOPE_HELP, SCOPES, type Scope } from '../../server/auth/scope.js'
import type { Token } from '../../openapi/client/schema.js'
import { must } from '../client/client.js'
import { tokens } from '../kinds/settings.js'
import { machineText } from '../output/format.js'
import { tableText } from '../output/table.js'
import { apiCommand, outputOption, UsageError, type Io } from './context.js'

interface CreateFlags {
  scope: Scope
  name?: string
  expires?: string
  output: Format
}
type Format = 'table' | 'json' | 'yaml'

const UNIT_MS: Readonly<Record<string, number>> = { m: 60e3, h: 3600e3, d: 86400e3, w: 604800e3 }

const HELP = `Scopes, each with what those before it allow:
${SCOPES.map(scope => `  ${scope.padEnd(8)} ${SCOPE_HELP[scope]}`).join('\n')}

The API is that of --api, of SLUICE_API, or the admin socket beside ./sluice.db or the database of
SLUICE_DATABASE, which only its owner can use; over TCP it takes a token of scope admin in SLUICE_TOKEN.`
const CREATE_EXAMPLES = `sudo npx sluice token create --scope write --name ci --expires 90d
export SLUICE_TOKEN=$(sudo npx sluice token create --scope read)
curl -H "Authorization: Bearer $SLUICE_TOKEN" localhost:7480/v1/virtual-services`

export function addToken(program: Command, io: Io): void {
  const token = program
    .command('token')
    .description('mint, list and revoke the tokens that the API wants over TCP')
    .addHelpText('after', `\n${HELP}`)
  addCreate(token, io)
  const list = token
    .command('list')
    .description('list tokens, without their secrets')
    .addOption(format())
  apiCommand<{ output: Format }>(list, io, 'sluice token list', async ({ session, flags }) => {
    const items: Token[] = []
    const all = tokens.read(session, { names: [], labels: [], filters: {} })
    for await (const page of all) items.push(...page)
    io.out(
      flags.output === 'table'
        ? tableText(tokens.columns, items, false)
        : machineText(items, flags.output),
    )
  })
  const revoke = token
    .command('revoke')
    .description('make a token worthless, at once')
    .argument('<token>', 'name of the token')
  apiCommand(revoke, io, 'sluice token revoke ci', async ({ session }, name) => {
    await must(session.client.DELETE('/v1/tokens/{name}', { params: { path: { name } } }))
  })
}

const format = () => outputOption('table', ['table', 'json', 'yaml'])

function addCreate(token: Command, io: Io): void {
  const command = token
    .command('create')
    .description('mint a token and print it; it cannot be shown again')
    .addOption(
      new Option('--scope <scope>', 'what it allows').choices(SCOPES).makeOptionMandatory(),
    )
    .option('--name <name>', 'who it is for: 1 to 63 of a-z, 0-9 and -')
    .option('--expires <when>', 'in 30m, 12h, 90d or 4w, or a moment like 2030-01-01T00:00:00Z')
    .addOption(format())
  apiCommand<CreateFlags>(command, io, CREATE_EXAMPLES, async ({ session, flags }) => {
    const { scope, name, expires, output } = flags
    const body = {
      scope,
      ...(name === undefined ? {} : { name }),
      ...(expires === undefined ? {} : { expiresAt: readExpiry(expires, Date.now()) }),
    }
    const minted = await must(session.client.POST('/v1/tokens', { body }))
    if (output !== 'table') return io.out(machineText(minted, output))
    // The secret alone on standard output, so that a shell can take it.
    io.out(`${minted.token}\n`)
    const until = minted.expiresAt === null ? 'does not expire' : `expires ${minted.expiresAt}`
    io.err(`token '${minted.name}', scope ${minted.scope}, ${until}; shown this once\n`)
  })
}

/** RFC 3339 in UTC. Throws in words for a person. */
export function readExpiry(text: string, nowMs: number): string {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? []
  if (count !== undefined) return new Date(nowMs + Number(count) * UNIT_MS[unit!]!).toISOString()
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(ms))
    throw new UsageError(`--expires: '${text}' is neither like 90d nor like 2030-01-01T00:00:00Z`)
  return new Date(ms).toISOString()
}
