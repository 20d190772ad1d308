/** Every command and option of ipvsadm 1.31, and which goes with which. */
import { fail } from './failure.js'
import type { OptionRow } from './popt.js'

export const COMMANDS = {
  add: 'add-service',
  edit: 'edit-service',
  delete: 'delete-service',
  flush: 'flush',
  list: 'list',
  addServer: 'add-server',
  deleteServer: 'delete-server',
  editServer: 'edit-server',
  timeouts: 'set',
  startDaemon: 'start-daemon',
  stopDaemon: 'stop-daemon',
  restore: 'restore',
  save: 'save',
  zero: 'zero',
} as const
export type CommandName = keyof typeof COMMANDS

/** Names of options in messages, in the order in which they are checked. */
export const OPTIONS = [
  'numeric',
  'connection',
  'service-address',
  'scheduler',
  'persistent',
  'netmask',
  'real-server',
  'forwarding-method',
  'weight',
  'u-threshold',
  'l-threshold',
  'mcast-interface',
  'timeout',
  'daemon',
  'stats',
  'rate',
  'thresholds',
  'persistent-conn',
  'nosort',
  'syncid',
  'exact',
  'ops',
  'pe',
  'sched-flags',
  'mcast-group',
  'mcast-port',
  'mcast-ttl',
  'sync-maxlen',
  'tun-info',
  'tun-type',
  'tun-port',
  'tun-nocsum',
  'tun-csum',
  'tun-remcsum',
] as const
export type OptionName = (typeof OPTIONS)[number]

export type ArgumentId =
  | Exclude<CommandName, 'help'>
  | 'help'
  | 'version'
  | 'tcp'
  | 'udp'
  | 'sctp'
  | 'fwmark'
  | 'ipv6'
  | 'masq'
  | 'tunnel'
  | 'dr'
  | 'sort'
  | Exclude<OptionName, 'service-address' | 'forwarding-method'>

const flag = (id: ArgumentId, long: string, short?: string): OptionRow<ArgumentId> =>
  short === undefined ? { id, long } : { id, long, short }
const text = (id: ArgumentId, long: string, short?: string): OptionRow<ArgumentId> => ({
  ...flag(id, long, short),
  value: 'required',
})

export const ROWS: readonly OptionRow<ArgumentId>[] = [
  flag('add', 'add-service', 'A'),
  flag('edit', 'edit-service', 'E'),
  flag('delete', 'delete-service', 'D'),
  flag('flush', 'clear', 'C'),
  flag('list', 'list', 'L'),
  { id: 'list', long: 'list', short: 'l' },
  flag('zero', 'zero', 'Z'),
  flag('addServer', 'add-server', 'a'),
  flag('editServer', 'edit-server', 'e'),
  flag('deleteServer', 'delete-server', 'd'),
  flag('timeouts', 'set'),
  flag('help', 'help', 'h'),
  flag('version', 'version', 'v'),
  flag('restore', 'restore', 'R'),
  flag('save', 'save', 'S'),
  text('startDaemon', 'start-daemon'),
  text('stopDaemon', 'stop-daemon'),
  text('tcp', 'tcp-service', 't'),
  text('udp', 'udp-service', 'u'),
  text('sctp', 'sctp-service'),
  text('fwmark', 'fwmark-service', 'f'),
  text('scheduler', 'scheduler', 's'),
  { id: 'persistent', long: 'persistent', short: 'p', value: 'optional' },
  text('netmask', 'netmask', 'M'),
  text('real-server', 'real-server', 'r'),
  flag('masq', 'masquerading', 'm'),
  flag('tunnel', 'ipip', 'i'),
  flag('dr', 'gatewaying', 'g'),
  text('weight', 'weight', 'w'),
  text('u-threshold', 'u-threshold', 'x'),
  text('l-threshold', 'l-threshold', 'y'),
  flag('numeric', 'numeric', 'n'),
  flag('connection', 'connection', 'c'),
  text('mcast-interface', 'mcast-interface'),
  text('syncid', 'syncid'),
  flag('timeout', 'timeout'),
  flag('daemon', 'daemon'),
  flag('stats', 'stats'),
  flag('rate', 'rate'),
  flag('thresholds', 'thresholds'),
  flag('persistent-conn', 'persistent-conn'),
  flag('nosort', 'nosort'),
  flag('sort', 'sort'),
  flag('exact', 'exact', 'X'),
  flag('ipv6', 'ipv6', '6'),
  flag('ops', 'ops', 'o'),
  text('pe', 'pe'),
  text('sched-flags', 'sched-flags', 'b'),
  text('mcast-group', 'mcast-group'),
  text('mcast-port', 'mcast-port'),
  text('mcast-ttl', 'mcast-ttl'),
  text('sync-maxlen', 'sync-maxlen'),
  flag('tun-info', 'tun-info'),
  text('tun-type', 'tun-type'),
  text('tun-port', 'tun-port'),
  flag('tun-nocsum', 'tun-nocsum'),
  flag('tun-csum', 'tun-csum'),
  flag('tun-remcsum', 'tun-remcsum'),
]

