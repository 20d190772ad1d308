/** What is configured already, as far as an import has to know it: names by what makes unique. */
import { endpointOf } from '../documents/service-key.js'
import { keyText } from '../ipvsadm/documents.js'
import type { ServiceKey } from '../ipvsadm/model.js'
import type { ServiceRecord } from '../repo/records.js'

export interface Present {
  /** By key. */
  services: ReadonlyMap<string, { name: string; servers: ReadonlyMap<string, string> }>
  names: ReadonlySet<string>
}

export const NOTHING: Present = { services: new Map(), names: new Set() }

export function presentOf(records: readonly ServiceRecord[]): Present {
  const services = records.map(record => {
    const servers = record.servers.map(({ name, config }) => [endpointOf(config), name] as const)
    return [keyText(keyOfRecord(record)), { name: record.name, servers: new Map(servers) }] as const
  })
  return { services: new Map(services), names: new Set(records.map(({ name }) => name)) }
}

/** A record's key in ipvsadm's words. */
export function keyOfRecord({ family, config }: ServiceRecord): ServiceKey {
  const { protocol = 'tcp', address = '', port = 0, fwmark = 0 } = config
  return { family: family === 'ipv6' ? 6 : 4, protocol, address, port, fwmark }
}
