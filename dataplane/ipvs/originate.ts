import type { Driver } from '../driver/driver.js'
import { IPV4, type Flow, type Packet } from '../packet.js'
import * as checksum from '../wire/checksum.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import type { EchoedOptions } from './echoed-options.js'

/** Hop limit of everything the host's own stack sends. */
const TTL = 64

export interface Origin {
  protocol: number
  /** Octets behind the IP header. */
  octets: number
  tos: number
  /** IPv4 only. */
  identification: number
  dontFragment: boolean
  /** IPv4 only; null for none. */
  options: EchoedOptions | null
}

/**
 * A packet of our own with its IP header written, from `source` (four words) back to the source of
 * `flow`; `l4` and `end` are set, the payload is the caller's. Null when no buffer is left.
 */
export function originate(
  driver: Driver,
  flow: Flow,
  source: Int32Array,
  origin: Origin,
): Packet | null {
  const options = origin.options?.length ?? 0
  const header = flow.family === IPV4 ? ipv4.MIN_LENGTH + options : ipv6.LENGTH
  const pkt = driver.take(header + origin.octets)
  if (pkt === null) return null
  pkt.l4 = pkt.l3 + header
  pkt.end = pkt.l4 + origin.octets
  const own = pkt.flow
  own.family = flow.family
  own.protocol = origin.protocol
  own.src0 = source[0]!
  own.src1 = source[1]!
  own.src2 = source[2]!
  own.src3 = source[3]!
  own.dst0 = flow.src0
  own.dst1 = flow.src1
  own.dst2 = flow.src2
  own.dst3 = flow.src3
  if (flow.family === IPV4) writeIpv4(pkt, origin)
  else writeIpv6(pkt, origin)
  return pkt
}

function writeIpv4(pkt: Packet, origin: Origin): void {
  const { view, l3, l4, flow } = pkt
  ipv4.setVersionIhl(view, l3, 0x40 + ((l4 - l3) >>> 2))
  ipv4.setTos(view, l3, origin.tos)
  ipv4.setTotalLength(view, l3, pkt.end - l3)
  ipv4.setIdentification(view, l3, origin.identification)
  ipv4.setFlagsOffset(view, l3, origin.dontFragment ? ipv4.DF : 0)
  ipv4.setTtl(view, l3, TTL)
  ipv4.setProtocol(view, l3, origin.protocol)
  ipv4.setSrc(view, l3, flow.src0)
  ipv4.setDst(view, l3, flow.dst0)
  for (let at = l3 + ipv4.MIN_LENGTH, i = 0; at < l4; at++, i++)
    view.setUint8(at, origin.options!.octets[i]!)
  ipv4.setChecksum(view, l3, 0)
  ipv4.setChecksum(view, l3, checksum.compute(view, l3, pkt.l4))
}

function writeIpv6(pkt: Packet, origin: Origin): void {
  const { view, l3, flow } = pkt
  ipv6.setFirstWord(view, l3, origin.tos, 0)
  ipv6.setPayloadLength(view, l3, origin.octets)
  ipv6.setNextHeader(view, l3, origin.protocol)
  ipv6.setHopLimit(view, l3, TTL)
  ipv6.setSrc(view, l3, flow.src0, flow.src1, flow.src2, flow.src3)
  ipv6.setDst(view, l3, flow.dst0, flow.dst1, flow.dst2, flow.dst3)
}
