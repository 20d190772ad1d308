/**
 * Whether the host's own stack would look at a packet at all (tcp_v4_rcv, __udp4_lib_rcv, sctp_rcv):
 * it answers nothing that is damaged, while IPVS sends damaged packets on as they are.
 */
import { IPV4, type Packet } from '../packet.js'
import * as checksum from '../wire/checksum.js'
import { SCTP, TCP, UDP } from '../wire/ip-protocol.js'
import * as sctp from '../wire/sctp.js'
import * as tcp from '../wire/tcp.js'
import * as udp from '../wire/udp.js'
import * as virtioNet from '../wire/virtio-net.js'

/** Lengths and checksum of a parsed, whole TCP, UDP or SCTP packet; true for other protocols. */
export function isIntact(pkt: Packet): boolean {
  const { view, l4, end, flow } = pkt
  // Its checksum is still to be made: it was never on a wire.
  const partial = virtioNet.needsChecksum(view, pkt.l2 - virtioNet.LENGTH)
  switch (flow.protocol) {
    case TCP:
      return tcp.isValid(view, l4, end) && (partial || checksum.isTransportGood(pkt))
    case UDP:
      return isIntactUdp(pkt, partial)
    case SCTP:
      return partial || sctp.hasGoodChecksum(view, l4, end)
    default:
      return true
  }
}

/** What is behind the length that UDP names does not count. Without checksum in IPv4 only. */
function isIntactUdp({ view, l3, l4, end, flow }: Packet, partial: boolean): boolean {
  const octets = udp.length(view, l4)
  if (octets < udp.MIN_LENGTH || octets > end - l4) return false
  if (partial) return true
  if (udp.checksum(view, l4) === 0) return flow.family === IPV4
  return checksum.isGood(view, l4, l4 + octets, checksum.pseudo(view, l3, UDP, octets))
}
