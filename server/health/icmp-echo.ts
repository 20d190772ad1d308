/**
 * Echo requests and what comes back for them: RFC 792 and RFC 4443. Everything that is read here
 * came from anywhere, so that lengths and checksums are tested before anything is believed.
 */
import type { FamilyName } from '../../dataplane/protocol.js'
import { messageIn } from './ip-packet.js'

interface Types {
  request: number
  reply: number
  unreachable: number
  timeExceeded: number
}
export const TYPES: Readonly<Record<FamilyName, Types>> = {
  ipv4: { request: 8, reply: 0, unreachable: 3, timeExceeded: 11 },
  ipv6: { request: 128, reply: 129, unreachable: 1, timeExceeded: 3 },
}
export const PROTOCOLS: Readonly<Record<FamilyName, number>> = { ipv4: 1, ipv6: 58 }
const ECHO_HEADER = 8

export interface Echo {
  kind: 'reply' | 'unreachable' | 'timeExceeded'
  identifier: number
  sequence: number
  /** Of a reply; errors quote too little of it. */
  payload: Buffer
}

/** An echo request with its checksum, which over IPv6 is the kernel's to fill in (RFC 3542). */
export function echoRequest(
  family: FamilyName,
  identifier: number,
  sequence: number,
  payload: Buffer,
): Buffer {
  const message = Buffer.alloc(ECHO_HEADER + payload.length)
  message[0] = TYPES[family].request
  message.writeUInt16BE(identifier, 4)
  message.writeUInt16BE(sequence, 6)
  payload.copy(message, ECHO_HEADER)
  if (family === 'ipv4') message.writeUInt16BE(checksum([message]), 2)
  return message
}

/**
 * RFC 4443 section 2.3: over a pseudo-header. Nobody else computes it under a header of our own.
 * Addresses are octets.
 */
export function setIcmpv6Checksum(message: Buffer, source: Buffer, destination: Buffer): void {
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(message.length, 0)
  pseudo[7] = PROTOCOLS.ipv6
  message.writeUInt16BE(checksum([source, destination, pseudo, message]), 2)
}

/** What a raw socket received: with its IP header over IPv4, without over IPv6. Null: not for us. */
export function readEcho(family: FamilyName, octets: Buffer): Echo | null {
  const message = family === 'ipv4' ? messageIn(family, octets, PROTOCOLS.ipv4) : octets
  if (message === null || message.length < ECHO_HEADER) return null
  // The kernel hands IPv4 messages to raw sockets before it looks at the checksum.
  if (family === 'ipv4' && checksum([message]) !== 0) return null
  const types = TYPES[family]
  switch (message[0]) {
    case types.reply:
      return message[1] === 0 ? echoIn('reply', message) : null
    case types.unreachable:
      return quoted(family, 'unreachable', message.subarray(ECHO_HEADER))
    case types.timeExceeded:
      return quoted(family, 'timeExceeded', message.subarray(ECHO_HEADER))
    default:
      return null
  }
}

/** An error quotes the packet that it is about: only one of our requests counts. */
function quoted(family: FamilyName, kind: Echo['kind'], packet: Buffer): Echo | null {
  const message = messageIn(family, packet, PROTOCOLS[family])
  const isOurs = message !== null && message.length >= ECHO_HEADER
  return isOurs && message[0] === TYPES[family].request ? echoIn(kind, message) : null
}

const echoIn = (kind: Echo['kind'], message: Buffer): Echo => ({
  kind,
  identifier: message.readUInt16BE(4),
  sequence: message.readUInt16BE(6),
  payload: message.subarray(ECHO_HEADER),
})

/** RFC 1071, over all parts in a row; each but the last is of even length. */
export function checksum(parts: readonly Buffer[]): number {
  let sum = 0
  for (const part of parts)
    for (let i = 0; i < part.length; i += 2) sum += (part[i]! << 8) | (part[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}