interface Rule {
  required?: readonly OptionName[]
  optional?: readonly OptionName[]
  /** At most one of these. */
  exclusive?: readonly OptionName[]
}

const SERVICE: Rule = {
  required: ['service-address'],
  optional: ['scheduler', 'persistent', 'netmask', 'ops', 'pe', 'sched-flags'],
}
const TUNNEL_OPTIONS = ['tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const
const SERVER: Rule = {
  required: ['service-address', 'real-server'],
  optional: [
    ...(['forwarding-method', 'weight', 'u-threshold', 'l-threshold', 'tun-type'] as const),
    ...TUNNEL_OPTIONS,
  ],
}
const RULES: Record<CommandName, Rule> = {
  add: SERVICE,
  edit: SERVICE,
  delete: { required: ['service-address'] },
  flush: {},
  list: {
    optional: [
      ...(['numeric', 'stats', 'rate', 'thresholds', 'persistent-conn', 'nosort'] as const),
      // -L takes an id of synchronisation without a use for it.
      ...(['exact', 'tun-info', 'syncid'] as const),
    ],
    exclusive: ['connection', 'service-address', 'timeout', 'daemon'],
  },
  addServer: SERVER,
  editServer: SERVER,
  deleteServer: { required: ['service-address', 'real-server'] },
  timeouts: {},
  startDaemon: {
    optional: [
      ...(['mcast-interface', 'syncid', 'mcast-group', 'mcast-port', 'mcast-ttl'] as const),
      'sync-maxlen',
    ],
  },
  stopDaemon: { optional: ['syncid'] },
  restore: {},
  save: { optional: ['numeric'] },
  zero: { optional: ['service-address'] },
}

const TUNNEL_RULES: Record<string, Rule> = {
  ipip: {},
  gue: { required: ['tun-port'], exclusive: ['tun-nocsum', 'tun-csum', 'tun-remcsum'] },
  gre: { exclusive: ['tun-nocsum', 'tun-csum'] },
}

/** Whether these options go with that command. */
export function checkOptions(command: CommandName, given: ReadonlySet<OptionName>): void {
  check(OPTIONS, RULES[command], given, `'${COMMANDS[command]}' command`)
}

export function checkTunnelOptions(type: string, given: ReadonlySet<OptionName>): void {
  check(TUNNEL_OPTIONS, TUNNEL_RULES[type]!, given, `'${type}' tunnel type`)
}

function check(
  names: readonly OptionName[],
  rule: Rule,
  given: ReadonlySet<OptionName>,
  where: string,
): void {
  let first: OptionName | null = null
  for (const name of names) {
    if (!given.has(name)) {
      if (rule.required?.includes(name))
        fail(`You need to supply the '${name}' option for the ${where}`)
    } else if (rule.exclusive?.includes(name)) {
      if (first !== null)
        fail(`The option '${name}' conflicts with the '${first}' option in the ${where}`)
      first = name
    } else if (!rule.required?.includes(name) && !rule.optional?.includes(name)) {
      fail(`Illegal '${name}' option with the ${where}`)
    }
  }
}

export const hasTunnelOption = (given: ReadonlySet<OptionName>): boolean =>
  given.has('tun-type') || TUNNEL_OPTIONS.some(name => given.has(name))
