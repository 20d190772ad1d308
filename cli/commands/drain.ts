/** `sluice drain SERVICE/SERVER`: no new connections for a real server, and how far it has come. */
import { setTimeout } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import type { Drain } from '../../openapi/client/schema.js'
import { must } from '../client/client.js'
import { Exit } from '../client/refused.js'
import { machineText } from '../output/format.js'
import { apiCommand, outputOption, UsageError, type Context, type Io } from './context.js'
import { serverPath } from './delete.js'
import { secondsOf } from './seconds.js'

interface DrainFlags {
  deadline: string
  onDeadline: 'keep' | 'reset'
  wait?: boolean
  cancel?: boolean
  status?: boolean
  interval: string
  output: 'table' | 'json' | 'yaml'
}

const EXAMPLES = `sluice drain web/a                            at most five minutes, then what is left goes on
sluice drain web/a --deadline 30m --on-deadline reset --wait
sluice drain web/a --status                   how far it has come
sluice drain web/a --cancel                   new connections again

While --wait looks on, Ctrl-C ends the looking, not the drain. A deadline is in seconds, or like 90s,
30m, 2h, 1d. The real server stays drained until --cancel; sluice delete server web/a removes it.`
const OVER: readonly string[] = ['drained', 'expired']

export function addDrain(program: Command, io: Io): void {
  const command = program
    .command('drain')
    .description('give a real server no new connections, and wait for those that it has')
    .argument('<server>', 'SERVICE/SERVER')
    .option('--deadline <time>', 'how long to wait for connections', '5m')
    .addOption(
      new Option('--on-deadline <what>', 'what becomes of those that are left: they go on or end')
        .choices(['keep', 'reset'])
        .default('keep'),
    )
    .option('--wait', 'until it is over, showing progress; status 1 when connections are left')
    .addOption(new Option('--status', 'only show how far it has come').conflicts('cancel'))
    .option('--cancel', 'let the real server have new connections again')
    .option('--interval <seconds>', 'how often --wait looks', '1')
    .addOption(outputOption('table', ['table', 'json', 'yaml']))
  apiCommand<DrainFlags>(command, io, EXAMPLES, async (context, name) => {
    const { session, flags } = context
    const { service, server } = serverPath(name)
    const params = { path: { name: service, server } }
    const path = '/v1/virtual-services/{name}/real-servers/{server}/drain'
    if (flags.cancel === true) {
      await must(session.client.DELETE(path, { params }))
      return io.out(`servers/${name} takes new connections again\n`)
    }
    const intervalS = Number(flags.interval)
    if (!(intervalS > 0)) throw new UsageError(`--interval: '${flags.interval}' is no time`)
    const ask = () => must(session.client.GET(path, { params }))
    const body = {
      deadlineSeconds: secondsOf('--deadline', flags.deadline),
      onDeadline: flags.onDeadline,
    }
    const begun =
      flags.status === true ? await ask() : await must(session.client.PUT(path, { params, body }))
    const drain = flags.wait === true ? await watched(context, begun, ask, intervalS * 1000) : begun
    io.out(flags.output === 'table' ? drainText(name, drain) : machineText(drain, flags.output))
    return { exit: flags.wait === true && isIncomplete(drain) ? Exit.failed : Exit.ok }
  })
}

/** Ended by its deadline with connections that go on, where one wanted to see them gone. */
const isIncomplete = ({ onDeadline, status }: Drain) =>
  onDeadline === 'keep' && status.state === 'expired' && status.connections > 0

async function watched(
  { io, flags }: Context<DrainFlags>,
  begun: Drain,
  ask: () => Promise<Drain>,
  intervalMs: number,
): Promise<Drain> {
  let drain = begun
  while (!OVER.includes(drain.status.state) && !io.stopped.aborted) {
    if (io.isTerminal) io.err(`\r\u001b[K${progressText(drain)}`)
    else if (flags.output === 'table') io.err(`${progressText(drain)}\n`)
    await setTimeout(intervalMs, undefined, { signal: io.stopped }).catch(() => undefined)
    drain = await ask()
  }
  if (io.isTerminal) io.err('\r\u001b[K')
  return drain
}

/** `12 of 400 connections left, ends about 12:02:40, deadline 12:05:00` */
function progressText({ status }: Drain): string {
  const { connections, connectionsAtStart, estimatedEndAt, deadlineAt } = status
  const about = estimatedEndAt === null ? '' : `, ends about ${timeOf(estimatedEndAt)}`
  const left = `${connections} of ${connectionsAtStart} connections left`
  return `${left}${about}, deadline ${timeOf(deadlineAt)}`
}

function drainText(name: string, drain: Drain): string {
  const { state, connectionsReset, persistConns } = drain.status
  const held = persistConns === 0 ? '' : `, ${persistConns} clients bound to it`
  return `servers/${name} ${state}: ${restText()}${held}\n`

  function restText(): string {
    if (connectionsReset) return `${connectionsReset} connections were ended at the deadline`
    return state === 'drained' ? 'no open connection is left' : progressText(drain)
  }
}

const timeOf = (moment: string) => `${moment.slice(11, 19)} UTC`
