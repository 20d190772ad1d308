/** What makes a virtual service unique, and endpoints as people read them. */
import type { ServiceKey } from '../../dataplane/protocol.js'
import type { ServiceRecord } from '../repo/records.js'

export function keyOf({ family, config }: Pick<ServiceRecord, 'family' | 'config'>): ServiceKey {
  if (config.fwmark !== undefined) return { family, fwmark: config.fwmark }
  return { family, protocol: config.protocol!, address: config.address!, port: config.port! }
}

/** One text for each key; also how people read it. */
export const keyText = (key: ServiceKey): string =>
  'fwmark' in key ? `${key.family} fwmark ${key.fwmark}` : `${key.protocol} ${endpointOf(key)}`

export const endpointOf = ({ address, port }: { address: string; port: number }): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
