/** virtual_server: what its block says, before it is known how many services it makes. */
import { FWMARK_MAX, PERSISTENCE_MAX_S, SCHEDULERS } from '../../schemas/virtual-service.js'
import { INT32_MAX } from '../../schemas/real-server.js'
import type { Protocol } from '../../ipvsadm/model.js'
import { mark } from '../report.js'
import { readTiming, TIMING, type Timing } from './check-timing.js'
import type { Group, Member } from './group.js'
import { ignore, OF_SERVICE, unknown } from './ignored.js'
import { readRealServer, type RealServer } from './real-server.js'
import { POLICY, readPolicyStatement, type PolicyStatements } from './service-policy.js'
import type { Node } from './tree.js'
import { endpointOf, methodOf, numberOf, type Method } from './values.js'

export interface VirtualServer {
  node: Node
  members: readonly Member[]
  scheduler: string | null
  /** Names as ipvsadm's -b has them. */
  flags: Node[]
  onePacket: boolean
  method: Method | null
  protocol: Protocol | null
  engine: string
  /** Null: not given. */
  timeoutS: number | null
  granularity: { text: string; node: Node } | null
  family: 4 | 6 | null
  weight: number
  servers: RealServer[]
  timing: Timing
  policy: PolicyStatements
}

const TIMEOUT_DEFAULT_S = 360
const FLAGS = ['flag-1', 'flag-2', 'flag-3', 'sh-port', 'sh-fallback', 'mh-port', 'mh-fallback']

type Reader = (node: Node, server: VirtualServer) => void

const READERS: Readonly<Record<string, Reader>> = {
  lb_algo: readScheduler,
  lvs_sched: readScheduler,
  lb_kind: readMethod,
  lvs_method: readMethod,
  ops: (_node, server) => (server.onePacket = true),
  persistence_engine: (node, server) => (server.engine = node.args[0] ?? ''),
  persistence_timeout: readTimeout,
  persistence_granularity: (node, server) =>
    (server.granularity = { text: node.args[0] ?? '', node }),
  protocol: readProtocol,
  ip_family: readFamily,
  weight: readWeight,
  real_server: (node, server) => {
    const read = readRealServer(node)
    if (read !== null) server.servers.push(read)
  },
  ...Object.fromEntries(FLAGS.map(flag => [flag, readFlag])),
}
/** Those that mean something without a word behind them. */
const WORDLESS: ReadonlySet<string> = new Set(['ops', 'persistence_timeout', ...FLAGS])
const KNOWN = [...Object.keys(READERS), ...Object.keys(OF_SERVICE), ...TIMING, ...POLICY]

/** Null when it cannot be understood; then the report says why. */
export function readVirtualServer(
  node: Node,
  groups: ReadonlyMap<string, Group>,
): VirtualServer | null {
  const members = membersOf(node.args, groups)
  if (typeof members === 'string') {
    mark(node.entry, 'refused', members)
    for (const child of node.children ?? []) ignore(child, 'Its virtual server was refused.')
    return null
  }
  const server: VirtualServer = {
    ...{ node, members, scheduler: null, flags: [], onePacket: false, method: null },
    ...{ protocol: null, engine: '', timeoutS: null, granularity: null, family: null },
    ...{ weight: 1, servers: [], timing: {}, policy: {} },
  }
  for (const child of node.children ?? []) readStatement(child, server)
  return server
}

function membersOf(args: readonly string[], groups: ReadonlyMap<string, Group>) {
  const [first = '', second = ''] = args
  if (first === 'group')
    return groups.get(second)?.members ?? `There is no virtual_server_group '${second}'.`
  if (first === 'fwmark') {
    const fwmark = numberOf(second, 1, FWMARK_MAX)
    if (fwmark === null) return `'${second}' is not a mark.`
    return [{ family: null, address: null, port: 0, fwmark }]
  }
  const endpoint = endpointOf(args)
  if (typeof endpoint === 'string') return endpoint
  const family = endpoint.family === 'ipv4' ? (4 as const) : (6 as const)
  return [{ family, address: endpoint.text, port: endpoint.port ?? 0, fwmark: 0 }]
}

function readStatement(node: Node, server: VirtualServer): void {
  const { keyword, args, entry } = node
  const ignored = Object.hasOwn(OF_SERVICE, keyword) ? OF_SERVICE[keyword] : undefined
  if (ignored !== undefined) return ignore(node, ignored)
  if (readTiming(node, server.timing) || readPolicyStatement(node, server.policy)) return
  if (!Object.hasOwn(READERS, keyword)) return ignore(node, unknown(keyword, KNOWN))
  if (args.length === 0 && !WORDLESS.has(keyword))
    return mark(entry, 'refused', `'${keyword}' has nothing behind it.`)
  if (node.children !== null && keyword !== 'real_server')
    for (const child of node.children) ignore(child, `'${keyword}' has no block.`)
  READERS[keyword]!(node, server)
}

function readScheduler({ args, entry }: Node, server: VirtualServer): void {
  const name = args[0]!
  if ((SCHEDULERS as readonly string[]).includes(name)) server.scheduler = name
  else mark(entry, 'refused', `There is no scheduler '${name}'.`)
}

/** keepalived goes by the scheduler that stands above the flag. */
function readFlag(node: Node, server: VirtualServer): void {
  const { keyword, entry } = node
  const owner = /^(.h)-/.exec(keyword)?.[1]
  if (owner === undefined || owner === server.scheduler) server.flags.push(node)
  else mark(entry, 'ignored', `The scheduler above it is not ${owner}.`)
}

function readMethod({ args, entry }: Node, server: VirtualServer): void {
  const method = methodOf(args)
  if (typeof method === 'string') mark(entry, 'refused', method)
  else server.method = method
}

function readTimeout({ args, entry }: Node, server: VirtualServer): void {
  const value = args.length === 0 ? TIMEOUT_DEFAULT_S : numberOf(args[0], 1, PERSISTENCE_MAX_S)
  if (value === null) mark(entry, 'refused', `It is 1 to ${PERSISTENCE_MAX_S} seconds.`)
  else server.timeoutS = value
}

function readProtocol({ args, entry }: Node, server: VirtualServer): void {
  const name = args[0]!.toLowerCase()
  if (name === 'tcp' || name === 'udp' || name === 'sctp') server.protocol = name
  else mark(entry, 'refused', `There is no protocol '${args[0]}'; it is TCP, UDP or SCTP.`)
}

function readFamily({ args, entry }: Node, server: VirtualServer): void {
  if (args[0] === 'inet') server.family = 4
  else if (args[0] === 'inet6') server.family = 6
  else mark(entry, 'refused', `'${args[0]}' is neither inet nor inet6.`)
}

function readWeight({ args, entry }: Node, server: VirtualServer): void {
  const value = numberOf(args[0], 1, INT32_MAX)
  if (value === null) mark(entry, 'refused', `A weight here is 1 to ${INT32_MAX}.`)
  else server.weight = value
}
