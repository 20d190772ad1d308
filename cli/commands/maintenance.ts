/** `sluice maintenance …`: drains a host, or what has labels, in every service, and gives it back. */
import { setTimeout } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import type { Maintenance, MaintenanceRequest, Plan } from '../../openapi/client/schema.js'
import { must, mustFetch } from '../client/client.js'
import { Exit } from '../client/refused.js'
import { machineText } from '../output/format.js'
import { tableText, type Column } from '../output/table.js'
import { apiCommand, outputOption, UsageError, type Context, type Io } from './context.js'
import { pairs, repeatable } from './get.js'
import { secondsOf } from './seconds.js'

interface LookFlags {
  wait?: boolean
  interval: string
  output: 'table' | 'json' | 'yaml'
}
interface StartFlags extends LookFlags {
  address?: string
  label?: string[]
  at?: string
  until?: string
  deadline: string
  onDeadline: 'keep' | 'reset'
  comment?: string
  ignoreMinimum?: boolean
  dryRun?: boolean
}

const HELP = `sluice get maintenances lists them. Drains that were begun by sluice drain stay as they are.`
const START_EXAMPLES = `sluice maintenance start host-1 --address 10.0.0.1 --wait
sluice maintenance start rack-3 -l rack=3 --at 2030-01-01T02:00:00Z --until 2030-01-01T04:00:00Z
sluice maintenance start host-1 --address 10.0.0.1 --dry-run    what it would do

It is refused when a service would fall below its policy.minimumUsable. A deadline is in seconds, or
like 90s, 30m, 2h. While --wait looks on, Ctrl-C ends the looking, not the maintenance.`
const END_EXAMPLES = `sluice maintenance end host-1`
const SHOW_EXAMPLES = `sluice maintenance show host-1
sluice maintenance show host-1 --wait         until no connection is left

Status 1 with --wait when connections are left, or it was refused.`

export function addMaintenance(program: Command, io: Io): void {
  const maintenance = program
    .command('maintenance')
    .description('drain a host in every service, and give it back')
    .addHelpText('after', `\n${HELP}`)
  addStart(maintenance, io)
  const end = maintenance
    .command('end')
    .description('end it: what it drains takes new connections again')
    .argument('<maintenance>', 'its name')
  apiCommand(end, io, END_EXAMPLES, async ({ session }, name) => {
    const params = { path: { name } }
    await must(session.client.DELETE('/v1/maintenances/{name}', { params }))
    io.out(`maintenances/${name} ended\n`)
  })
  const show = maintenance
    .command('show')
    .description('show how far it has come')
    .argument('<maintenance>', 'its name')
  apiCommand<LookFlags>(withLooking(show), io, SHOW_EXAMPLES, async (context, name) => {
    return shown(context, await asked(context, name))
  })
}

function addStart(maintenance: Command, io: Io): void {
  const command = maintenance
    .command('start')
    .description('begin it, or change what it shall be')
    .argument('<maintenance>', 'its name')
    .option('--address <address>', 'real servers with this address')
    .addOption(repeatable('-l, --label <key=value>', 'real servers with this label; repeatable'))
    .option('--at <moment>', 'begin then, as 2030-01-01T02:00:00Z')
    .option('--until <moment>', 'end by itself then')
    .option('--deadline <time>', 'how long to wait for connections', '5m')
    .addOption(
      new Option('--on-deadline <what>', 'what becomes of those that are left: they go on or end')
        .choices(['keep', 'reset'])
        .default('keep'),
    )
    .option('--comment <text>', 'for people')
    .option('--ignore-minimum', 'also when services fall below their minimum (scope write)')
    .option('--dry-run', 'only say what would happen')
  apiCommand<StartFlags>(withLooking(command), io, START_EXAMPLES, async (context, name) => {
    const { session, flags } = context
    const body = requestOf(flags)
    if (flags.dryRun === true) return tried(context, name, body)
    const params = { path: { name } }
    return shown(
      context,
      await must(session.client.PUT('/v1/maintenances/{name}', { params, body })),
    )
  })
}

const withLooking = (command: Command): Command =>
  command
    .option('--wait', 'until no connection is left, showing progress')
    .option('--interval <seconds>', 'how often --wait looks', '1')
    .addOption(outputOption('table', ['table', 'json', 'yaml']))

function requestOf(flags: StartFlags): MaintenanceRequest {
  const { address, label = [], at, until, comment } = flags
  if (address === undefined && label.length === 0)
    throw new UsageError('say which real servers: --address or --label')
  return {
    selector: {
      ...(address === undefined ? {} : { address }),
      ...(label.length === 0 ? {} : { labels: pairs(label) }),
    },
    ...(at === undefined ? {} : { startAt: at }),
    ...(until === undefined ? {} : { endAt: until }),
    deadlineSeconds: secondsOf('--deadline', flags.deadline),
    onDeadline: flags.onDeadline,
    ...(comment === undefined ? {} : { comment }),
    ...(flags.ignoreMinimum === true ? { ignoreMinimum: true } : {}),
  }
}

