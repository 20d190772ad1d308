/** Names of hosts and ports, for arguments and for listings without `-n`. */
import { lookup, lookupService, reverse } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import type { Protocol } from './model.js'

export interface Names {
  /** First IPv4 address of a host; null when there is none. */
  address(host: string): Promise<string | null>
  host(address: string): Promise<string | null>
  port(name: string, protocol: Protocol): Promise<number | null>
  service(port: number, protocol: Protocol): Promise<string | null>
}

/** The host's own: its resolver and /etc/services. */
export function hostNames(): Names {
  let table: Services | null = null
  const services = () => (table ??= readServices())
  return {
    async address(host) {
      return await lookup(host, { family: 4 }).then(found => found.address, nothing)
    },
    async host(address) {
      const known = await lookupService(address, 0).then(found => found.hostname, nothing)
      if (known !== null && known !== address) return known
      return await reverse(address).then(found => found[0] ?? null, nothing)
    },
    async port(name, protocol) {
      return services().ports.get(`${name}/${protocol}`) ?? null
    },
    async service(port, protocol) {
      return services().names.get(`${port}/${protocol}`) ?? null
    },
  }
}

const nothing = (): null => null

interface Services {
  ports: Map<string, number>
  names: Map<string, string>
}

function readServices(): Services {
  const result: Services = { ports: new Map(), names: new Map() }
  let text = ''
  try {
    text = readFileSync('/etc/services', 'utf8')
  } catch {
    // A host without the file knows no names.
  }
  for (const line of text.split('\n')) {
    const [name, where, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/)
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
