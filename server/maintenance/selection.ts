/** Which real servers a maintenance selects. */
import type { Place } from './assignment.js'
import { hasLabels } from '../http/paging.js'
import { nearest } from '../nearest.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import type { Selector } from '../repo/maintenances.js'
import { quote } from '../schemas/walk.js'

/** `config.address` is in RFC 5952 form, as the selector's is: equal addresses are equal texts. */
export function isSelected({ address, labels }: Selector, { config }: ServerRecord): boolean {
  if (address !== undefined && config.address !== address) return false
  return labels === undefined || hasLabels(config.labels, Object.entries(labels))
}

/** By service and name. */
export function select(services: Iterable<ServiceRecord>, selector: Selector): Place[] {
  const places: Place[] = []
  for (const service of services)
    for (const server of service.servers)
      if (isSelected(selector, server)) places.push({ service, server })
  const nameOf = ({ service, server }: Place) => `${service.name}/${server.name}`
  return places.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

/** Why nothing is selected, and what may have been meant. */
export function whyNothing(
  services: Iterable<ServiceRecord>,
  { address, labels = {} }: Selector,
): { detail: string; hint?: string } {
  const servers = [...services].flatMap(service => service.servers)
  if (address !== undefined && !servers.some(({ config }) => config.address === address)) {
    const detail = `No real server of any virtual service has the address ${address}.`
    return { detail, ...meant(address, new Set(servers.map(({ config }) => config.address))) }
  }
  for (const [key, value] of Object.entries(labels)) {
    const having = servers.filter(({ config }) => Object.hasOwn(config.labels, key))
    const keys = new Set(servers.flatMap(({ config }) => Object.keys(config.labels)))
    if (having.length === 0)
      return { detail: `No real server has a label ${quote(key)}.`, ...meant(key, keys) }
    const values = new Set(having.map(({ config }) => config.labels[key]!))
    if (!values.has(value)) {
      const detail = `No real server has the label ${quote(`${key}=${value}`)}.`
      return { detail, ...meant(value, values) }
    }
  }
  return { detail: 'No real server has all of that at once.' }
}

function meant(text: string, known: ReadonlySet<string>): { hint?: string } {
  const best = text.length > 64 ? null : nearest(text, [...known])
  return best === null ? {} : { hint: `Did you mean ${quote(best)}?` }
}
