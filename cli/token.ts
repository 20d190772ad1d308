/** `sluice token …`: mints, lists and revokes the tokens of an appliance. */
import { Option, type Command } from 'commander'
import { SCOPE_HELP, SCOPES } from '../server/scope.js'
import type { TokenDocument } from '../server/schemas/token.js'
import { ApiClient, parseApi, type ApiAnswer } from './api-client.js'
import { findApi } from './find-api.js'

interface Connection {
  api?: string
}
interface CreateFlags extends Connection {
  scope: string
  name?: string
  expires?: string
  output: 'text' | 'json'
}

const FAILED = 1
const USAGE = 2
const UNIT_MS: Readonly<Record<string, number>> = { m: 60e3, h: 3600e3, d: 86400e3, w: 604800e3 }

const HELP = `Scopes, each with what those before it allow:
${SCOPES.map(scope => `  ${scope.padEnd(8)} ${SCOPE_HELP[scope]}`).join('\n')}

Examples:
  sudo npx sluice token create --scope write --name ci --expires 90d
  export SLUICE_TOKEN=$(sudo npx sluice token create --scope read)
  curl -H "Authorization: Bearer $SLUICE_TOKEN" localhost:7480/v1/virtual-services
  sudo npx sluice token list
  sudo npx sluice token revoke ci

The API is that of --api, of SLUICE_API, or the admin socket beside ./sluice.db or the database of
SLUICE_DATABASE, which only its owner can use; over TCP it takes a token of scope admin in SLUICE_TOKEN.`

export function addTokenCommand(program: Command): void {
  const token = program
    .command('token')
    .description('mint, list and revoke the tokens that the API wants over TCP')
    .addHelpText('after', `\n${HELP}`)
  const api = () => new Option('--api <address>', 'http(s)://host:port or unix:/path')
  const output = () =>
    new Option('-o, --output <format>', 'how it is written')
      .choices(['text', 'json'])
      .default('text')
  token
    .command('create')
    .description('mint a token and print it; it cannot be shown again')
    .addOption(
      new Option('--scope <scope>', 'what it allows').choices(SCOPES).makeOptionMandatory(),
    )
    .option('--name <name>', 'who it is for: 1 to 63 of a-z, 0-9 and -')
    .option('--expires <when>', 'in 30m, 12h, 90d or 4w, or a moment like 2030-01-01T00:00:00Z')
    .addOption(output())
    .addOption(api())
    .exitOverride()
    .action(async (flags: CreateFlags) => void (process.exitCode = await create(flags)))
  token
    .command('list')
    .description('list tokens, without their secrets')
    .addOption(output())
    .addOption(api())
    .exitOverride()
    .action(async (flags: Connection & { output: string }) => {
      process.exitCode = await list(flags, flags.output === 'json')
    })
  token
    .command('revoke <name>')
    .description('make a token worthless, at once')
    .addOption(api())
    .exitOverride()
    .action(async (name: string, flags: Connection) => {
      process.exitCode = await revoke(name, flags)
    })
}

async function create({ scope, name, expires, ...flags }: CreateFlags): Promise<number> {
  let expiresAt: string | undefined
  try {
    expiresAt = expires === undefined ? undefined : readExpiry(expires, Date.now())
  } catch (error) {
    return complain((error as Error).message, USAGE)
  }
  const answer = await call(flags, 'POST', '/v1/tokens', { scope, name, expiresAt })
  if (answer.status !== 201) return refused(answer)
  const minted = answer.body as TokenDocument & { token: string }
  if (flags.output === 'json') print(JSON.stringify(minted, null, 2))
  else {
    // The secret alone on standard output, so that a shell can take it.
    print(minted.token)
    const until = minted.expiresAt === null ? 'does not expire' : `expires ${minted.expiresAt}`
    process.stderr.write(
      `token '${minted.name}', scope ${minted.scope}, ${until}; shown this once\n`,
    )
  }
  return 0
}

async function list(flags: Connection, json: boolean): Promise<number> {
  const answer = await call(flags, 'GET', '/v1/tokens')
  if (answer.status !== 200) return refused(answer)
  const { items } = answer.body as { items: TokenDocument[] }
  if (json) print(JSON.stringify(items, null, 2))
  else print(tableOf(items))
  return 0
}

async function revoke(name: string, flags: Connection): Promise<number> {
  const answer = await call(flags, 'DELETE', `/v1/tokens/${encodeURIComponent(name)}`)
  return answer.status === 204 ? 0 : refused(answer)
}

async function call(
  flags: Connection,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer> {
  const client = new ApiClient(
    parseApi(flags.api ?? findApi(process.env)),
    process.env.SLUICE_TOKEN,
  )
  try {
    return await client.call(method, path, body)
  } finally {
    client.close()
  }
}

/** RFC 3339 in UTC. Throws in words for a person. */
export function readExpiry(text: string, nowMs: number): string {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? []
  if (count !== undefined) return new Date(nowMs + Number(count) * UNIT_MS[unit!]!).toISOString()
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(ms))
    throw new Error(`--expires: '${text}' is neither like 90d nor like 2030-01-01T00:00:00Z`)
  return new Date(ms).toISOString()
}

/** Columns as wide as what is in them. */
export function tableOf(tokens: readonly TokenDocument[]): string {
  const rows = tokens.map(({ name, scope, createdAt, expiresAt, lastUsedAt, lastUsedFrom }) => [
    ...[name, scope, createdAt.slice(0, 19), expiresAt?.slice(0, 19) ?? 'never'],
    lastUsedAt === null ? 'never' : `${lastUsedAt.slice(0, 19)} ${lastUsedFrom ?? ''}`.trim(),
  ])
  const all = [['NAME', 'SCOPE', 'CREATED', 'EXPIRES', 'LAST USED'], ...rows]
  const widths = all[0]!.map((_, i) => Math.max(...all.map(row => row[i]!.length)))
  return all
    .map(row =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function refused({ status, body }: ApiAnswer): number {
  const detail = (body as { detail?: string } | null)?.detail
  return complain(detail ?? `the API answered ${status}`, FAILED)
}

function complain(text: string, status: number): number {
  process.stderr.write(`sluice token: ${text}\n`)
  return status
}

const print = (text: string) => void process.stdout.write(`${text}\n`)
