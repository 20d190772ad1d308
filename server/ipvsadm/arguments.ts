/** Reads a command line: which command, its options in any order behind it, and whether they fit. */
import { PLAIN, type CommandLine, type Format, type Listed } from './command-line.js'
import { Draft } from './draft.js'
import { Failure, REFUSED, fail, tryHelp } from './failure.js'
import type { Names } from './names.js'
import {
  ROWS,
  checkOptions,
  checkTunnelOptions,
  hasTunnelOption,
  type ArgumentId,
  type CommandName,
} from './options.js'
import { OptionReader } from './popt.js'
import { schedulerFlags, timeoutS } from './values.js'

const SCHEDULER_DEFAULT = 'wlc'
const INTERFACE_DEFAULT = 'eth0'

/** Throws Failure for everything that ipvsadm itself refuses. */
export async function parse(args: readonly string[], names: Names): Promise<CommandLine> {
  if (args.length === 0) return { command: 'list', what: 'services', key: null, format: PLAIN }
  const reader = new OptionReader<ArgumentId>(args, ROWS)
  const draft = new Draft(names)
  const command = readCommand(reader, draft)
  if (command === 'help' || command === 'version') return { command }
  try {
    for (let read = reader.next(); read.kind !== 'end'; read = reader.next()) {
      if (read.kind === 'bad') throw new Failure(REFUSED, `${read.word}: ${read.reason}\n`)
      if (!(await draft.take(read.id, read.value))) fail(`invalid option \`${read.word}'`)
    }
  } catch (error) {
    if (error instanceof Failure) error.argument = reader.last
    throw error
  }
  const operands = [...reader.leftover]
  if (command === 'timeouts') takeTimeouts(draft, operands)
  if (operands.length > 0) fail(`unexpected argument ${operands[0]}`)
  // Their names depend on the scheduler, which may stand behind them; every command reads them.
  if (draft.schedulerFlags !== null)
    draft.schedulerFlagBits = schedulerFlags(draft.schedulerFlags, draft.scheduler)
  checkOptions(command, draft.given)
  checkMeaning(command, draft)
  return build(command, draft)
}

function readCommand(
  reader: OptionReader<ArgumentId>,
  draft: Draft,
): CommandName | 'help' | 'version' {
  const read = reader.next()
  if (read.kind !== 'option') return tryHelp()
  switch (read.id) {
    case 'startDaemon':
    case 'stopDaemon':
      draft.setRole(read.id, read.value ?? '')
      return read.id
    case 'add':
    case 'edit':
    case 'delete':
    case 'flush':
    case 'list':
    case 'zero':
    case 'addServer':
    case 'editServer':
    case 'deleteServer':
    case 'timeouts':
    case 'restore':
    case 'save':
    case 'help':
    case 'version':
      return read.id
    default:
      return tryHelp()
  }
}

function takeTimeouts(draft: Draft, operands: string[]): void {
  const [tcp, tcpFin, udp] = operands.splice(0, 3)
  if (tcp === undefined || tcpFin === undefined || udp === undefined)
    return fail('--set option requires 3 timeout values')
  draft.timeouts = {
    tcpS: timeoutS(tcp, 0),
    tcpFinS: timeoutS(tcpFin, 0),
    udpS: timeoutS(udp, 0),
  }
}

/** What options mean together; each message and its turn are ipvsadm's. */
function checkMeaning(command: CommandName, draft: Draft): void {
  const { key, dest, given } = draft
  if (command === 'add' || command === 'edit') {
    if (key.fwmark === 0 && key.port === 0 && !given.has('persistent'))
      fail('Zero port specified for non-persistent service')
    if (given.has('ops') && key.fwmark === 0 && key.protocol !== 'udp')
      fail('One-Packet Scheduling is only for UDP virtual services')
    if (draft.scheduler === '') draft.scheduler = SCHEDULER_DEFAULT
  }
  if (command === 'startDaemon' && draft.daemon.interface === '')
    draft.daemon.interface = INTERFACE_DEFAULT
  if (command !== 'addServer' && command !== 'editServer') return
  // Nothing rewrites the port of a packet that is routed or tunnelled.
  if (key.fwmark === 0 && (dest.forwarding === 'tunnel' || dest.forwarding === 'dr'))
    dest.port = key.port
  if (dest.family !== key.family && dest.forwarding !== 'tunnel')
    fail('Different address family is allowed only for tunneling servers')
  if (dest.forwarding === 'tunnel') checkTunnelOptions(dest.tunnel.type, given)
  else if (hasTunnelOption(given)) fail('Tunnel options conflict with forward method')
}

function build(command: CommandName, draft: Draft): CommandLine {
  const { key, dest, given } = draft
  switch (command) {
    case 'add':
    case 'edit':
      return { command, service: draft.service() }
    case 'delete':
      return { command, key }
    case 'flush':
    case 'restore':
      return { command }
    case 'zero':
      return { command, key: given.has('service-address') ? key : null }
    case 'addServer':
    case 'editServer':
      return { command, key, dest }
    case 'deleteServer': {
      const { family, address, port } = dest
      return { command, key, dest: { family, address, port } }
    }
    case 'list':
      return buildList(draft)
    case 'save':
      return { command, format: formatOf(draft) }
    case 'timeouts':
      return { command, timeouts: draft.timeouts }
    case 'startDaemon':
      return { command, daemon: draft.daemon }
    case 'stopDaemon':
      return { command, role: draft.daemon.role, syncId: draft.daemon.syncId }
  }
}

function buildList(draft: Draft): CommandLine {
  const { given } = draft
  const hasConnection = given.has('connection')
  const hasState = given.has('timeout') || given.has('daemon')
  const hasCounters = given.has('stats') || given.has('rate') || given.has('thresholds')
  if (((hasConnection || hasState) && hasCounters) || (hasState && given.has('persistent-conn')))
    fail('options conflicts in the list command')
  let what: Listed = 'services'
  if (hasConnection) what = 'connections'
  else if (given.has('timeout')) what = 'timeouts'
  else if (given.has('daemon')) what = 'daemons'
  const key = given.has('service-address') ? draft.key : null
  return { command: 'list', what, key, format: formatOf(draft) }
}

function formatOf({ given }: Draft): Format {
  return {
    numeric: given.has('numeric'),
    stats: given.has('stats'),
    rate: given.has('rate'),
    thresholds: given.has('thresholds'),
    persistentConn: given.has('persistent-conn'),
    tunnelInfo: given.has('tun-info'),
    nosort: given.has('nosort'),
    exact: given.has('exact'),
  }
}
