/** `sluice ipvsadm …`: what follows is ipvsadm's, letter for letter, except a leading `--api`. */
import { text } from 'node:stream/consumers'
import { parseApi, Unreachable, type ApiAddress } from './client/address.js'
import { clientTls, type ClientTls } from './client/certificates.js'
import { findApi } from './find-api.js'
import { run } from './ipvsadm/command.js'
import { RestBackend } from './ipvsadm/rest-backend.js'
import { RestCaller } from './ipvsadm/rest-caller.js'

/** As ipvsadm ends when it cannot talk to the kernel. */
const INIT_FAILED = 2

/** Runs one command line and returns its exit status. */
export async function ipvsadm(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const { api, rest } = split(args, env)
  let address: ApiAddress
  let tls: ClientTls
  try {
    address = parseApi(api)
    tls = clientTls({}, env)
  } catch (error) {
    return complain(error)
  }
  const client = new RestCaller(address, env.SLUICE_TOKEN, tls)
  // Whoever reads our output may stop early.
  process.stdout.on('error', () => process.exit(0))
  try {
    const stdin = isRestore(rest) ? await text(process.stdin) : ''
    const { stdout, stderr, exit } = await run(rest, new RestBackend(client), { stdin })
    process.stdout.write(stdout)
    process.stderr.write(stderr)
    return exit
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    return complain(error)
  } finally {
    client.close()
  }
}

/** `--api` is not ipvsadm's, so it counts only in front of everything that is. */
function split(args: readonly string[], env: NodeJS.ProcessEnv): { api: string; rest: string[] } {
  const [first, second, ...rest] = args
  if (first === '--api') return { api: second ?? '', rest }
  if (first?.startsWith('--api=')) return { api: first.slice('--api='.length), rest: args.slice(1) }
  return { api: findApi(env), rest: [...args] }
}

/** Only the first argument can be the command; `-Rn` is popt's bundle of `-R` and `-n`. */
const isRestore = ([first = '']: readonly string[]): boolean =>
  first === '--restore' || first.startsWith('-R')

function complain(error: unknown): number {
  process.stderr.write(
    `sluice ipvsadm: ${error instanceof Error ? error.message : String(error)}\n`,
  )
  return INIT_FAILED
}
