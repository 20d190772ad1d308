/**
 * What `sluice serve` and `sluice doctor` can be told. One table makes the options, the environment
 * variables and their help; every value is checked here, and all faults are reported at once.
 */
import { isIP } from 'node:net'
import { CONNS_DEFAULT, CONNS_MAX } from '../dataplane/limits.js'
import { nearest } from './nearest.js'

export type ListenAddress =
  { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string }

export const DRIVERS = ['packet-ring', 'raw-socket'] as const
export type DriverName = (typeof DRIVERS)[number]
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Config {
  listen: ListenAddress
  database: string
  /** Empty: every Ethernet interface that is up. */
  interfaces: string[]
  driver: DriverName
  logLevel: LogLevel
  connsMax: number
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
}

export const SETTINGS: readonly Setting[] = [
  {
    key: 'listen',
    flag: '--listen',
    env: 'SLUICE_LISTEN',
    placeholder: '<address>',
    fallback: '127.0.0.1:7480',
    help: 'where the API listens: host:port, [ipv6]:port or unix:/path',
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
]

/** Where commands find the API; theirs, but no mistake in the environment of a server either. */
export const API_VARIABLE = 'SLUICE_API'

/** Every fault found in options and environment; `message` has one line for each. */
export class ConfigError extends Error {
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/** Options as given: flag name without dashes to its text, or texts for a repeatable one. */
export type Flags = Readonly<Record<string, string | readonly string[] | undefined>>

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
  const config = {
    listen: read('listen', parseListen),
    database: read('database', parseDatabase),
    interfaces: read('interfaces', parseInterfaces),
    driver: read('driver', text => oneOf(text, DRIVERS)),
    logLevel: read('logLevel', text => oneOf(text, LOG_LEVELS)),
    connsMax: read('connsMax', parseConnsMax),
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return config as Config
}

/** The API's address as a URL, for the ready line and for people. */
export function urlOf(listen: ListenAddress, port?: number): string {
  if (listen.kind === 'unix') return `unix:${listen.path}`
  const host = isIP(listen.host) === 6 ? `[${listen.host}]` : listen.host
  return `http://${host}:${port ?? listen.port}`
}

/** Where a setting's text comes from, and how to name that place to a person. */
function textOf(setting: Setting, flags: Flags, env: NodeJS.ProcessEnv) {
  const flag = flags[setting.flag.slice(2)]
  // Separated by line feeds: no interface name, nor any sane value, holds one.
  if (flag !== undefined && typeof flag !== 'string' && flag.length > 0)
    // A blank keeps an empty name from looking like the default; it is refused as a name.
    return { text: flag.map(name => name || ' ').join('\n'), source: setting.flag }
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
  const known = [...SETTINGS.map(setting => setting.env), API_VARIABLE]
  return Object.keys(env)
    .filter(name => name.startsWith('SLUICE_') && !known.includes(name))
    .map(name => {
      const meant = nearest(name, known)
      const hint = meant ? `did you mean ${meant}?` : `known ones are ${known.join(', ')}`
      return `${name}: unknown environment variable; ${hint}`
    })
}

export function parseListen(text: string): ListenAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length)
    if (!path.startsWith('/'))
      throw new Error(`'${text}' needs an absolute path, as in unix:/run/sluice.sock`)
    // sockaddr_un.sun_path holds 108 octets with its terminator (unix(7)).
    if (Buffer.byteLength(path) > 107)
      throw new Error(`the path of a unix socket has at most 107 octets; choose a shorter one`)
    return { kind: 'unix', path }
  }
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const wanted = 'expected host:port, [ipv6]:port or unix:/path, as in 127.0.0.1:7480'
  if (!match) {
    const bare = isIP(text) === 6 || text.split(':').length > 2
    const hint = bare ? `; write an IPv6 address in brackets, as in [::1]:7480` : ''
    throw new Error(`'${text}' is not an address to listen on: ${wanted}${hint}`)
  }
  const [, bracketed, plain, digits] = match
  const port = Number(digits)
  if (port > 65535) throw new Error(`port ${digits} is above 65535`)
  if (bracketed !== undefined && isIP(bracketed) !== 6)
    throw new Error(`'${bracketed}' between brackets is not an IPv6 address`)
  const host = bracketed ?? plain ?? ''
  if (host === '')
    throw new Error(`'${text}' names no host: ${wanted}; 0.0.0.0:${port} means every address`)
  // A mistyped IPv4 address must not be looked up as a name.
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4) throw new Error(`'${host}' is not an IPv4 address`)
  if (!/^[\w.:%-]+$/.test(host)) throw new Error(`'${host}' is not a host name or address`)
  return { kind: 'tcp', host, port }
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

function parseConnsMax(text: string): number {
  const count = /^\d{1,12}$/.test(text) ? Number(text) : NaN
  if (!(count >= 1024 && count <= CONNS_MAX))
    throw new Error(`'${text}' is not a count from 1024 to ${CONNS_MAX}`)
  return count
}

function oneOf<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find(name => name === text)
  if (found !== undefined) return found
  const meant = nearest(text, allowed)
  const hint = meant ? `did you mean ${meant}?` : `expected one of ${allowed.join(', ')}`
  throw new Error(`'${text}' is not known; ${hint}`)
}
