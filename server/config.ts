/**
 * What `sluice serve` and `sluice doctor` can be told. One table makes the options, the environment
 * variables and their help; every value is checked here, and all faults are reported at once.
 */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  BUSY_POLL_MAX_US,
  BUSY_POLL_US,
  CONNS_DEFAULT,
  CONNS_MAX,
  WORKERS_MAX,
} from '../dataplane/limits.js'
import { accessFaults, type AccessConfig } from './auth/access-rules.js'
import { parseListen, socketPath } from './listen/listen-address.js'
import { nearest } from './nearest.js'

export const DRIVERS = ['packet-ring', 'raw-socket'] as const
export type DriverName = (typeof DRIVERS)[number]
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Config extends AccessConfig {
  database: string
  /** Empty: every Ethernet interface that is up. */
  interfaces: string[]
  driver: DriverName
  logLevel: LogLevel
  connsMax: number
  /** Requests a minute from one token or peer; 0 is no limit. */
  requestsPerMinute: number
  /** Dataplane threads. */
  workers: number
  /** How long each polls for the next packet at the most before it sleeps. */
  busyPollUs: number
  /** Folders of health checks that run programs or read files; null: there are none. */
  checkCommands: string | null
  checkFiles: string | null
  /** Whether health checks may go through their services. */
  serviceProbes: boolean
  /** Folder of programs that webhooks may run; null: there are none. */
  notifyCommands: string | null
}

/** A setting as the command line and the environment know it. */
export interface Setting {
  readonly key: keyof Config
  readonly flag: string
  readonly env: string
  readonly placeholder: string
  readonly fallback: string
  readonly help: string
  /** Given more than once on the command line, comma separated in the environment. */
  readonly repeatable?: boolean
  /** Takes no value on the command line; 1 or 0 in the environment. */
  readonly isSwitch?: boolean
}

/** Beside the database: the default of the admin socket. */
const DATABASE_SOCKET = '<database>.sock'

