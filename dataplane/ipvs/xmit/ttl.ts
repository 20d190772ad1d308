import { IPV4, type Packet } from '../../packet.js'
import * as ipv4 from '../../wire/ipv4.js'
import * as ipv6 from '../../wire/ipv6.js'

/** Time to live of IPv4, hop limit of IPv6. */
export const ttl = (pkt: Packet): number =>
  pkt.flow.family === IPV4 ? ipv4.ttl(pkt.view, pkt.l3) : ipv6.hopLimit(pkt.view, pkt.l3)

/** Takes one hop off; the IPv4 checksum rises by what its high octet lost (RFC 1141). */
export function decrementTtl(pkt: Packet): void {
  const { view, l3 } = pkt
  if (pkt.flow.family === IPV4) {
    ipv4.setTtl(view, l3, ipv4.ttl(view, l3) - 1)
    const sum = ipv4.checksum(view, l3) + 0x0100
    ipv4.setChecksum(view, l3, (sum + (sum >>> 16)) & 0xffff)
  } else {
    ipv6.setHopLimit(view, l3, ipv6.hopLimit(view, l3) - 1)
  }
}
