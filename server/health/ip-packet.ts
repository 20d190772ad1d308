/** IP headers of probes: written for a source that is chosen, and read before they are believed. */
import type { FamilyName } from '../../dataplane/protocol.js'

const HEADERS: Readonly<Record<FamilyName, number>> = { ipv4: 20, ipv6: 40 }

/** A packet for an IPPROTO_RAW socket; addresses are octets, and their length says the family. */
export function ipPacket(
  protocol: number,
  message: Buffer,
  source: Buffer,
  destination: Buffer,
): Buffer {
  if (source.length === 4) {
    const header = Buffer.alloc(HEADERS.ipv4)
    // Identification, total length and checksum are the kernel's to fill in (raw(7)).
    header[0] = 0x45
    header[8] = 64
    header[9] = protocol
    source.copy(header, 12)
    destination.copy(header, 16)
    return Buffer.concat([header, message])
  }
  const header = Buffer.alloc(HEADERS.ipv6)
  header[0] = 0x60
  header.writeUInt16BE(message.length, 4)
  header[6] = protocol
  header[7] = 64
  source.copy(header, 8)
  destination.copy(header, 24)
  return Buffer.concat([header, message])
}

/** The message in a packet with its IP header, which may be cut short; null: of another protocol. */
export const messageIn = (family: FamilyName, packet: Buffer, protocol: number): Buffer | null =>
  family === 'ipv4' ? behindIpv4(packet, protocol) : behindIpv6(packet, protocol)

/** Where a packet with its IP header was going; empty of one that is too short. */
export const destinationIn = (family: FamilyName, packet: Buffer): Buffer =>
  family === 'ipv4' ? packet.subarray(16, 20) : packet.subarray(24, 40)

function behindIpv4(packet: Buffer, protocol: number): Buffer | null {
  if (packet.length < HEADERS.ipv4 || packet[9] !== protocol) return null
  const header = (packet[0]! & 15) * 4
  return header < HEADERS.ipv4 || header > packet.length ? null : packet.subarray(header)
}

/** We send no extension headers, so a quoted packet of ours has none. */
const behindIpv6 = (packet: Buffer, protocol: number) =>
  packet.length < HEADERS.ipv6 || packet[6] !== protocol ? null : packet.subarray(HEADERS.ipv6)
