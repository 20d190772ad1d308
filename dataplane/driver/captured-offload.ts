/**
 * What a captured frame does not tell about offload. A capture on a host shows what its kernel has,
 * not what the wire carried: several TCP segments merged into one packet, and transport checksums
 * that hold the pseudo-header's sum alone because hardware would have completed them. Both are
 * recognised and described in the virtio_net_hdr, as the kernel does for the packet ring.
 */
import { IPV4, type Packet } from '../packet.js'
import * as checksum from '../wire/checksum.js'
import { SCTP, TCP, UDP } from '../wire/ip-protocol.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as ipv6Extension from '../wire/ipv6-extension.js'
import * as sctp from '../wire/sctp.js'
import * as tcp from '../wire/tcp.js'
import * as udp from '../wire/udp.js'
import * as virtioNet from '../wire/virtio-net.js'
import type { SegmentSizes } from './segment-sizes.js'

const upper = new ipv6Extension.UpperLayer()

/** Completes the virtio_net_hdr, zeroed before, of a frame that came in on a link of that MTU. */
export function describeCaptured(pkt: Packet, mtuOctets: number, sizes: SegmentSizes): void {
  const { view, l3 } = pkt
  const version = view.getUint8(l3) >>> 4
  let protocol: number
  let l4: number
  let end: number
  if (version === IPV4) {
    if (!ipv4.isValid(view, l3, pkt.end) || ipv4.isFragment(view, l3)) return
    protocol = ipv4.protocol(view, l3)
    l4 = l3 + ipv4.headerLength(view, l3)
    end = l3 + ipv4.totalLength(view, l3)
  } else {
    if (!ipv6.isValid(view, l3, pkt.end)) return
    end = l3 + ipv6.LENGTH + ipv6.payloadLength(view, l3)
    if (!ipv6Extension.walk(view, l3 + 6, l3 + ipv6.LENGTH, end, upper)) return
    if (upper.fragmentAt !== 0) return
    protocol = upper.protocol
    l4 = upper.at
  }
  if (protocol === UDP && end - l4 >= udp.MIN_LENGTH) {
    markPartial(pkt, protocol, l4, end, udp.CHECKSUM_OFFSET)
  } else if (protocol === TCP && end - l4 >= tcp.MIN_LENGTH) {
    markPartial(pkt, protocol, l4, end, tcp.CHECKSUM_OFFSET)
    const isIpv4 = version === IPV4
    if (isIpv4 && (tcp.flags(view, l4) & tcp.SYN) !== 0) sizes.learn(pkt, l4)
    if (end - l3 > mtuOctets) markMerged(pkt, l4, mtuOctets, isIpv4 ? sizes : null)
  } else if (protocol === SCTP && end - l4 >= sctp.MIN_LENGTH) {
    // Where hardware computes the CRC, the field is zero until then.
    if (sctp.checksum(view, l4) === 0) setPartial(pkt, l4, sctp.CHECKSUM_OFFSET)
  }
}

/** A TCP packet above the MTU was merged; nothing else could have arrived. */
function markMerged(pkt: Packet, l4: number, mtuOctets: number, sizes: SegmentSizes | null): void {
  const { view, l2, l3 } = pkt
  const offload = l2 - virtioNet.LENGTH
  const headers = l4 - l3 + tcp.headerLength(view, l4)
  const most = mtuOctets - headers
  virtioNet.setGsoType(view, offload, sizes === null ? virtioNet.GSO_TCPV6 : virtioNet.GSO_TCPV4)
  virtioNet.setGsoSize(view, offload, sizes === null ? most : sizes.of(pkt, l4, most))
  virtioNet.setHdrLen(view, offload, headers + (l3 - l2))
}

/**
 * A complete checksum that happens to equal the pseudo-header's sum is no harm: completing it again
 * gives the same.
 */
function markPartial(pkt: Packet, protocol: number, l4: number, end: number, field: number): void {
  const { view, l3 } = pkt
  const sum = checksum.pseudo(view, l3, protocol, end - l4)
  if (view.getUint16(l4 + field) === sum) setPartial(pkt, l4, field)
}

function setPartial({ view, l2 }: Packet, l4: number, field: number): void {
  const offload = l2 - virtioNet.LENGTH
  virtioNet.setFlags(view, offload, virtioNet.NEEDS_CSUM)
  virtioNet.setCsumStart(view, offload, l4 - l2)
  virtioNet.setCsumOffset(view, offload, field)
}