export const SETTINGS: readonly Setting[] = [
  {
    key: 'listen',
    flag: '--listen',
    env: 'SLUICE_LISTEN',
    placeholder: '<address>',
    fallback: '127.0.0.1:7480',
    help:
      'where the API listens: host:port, [ipv6]:port or unix:/path; repeatable; http:// or ' +
      'https:// in front says whether with TLS (default: with, if there is a certificate)',
    repeatable: true,
  },
  {
    key: 'adminSocket',
    flag: '--admin-socket',
    env: 'SLUICE_ADMIN_SOCKET',
    placeholder: '<path>',
    fallback: DATABASE_SOCKET,
    help: 'unix socket for the owner of this process, who needs no token there; off: none',
  },
  {
    key: 'tlsCert',
    flag: '--tls-cert',
    env: 'SLUICE_TLS_CERT',
    placeholder: '<file>',
    fallback: '',
    help: 'certificate chain, PEM; read again on SIGHUP and when it changes',
  },
  {
    key: 'tlsKey',
    flag: '--tls-key',
    env: 'SLUICE_TLS_KEY',
    placeholder: '<file>',
    fallback: '',
    help: 'private key of the certificate, PEM',
  },
  {
    key: 'tlsClientCa',
    flag: '--tls-client-ca',
    env: 'SLUICE_TLS_CLIENT_CA',
    placeholder: '<file>',
    fallback: '',
    help: "whose client certificates are taken, PEM; a subject's OU=sluice-SCOPE says what it may do",
  },
  {
    key: 'noAuth',
    flag: '--no-auth',
    env: 'SLUICE_NO_AUTH',
    placeholder: '',
    fallback: '0',
    help: 'let everybody who reaches the API do everything: for labs, on loopback only',
    isSwitch: true,
  },
  {
    key: 'allowAnyone',
    flag: '--allow-anyone',
    env: 'SLUICE_ALLOW_ANYONE',
    placeholder: '',
    fallback: '0',
    help: 'let --no-auth reach beyond loopback',
    isSwitch: true,
  },
  {
    key: 'allowPlaintext',
    flag: '--allow-plaintext',
    env: 'SLUICE_ALLOW_PLAINTEXT',
    placeholder: '',
    fallback: '0',
    help: 'listen beyond loopback without TLS',
    isSwitch: true,
  },
  {
    key: 'requestsPerMinute',
    flag: '--requests-per-minute',
    env: 'SLUICE_REQUESTS_PER_MINUTE',
    placeholder: '<count>',
    fallback: '600000',
    help: 'most requests of one token or peer; 0: no limit',
  },
  {
    key: 'checkCommands',
    flag: '--check-commands',
    env: 'SLUICE_CHECK_COMMANDS',
    placeholder: '<folder>',
    fallback: 'off',
    help: 'the only folder whose programs health checks may run; off: none may',
  },
  {
    key: 'checkFiles',
    flag: '--check-files',
    env: 'SLUICE_CHECK_FILES',
    placeholder: '<folder>',
    fallback: 'off',
    help: 'the only folder whose files health checks may read; off: none may',
  },
  {
    key: 'serviceProbes',
    flag: '--service-probes',
    env: 'SLUICE_SERVICE_PROBES',
    placeholder: '',
    fallback: '0',
    help: 'let health checks go through services (via: service), from a network namespace of their own',
    isSwitch: true,
  },
  {
    key: 'notifyCommands',
    flag: '--notify-commands',
    env: 'SLUICE_NOTIFY_COMMANDS',
    placeholder: '<folder>',
    fallback: 'off',
    help: 'the only folder whose programs webhooks may run; off: none may',
  },
  {
    key: 'database',
    flag: '--database',
    env: 'SLUICE_DATABASE',
    placeholder: '<file>',
    fallback: './sluice.db',
    help: 'SQLite file that holds the configuration; made when missing',
  },
  {
    key: 'interfaces',
    flag: '--interface',
    env: 'SLUICE_INTERFACE',
    placeholder: '<name>',
    fallback: '',
    help: 'interface that carries traffic; repeatable (default: every Ethernet interface that is up)',
    repeatable: true,
  },
  {
    key: 'driver',
    flag: '--driver',
    env: 'SLUICE_DRIVER',
    placeholder: '<name>',
    fallback: 'packet-ring',
    help: 'how packets are moved: packet-ring, or raw-socket (slower, IPv4 NAT only)',
  },
  {
    key: 'logLevel',
    flag: '--log-level',
    env: 'SLUICE_LOG_LEVEL',
    placeholder: '<level>',
    fallback: 'info',
    help: `least severe line that is logged: ${LOG_LEVELS.join(', ')}`,
  },
  {
    key: 'connsMax',
    flag: '--connections-max',
    env: 'SLUICE_CONNECTIONS_MAX',
    placeholder: '<count>',
    fallback: String(CONNS_DEFAULT),
    help: 'most connections at one time; 128 octets of memory each, taken when first used',
  },
  {
    key: 'workers',
    flag: '--workers',
    env: 'SLUICE_WORKERS',
    placeholder: '<count>',
    fallback: '1',
    help: `dataplane threads that share the traffic by client address, 1 to ${WORKERS_MAX}`,
  },
  {
    key: 'busyPollUs',
    flag: '--busy-poll-us',
    env: 'SLUICE_BUSY_POLL_US',
    placeholder: '<microseconds>',
    fallback: String(BUSY_POLL_US),
    help:
      'longest time that a dataplane thread polls for the next packet before it sleeps, while ' +
      'packets come that close; 0: sleeps at once, saves processor time, costs latency',
  },
]

/** Where commands find the API, and what they show it; no mistakes in a server's environment. */
export const API_VARIABLE = 'SLUICE_API'
export const TOKEN_VARIABLE = 'SLUICE_TOKEN'

