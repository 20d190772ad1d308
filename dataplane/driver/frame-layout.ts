/**
 * Where things stand in every buffer of the packet ring driver, ring slots and own buffers alike.
 *
 *     0            52                  128              138        152
 *     | tpacket2   | headroom for      | virtio_net_hdr | Ethernet | IP, TCP ...
 *     | _hdr, _ll  | tunnel headers    |                |          |
 *
 * PACKET_RESERVE shifts what the kernel writes so that the virtio_net_hdr starts a cache line (64
 * octets): that header, Ethernet, IPv4 and TCP without options then lie in exactly one line.
 */
export const VNET_OCTETS = 10
export const ETHERNET_OCTETS = 14
export const L2 = 138
export const L3 = L2 + ETHERNET_OCTETS

/** tpacket_rcv: TPACKET_ALIGN(tp_hdrlen 52 + 16) + tp_reserve + 10 - 14 is where Ethernet starts. */
export const RESERVE = L2 - (80 + VNET_OCTETS - ETHERNET_OCTETS)

/** Largest frame without BIG TCP: Ethernet and the IPv4 Total Length, or an IPv6 of 65535 + 40. */
export const FRAME_MAX = ETHERNET_OCTETS + 65575

const LINE = 64
/**
 * Octets of a buffer whose frame has up to `frameOctets`: an odd number of cache lines, so that
 * the same fields of successive buffers spread over all sets of the processor's caches.
 */
export function bufferOctets(frameOctets: number): number {
  const lines = Math.ceil((L2 + frameOctets) / LINE)
  return (lines % 2 === 1 ? lines : lines + 1) * LINE
}
