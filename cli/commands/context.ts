/** What every command that talks to the API has in common: options, session, output, exit status. */
import { readFileSync } from 'node:fs'
import { Option, type Command } from 'commander'
import { parseApi, Unreachable } from '../client/address.js'
import { clientTls, type CertificateFlags, type ClientTls } from '../client/certificates.js'
import { connect, type Session } from '../client/client.js'
import { CLIENT_EXIT_HELP, Exit, Refused } from '../client/refused.js'
import { findApi } from '../find-api.js'
import { OUTPUTS, type Output } from '../output/format.js'

/** The world around a command; tests bring their own. */
export interface Io {
  out: (text: string) => void
  err: (text: string) => void
  stdin: () => Promise<string>
  env: NodeJS.ProcessEnv
  /** Resolves when the user wants no more (SIGINT). */
  stopped: AbortSignal
  /** Whether a person looks at standard error, who wants to see progress. */
  isTerminal: boolean
  setExit: (status: number) => void
}

export interface ApiFlags extends CertificateFlags {
  api?: string
  tokenFile?: string
  output?: Output
}

export interface Context<F> {
  session: Session
  io: Io
  flags: F & ApiFlags
}

/** An argument that is wrong in a way that only the command sees. */
export class UsageError extends Error {}

/** What ends a command without an error. */
export interface Ended {
  exit: number
}

/** Adds the options that lead to the API, examples, and what happens around `action`. */
export function apiCommand<F>(
  command: Command,
  io: Io,
  examples: string,
  action: (context: Context<F>, ...args: string[]) => Promise<void | Ended>,
): Command {
  return command
    .option('--api <address>', 'http(s)://host:port or unix:/path (env: SLUICE_API)')
    .option('--token-file <file>', 'holds the token (env: SLUICE_TOKEN)')
    .option('--cacert <file>', 'whom to trust over https, PEM (env: SLUICE_CACERT)')
    .option('--cert <file>', 'client certificate, PEM, instead of a token (env: SLUICE_CERT)')
    .option('--key <file>', 'its key, where that is not in it (env: SLUICE_KEY)')
    .addHelpText('after', `\nExamples:\n${indent(examples)}\n\n${CLIENT_EXIT_HELP}`)
    .exitOverride()
    .action(async (...given: unknown[]) => {
      // commander gives arguments, then options, then the command.
      const flags = given.at(-2) as F & ApiFlags
      const args = given.slice(0, -2).flat() as string[]
      io.setExit(await run(io, flags, context => action(context, ...args)))
    })
}

export const outputOption = (fallback: Output, choices: readonly Output[] = OUTPUTS) =>
  new Option('-o, --output <format>', 'how it is written').choices(choices).default(fallback)

async function run<F>(
  io: Io,
  flags: F & ApiFlags,
  action: (context: Context<F>) => Promise<void | Ended>,
): Promise<number> {
  let session: Session | null = null
  try {
    session = connect(parseTarget(flags, io), tokenOf(flags, io), tlsOf(flags, io))
    const ended = await action({ session, io, flags })
    return ended?.exit ?? Exit.ok
  } catch (error) {
    return complain(io, error)
  } finally {
    session?.close()
  }
}

function complain(io: Io, error: unknown): number {
  if (error instanceof Refused) {
    io.err(`sluice: ${error.text}\n`)
    return error.exit
  }
  if (io.stopped.aborted) return Exit.ok
  io.err(`sluice: ${error instanceof Error ? error.message : String(error)}\n`)
  if (error instanceof UsageError) return Exit.usage
  return error instanceof Unreachable ? Exit.unreachable : Exit.failed
}

function parseTarget({ api }: ApiFlags, { env }: Io) {
  try {
    return parseApi(api ?? findApi(env))
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function tlsOf(flags: ApiFlags, { env }: Io): ClientTls {
  try {
    return clientTls(flags, env)
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function tokenOf({ tokenFile }: ApiFlags, { env }: Io): string | null {
  if (tokenFile === undefined) return env.SLUICE_TOKEN || null
  try {
    return readFileSync(tokenFile, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`--token-file: ${(error as Error).message}`)
  }
}

const indent = (text: string) => text.replaceAll(/^(?=.)/gm, '  ')