/** Every fault found in options and environment; `message` has one line for each. */
export class ConfigError extends Error {
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/** Options as given: flag name without dashes to its text, or texts for a repeatable one. */
export type Flags = Readonly<Record<string, string | readonly string[] | boolean | undefined>>

/**
 * Turns flags and environment into a Config. A flag wins over its variable; an empty variable
 * counts as unset, so that `SLUICE_LISTEN= sluice serve` means the default.
 */
export function readConfig(flags: Flags, env: NodeJS.ProcessEnv): Config {
  const faults = unknownVariables(env)
  const read = <T>(key: keyof Config, parse: (text: string) => T): T | undefined => {
    const setting = SETTINGS.find(known => known.key === key)!
    const { text, source } = textOf(setting, flags, env)
    try {
      return parse(text)
    } catch (error) {
      faults.push(`${source}: ${(error as Error).message}`)
      return undefined
    }
  }
  const database = read('database', parseDatabase)
  const tlsCert = read('tlsCert', text => text)
  const config = {
    listen: read('listen', text => parseListens(text, tlsCert !== '')),
    database,
    adminSocket: read('adminSocket', text => parseAdminSocket(text, database ?? '')),
    tlsCert,
    tlsKey: read('tlsKey', text => text),
    tlsClientCa: read('tlsClientCa', text => text),
    noAuth: read('noAuth', parseSwitch),
    allowAnyone: read('allowAnyone', parseSwitch),
    allowPlaintext: read('allowPlaintext', parseSwitch),
    interfaces: read('interfaces', parseInterfaces),
    driver: read('driver', text => oneOf(text, DRIVERS)),
    logLevel: read('logLevel', text => oneOf(text, LOG_LEVELS)),
    checkCommands: read('checkCommands', parseFolder),
    checkFiles: read('checkFiles', parseFolder),
    serviceProbes: read('serviceProbes', parseSwitch),
    notifyCommands: read('notifyCommands', parseFolder),
    connsMax: read('connsMax', parseConnsMax),
    requestsPerMinute: read('requestsPerMinute', text => parseCount(text, 0, 1e9)),
    workers: read('workers', text => parseCount(text, 1, WORKERS_MAX)),
    busyPollUs: read('busyPollUs', text => parseCount(text, 0, BUSY_POLL_MAX_US)),
  }
  if (config.driver === 'raw-socket' && (config.workers ?? 1) > 1)
    faults.push('--workers: the raw-socket driver has one worker; leave it out or use packet-ring')
  if (config.driver === 'raw-socket' && config.serviceProbes === true)
    faults.push('--service-probes: the raw-socket driver carries none; use packet-ring')
  if (faults.length === 0) faults.push(...accessFaults(config as Config))
  if (faults.length > 0) throw new ConfigError(faults)
  return config as Config
}

/** Where a setting's text comes from, and how to name that place to a person. */
function textOf(setting: Setting, flags: Flags, env: NodeJS.ProcessEnv) {
  const flag = flags[setting.flag.slice(2)]
  // Separated by line feeds: no interface name, nor any sane value, holds one.
  if (typeof flag === 'object' && flag.length > 0)
    // A blank keeps an empty name from looking like the default; it is refused as a name.
    return { text: flag.map(name => name || ' ').join('\n'), source: setting.flag }
  if (typeof flag === 'boolean') return { text: flag ? '1' : '0', source: setting.flag }
  if (typeof flag === 'string') return { text: flag, source: setting.flag }
  const variable = env[setting.env]
  if (variable === undefined || variable === '')
    return { text: setting.fallback, source: setting.flag }
  return {
    text: setting.repeatable ? variable.split(',').join('\n') : variable,
    source: setting.env,
  }
}

function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = [...SETTINGS.map(setting => setting.env), API_VARIABLE, TOKEN_VARIABLE]
  return Object.keys(env)
    .filter(name => name.startsWith('SLUICE_') && !known.includes(name))
    .map(name => {
      const meant = nearest(name, known)
      const hint = meant ? `did you mean ${meant}?` : `known ones are ${known.join(', ')}`
      return `${name}: unknown environment variable; ${hint}`
    })
}

function parseDatabase(text: string): string {
  if (text.trim() === '') throw new Error('the name of the database file is empty')
  if (text.endsWith('/')) throw new Error(`'${text}' is a folder; name a file in it`)
  return text
}

function parseInterfaces(text: string): string[] {
  const names = text === '' ? [] : text.split('\n').map(name => name.trim())
  for (const name of names) {
    // IFNAMSIZ is 16 with its terminator; the kernel refuses '/', ':' and white space.
    if (!/^[^\s/:"\\]{1,15}$/.test(name) || name === '.' || name === '..')
      throw new Error(`'${name}' cannot be the name of an interface; see ip link`)
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new Error(`interface ${twice} is named twice`)
  return names
}

const parseConnsMax = (text: string): number => parseCount(text, 1024, CONNS_MAX)

function parseCount(text: string, least: number, most: number): number {
  const count = /^\d{1,12}$/.test(text) ? Number(text) : NaN
  if (!(count >= least && count <= most))
    throw new Error(`'${text}' is not a count from ${least} to ${most}`)
  return count
}

const parseListens = (text: string, tls: boolean) =>
  text.split('\n').map(each => parseListen(each.trim(), tls))

/** Whether its files may be used is looked at when they are. */
function parseFolder(text: string): string | null {
  if (text === 'off') return null
  const folder = resolve(text)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new Error(`there is no folder ${folder}`)
  return folder
}

function parseAdminSocket(text: string, database: string): string | null {
  if (text === 'off') return null
  if (text !== DATABASE_SOCKET) return socketPath(resolve(text))
  return database === ':memory:' ? null : socketPath(adminSocketOf(database))
}

/** Where the admin socket is unless told otherwise. */
export const adminSocketOf = (database: string): string => `${resolve(database)}.sock`

function parseSwitch(text: string): boolean {
  if (['1', 'true', 'yes', 'on'].includes(text)) return true
  if (['0', 'false', 'no', 'off'].includes(text)) return false
  throw new Error(`'${text}' is neither 1 nor 0`)
}

function oneOf<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find(name => name === text)
  if (found !== undefined) return found
  const meant = nearest(text, allowed)
  const hint = meant ? `did you mean ${meant}?` : `expected one of ${allowed.join(', ')}`
  throw new Error(`'${text}' is not known; ${hint}`)
}
