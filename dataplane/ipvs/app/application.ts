/**
 * A helper for a protocol that names addresses in its payload (struct ip_vs_app). It sees every
 * packet of the connections to its ports, before their addresses are translated, with complete
 * and right checksums.
 */
import type { Packet } from '../../packet.js'

export interface Application {
  /** As `ip_vs_app` lists it. */
  readonly name: string
  /** Client to real server. Answers with the packet to go on with, or null to drop it (counted). */
  in(pkt: Packet, c: number): Packet | null
  /** Real server to client; the same. */
  out(pkt: Packet, c: number): Packet | null
}

/** Number of FTP's helper in a connection record; 0 is none. */
export const FTP = 1

/** Most ports that may have a helper, as ip_vs_ftp's parameter `ports` takes them. */
export const PORTS_MAX = 8
