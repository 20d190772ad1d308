import { formatIp } from '../../dataplane/format.js'
import type { Output, Wire } from './case.js'
import type { SeenFrame } from './director.js'

/** A packet as people read it, with the wire and the neighbour it went to. */
export function packetText(wire: Wire, dmac: string, ip: Uint8Array): string {
  const v = new DataView(ip.buffer, ip.byteOffset, ip.byteLength)
  return `${wire} ${dmac} ${formatIp(v, 0, ip.length)}`
}

export const seenText = (f: SeenFrame): string =>
  f.etherType === 0x0806
    ? `${f.port} ${f.dmac} arp ${Buffer.from(f.ip).toString('hex')}`
    : packetText(f.port, f.dmac, f.ip)

export function expectedText(o: Output): string {
  if ('eth' in o) return `${o.port} ethernet ${o.eth}`
  return packetText(o.port, o.dmac, Uint8Array.from(Buffer.from(o.ip, 'hex')))
}