async function tried(
  { session, io, flags }: Context<StartFlags>,
  name: string,
  body: MaintenanceRequest,
): Promise<void> {
  const path = `/v1/maintenances/${encodeURIComponent(name)}?dryRun=true`
  const headers = { 'content-type': 'application/json' }
  const init = { method: 'PUT', headers, body: JSON.stringify(body) }
  const plan = (await (await mustFetch(session.fetch(path, init))).json()) as Plan
  if (flags.output !== 'table') return io.out(machineText(plan, flags.output))
  const services = plan.impact.services.map(
    ({ name: service, usableServersBefore, usableServersAfter, minimumUsable }) =>
      `  ${service}: ${usableServersBefore} usable real servers now, ` +
      `${usableServersAfter} then, ${minimumUsable} at least\n`,
  )
  io.out(`${maintenanceText(plan.body as Maintenance)}${services.join('')}nothing was changed\n`)
}

const asked = ({ session }: Context<LookFlags>, name: string): Promise<Maintenance> =>
  must(session.client.GET('/v1/maintenances/{name}', { params: { path: { name } } }))

async function shown(context: Context<LookFlags>, first: Maintenance) {
  const { io, flags } = context
  const intervalS = Number(flags.interval)
  if (!(intervalS > 0)) throw new UsageError(`--interval: '${flags.interval}' is no time`)
  let now = first
  const { wait = false } = flags
  while (wait && ['scheduled', 'draining'].includes(now.status.phase) && !io.stopped.aborted) {
    if (io.isTerminal) io.err(`\r\u001b[K${summary(now)}`)
    else if (flags.output === 'table') io.err(`${summary(now)}\n`)
    await setTimeout(intervalS * 1000, undefined, { signal: io.stopped }).catch(() => undefined)
    now = await asked(context, first.name)
  }
  if (wait && io.isTerminal) io.err('\r\u001b[K')
  io.out(flags.output === 'table' ? maintenanceText(now) : machineText(now, flags.output))
  const failed = wait && ['expired', 'refused'].includes(now.status.phase)
  return { exit: failed ? Exit.failed : Exit.ok }
}

/** `host-1 draining: 12 of 400 connections left, 1 of 2 real servers drained, deadline 12:05:00 UTC` */
function summary({ name, startAt, status }: Maintenance): string {
  const { phase, totals, endedAt } = status
  const head = `${name} ${phase}`
  if (phase === 'ended' || phase === 'refused') return `${head} ${momentText(endedAt)}`
  const servers = `${counted(totals.servers, 'real server')} of ${counted(totals.services, 'service')}`
  if (phase === 'scheduled')
    return `${head} for ${startAt}: ${servers}, ${totals.connections} connections`
  const about =
    totals.estimatedEndAt === null ? '' : `, ends about ${momentText(totals.estimatedEndAt)}`
  const deadline =
    phase === 'drained' || totals.deadlineAt === null
      ? ''
      : `${about}, deadline ${momentText(totals.deadlineAt)}`
  const left = `${totals.connections} of ${totals.connectionsAtStart} connections left`
  return `${head}: ${left}, ${totals.drained} of ${servers} drained${deadline}`
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

type Member = NonNullable<Maintenance['status']['members']>[number]
const COLUMNS: readonly Column<Member>[] = [
  { title: 'SERVER', value: ({ service, server }) => `${service}/${server}` },
  { title: 'PHASE', value: ({ phase }) => phase },
  { title: 'CONNS', value: ({ connections }) => connections },
  { title: 'AT START', value: ({ connectionsAtStart }) => connectionsAtStart },
  { title: 'DEADLINE', value: ({ deadlineAt }) => deadlineAt },
  { title: 'DRAINED BY', value: ({ phase, maintenance }) => ownerText(phase, maintenance) },
]

const ownerText = (phase: Member['phase'], maintenance: string | null) =>
  ['scheduled', 'disabled'].includes(phase) ? null : (maintenance ?? 'an operator')

function maintenanceText(maintenance: Maintenance): string {
  const { detail, members = [] } = maintenance.status
  const table = members.length === 0 ? '' : tableText(COLUMNS, members, false)
  return `${summary(maintenance)}\n${detail === null ? '' : `${detail}\n`}${table}`
}

const momentText = (moment: string | null) =>
  moment === null ? '' : `${moment.slice(0, 19).replace('T', ' ')} UTC`
