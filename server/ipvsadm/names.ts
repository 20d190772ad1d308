/** Names of hosts and ports, for arguments and for listings without `-n`. */
import { lookup, Resolver } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import * as address from '../../dataplane/wire/address.js'
import type { Protocol } from './model.js'

export interface Names {
  /** First IPv4 address of a host; null when there is none. */
  address(host: string): Promise<string | null>
  host(address: string): Promise<string | null>
  port(name: string, protocol: Protocol): Promise<number | null>
  service(port: number, protocol: Protocol): Promise<string | null>
}

/** Knows no name. */
export const NAMELESS: Names = {
  address: async () => null,
  host: async () => null,
  port: async () => null,
  service: async () => null,
}

/** A listing asks for every address in it, so a name server that is away must not stop it. */
const REVERSE_TIMEOUT_MS = 1000

/** The host's own: /etc/hosts and its name servers, and /etc/services. */
export function hostNames(): Names {
  let table: Services | null = null
  const host = reverseNames()
  const services = () => (table ??= readServices())
  return {
    async address(host) {
      return await lookup(host, { family: 4 }).then(found => found.address, nothing)
    },
    host,
    async port(name, protocol) {
      return services().ports.get(`${name}/${protocol}`) ?? null
    },
    async service(port, protocol) {
      return services().names.get(`${port}/${protocol}`) ?? null
    },
  }
}

/** Only what is in /etc/hosts and /etc/services: nobody else is asked. */
export function fileNames(): Names {
  let hosts: Map<string, string> | null = null
  let addresses: Map<string, string> | null = null
  const names = hostNames()
  return {
    address: async host => (addresses ??= readAddresses()).get(host.toLowerCase()) ?? null,
    host: async address => (hosts ??= readHosts()).get(address) ?? null,
    port: (name, protocol) => names.port(name, protocol),
    service: (port, protocol) => names.service(port, protocol),
  }
}

const nothing = (): null => null

/** Names of addresses; after one that no server answered in time, only those that are in the file. */
function reverseNames(): (address: string) => Promise<string | null> {
  const resolver = new Resolver({ timeout: REVERSE_TIMEOUT_MS, tries: 1 })
  const known = new Map<string, string | null>()
  let file: Map<string, string> | null = null
  let isSilent = false
  const ask = async (address: string): Promise<string | null> => {
    if (isSilent) return null
    try {
      return (await resolver.reverse(address))[0] ?? null
    } catch (error) {
      isSilent = codeOf(error) === 'ETIMEOUT'
      return null
    }
  }
  return async address => {
    const found = known.get(address)
    if (found !== undefined) return found
    const name = (file ??= readHosts()).get(address) ?? (await ask(address))
    known.set(address, name)
    return name
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

/** First name of each address in /etc/hosts. */
function readHosts(): Map<string, string> {
  const names = new Map<string, string>()
  for (const [where = '', name] of words('/etc/hosts')) {
    const a = address.parse(where)
    if (a === null || name === undefined) continue
    const canonical = address.format(a.family, a.w0, a.w1, a.w2, a.w3)
    if (!names.has(canonical)) names.set(canonical, name)
  }
  return names
}

/** First IPv4 address of each name in /etc/hosts. */
function readAddresses(): Map<string, string> {
  const addresses = new Map<string, string>()
  for (const [where = '', ...names] of words('/etc/hosts')) {
    if (address.parse(where)?.family !== 4) continue
    for (const name of names.map(each => each.toLowerCase()))
      if (!addresses.has(name)) addresses.set(name, where)
  }
  return addresses
}

/** Words of each line that has any; `#` begins a comment. A file that is not there has none. */
function words(path: string): string[][] {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // Then nothing has a name.
  }
  const lines = text.split('\n').map(line => line.replace(/#.*/, '').trim())
  return lines.filter(line => line !== '').map(line => line.split(/\s+/))
}

interface Services {
  ports: Map<string, number>
  names: Map<string, string>
}

function readServices(): Services {
  const result: Services = { ports: new Map(), names: new Map() }
  for (const [name, where, ...aliases] of words('/etc/services')) {
    const [port, protocol] = (where ?? '').split('/')
    if (name === undefined || protocol === undefined || !/^\d+$/.test(port!)) continue
    const key = `${port}/${protocol}`
    if (!result.names.has(key)) result.names.set(key, name)
    for (const alias of [name, ...aliases]) {
      const aliasKey = `${alias}/${protocol}`
      if (!result.ports.has(aliasKey)) result.ports.set(aliasKey, Number(port))
    }
  }
  return result
}
