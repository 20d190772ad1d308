import type { Endpoint, Protocol } from './model.js'
import type { Names } from './names.js'

/** `address:port`, in numbers or by name; IPv6 addresses in brackets. */
export async function endpointName(
  { family, address, port }: Endpoint,
  protocol: Protocol,
  numeric: boolean,
  names: Names,
): Promise<string> {
  const host = numeric ? null : await names.host(address)
  const service = numeric ? null : await names.service(port, protocol)
  const shown = host ?? address
  return `${family === 6 ? `[${shown}]` : shown}:${service ?? port}`
}
