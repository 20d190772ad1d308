/** Names under which ipvsadm's services and real servers stand in the REST API. */
import type { Endpoint, ServiceKey } from './model.js'

/** `tcp-192-0-2-1-80`, `udp-2001-db8--1-53`, `fwm-7`, `fwm-7-ipv6`. */
export function serviceName({ fwmark, family, protocol, address, port }: ServiceKey): string {
  if (fwmark !== 0) return `fwm-${fwmark}${family === 6 ? '-ipv6' : ''}`
  return `${protocol}-${hyphened(address)}-${port}`
}

/** `10-0-0-1-8080`. */
export const serverName = ({ address, port }: Omit<Endpoint, 'family'>): string =>
  `${hyphened(address)}-${port}`

/** `name`, then `name-2`, `name-3`, …, for when somebody else's object has the name already. */
export function* candidates(name: string): Generator<string> {
  yield name
  for (let n = 2; ; n++) yield `${name}-${n}`
}

/** A name begins with a letter or digit, so `::1` becomes `0--1`. */
const hyphened = (address: string): string => address.replaceAll(/[.:]/g, '-').replace(/^-/, '0-')
