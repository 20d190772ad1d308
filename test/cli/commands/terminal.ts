/** The API commands in this process, against an appliance that listens on a socket of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import type { Test } from 'tap'
import { addApiCommands } from '../../../cli/commands/index.js'
import type { Io } from '../../../cli/commands/context.js'
import type { FakeHost } from '../../server/fixtures/fake-host.js'
import type { Dataplane } from '../../../server/dataplane/dataplane-client.js'
import {
  startAppliance,
  type Appliance,
  type ApplianceOptions,
} from '../../server/fixtures/appliance.js'

export interface Ran {
  out: string
  err: string
  exit: number
}
export interface Terminal<D extends Dataplane> {
  appliance: Appliance<D>
  api: string
  /** Runs `sluice ARGS`; `stdin` is what comes in, `seen` gets what goes out as it does. */
  run: (args: readonly string[], given?: Given) => Promise<Ran>
}
export interface Given {
  stdin?: string
  env?: NodeJS.ProcessEnv
  stopped?: AbortSignal
  seen?: (out: string) => void
  /** As `seen`, of standard error. */
  seenError?: (err: string) => void
}

export async function openTerminal<D extends Dataplane>(
  t: Pick<Test, 'teardown'>,
  options: ApplianceOptions<D, FakeHost> = {},
): Promise<Terminal<D>> {
  const appliance = await startAppliance(options)
  // The path of a socket has 107 octets at most (unix(7)), too few for a folder of tap's.
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  const path = join(folder, 'api.sock')
  await appliance.app.listen({ path })
  t.teardown(async () => {
    appliance.app.server.closeAllConnections()
    await appliance.close()
    rmSync(folder, { recursive: true })
  })
  const api = `unix:${path}`
  return {
    appliance,
    api,
    run: (args, given = {}) => run(args, { ...given, env: { SLUICE_API: api, ...given.env } }),
  }
}

export function programOf(io: Io): Command {
  const program = new Command('sluice').exitOverride()
  addApiCommands(program, io)
  const quiet = (command: Command) => {
    command.configureOutput({ writeOut: io.out, writeErr: io.err })
    command.commands.forEach(quiet)
  }
  quiet(program)
  return program
}

export async function run(args: readonly string[], given: Given): Promise<Ran> {
  const ran: Ran = { out: '', err: '', exit: 0 }
  const program = programOf({
    out: text => {
      ran.out += text
      given.seen?.(ran.out)
    },
    err: text => {
      ran.err += text
      given.seenError?.(ran.err)
    },
    stdin: async () => given.stdin ?? '',
    env: given.env ?? {},
    stopped: given.stopped ?? new AbortController().signal,
    isTerminal: false,
    setExit: status => (ran.exit = status),
  })
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    ran.exit = error.exitCode === 0 ? 0 : 2
  }
  return ran
}
