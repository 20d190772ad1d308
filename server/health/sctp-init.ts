/**
 * The INIT of an SCTP check and what comes back for it: RFC 9260 sections 3.2 and 3.3. Everything
 * that is read here came from anywhere, so that lengths are tested before anything is believed.
 */
import * as crc32c from '../../dataplane/wire/crc32c.js'

export const SCTP = 132
const COMMON_HEADER = 12
const CHUNK_HEADER = 4
/** Of INIT and INIT ACK without parameters. */
const INIT_LENGTH = 20
const INIT = 1
const INIT_ACK = 2
const ABORT = 6
const STATE_COOKIE = 7
/** Of ABORT: the tag is the one that its sender received, which for an INIT is 0. */
const T_BIT = 1
/** As Linux offers them: what comes in is never read, and the peer may ask for many streams. */
const STREAMS = { out: 10, in: 65_535 }
const WINDOW_OCTETS = 65_535

export interface SctpPorts {
  sourcePort: number
  port: number
}

/** Tags are unsigned words, never 0. */
export interface SctpMessage extends SctpPorts {
  tag: number
  answer:
    | { kind: 'initAck'; peerTag: number }
    /** Of an ABORT, why; of something else, why it is not an answer. */
    | { kind: 'abort'; causes: number[] }
    | { kind: 'strange'; what: string }
}

/** An INIT with its checksum. */
export function initPacket(ports: SctpPorts, tag: number, firstTsn: number): Buffer {
  const packet = packetOf(ports, 0, INIT_LENGTH)
  packet[COMMON_HEADER] = INIT
  packet.writeUInt16BE(INIT_LENGTH, COMMON_HEADER + 2)
  packet.writeUInt32BE(tag, COMMON_HEADER + 4)
  packet.writeUInt32BE(WINDOW_OCTETS, COMMON_HEADER + 8)
  packet.writeUInt16BE(STREAMS.out, COMMON_HEADER + 12)
  packet.writeUInt16BE(STREAMS.in, COMMON_HEADER + 14)
  packet.writeUInt32BE(firstTsn, COMMON_HEADER + 16)
  return withChecksum(packet)
}

/** Tells the peer of an INIT ACK that nothing follows; the tag is the peer's. */
export function abortPacket(ports: SctpPorts, peerTag: number): Buffer {
  const packet = packetOf(ports, peerTag, CHUNK_HEADER)
  packet[COMMON_HEADER] = ABORT
  packet.writeUInt16BE(CHUNK_HEADER, COMMON_HEADER + 2)
  return withChecksum(packet)
}

/** Ports of a message, as its sender sees them; null: too short for any. */
export const portsIn = (message: Buffer): SctpPorts | null =>
  message.length < COMMON_HEADER + CHUNK_HEADER
    ? null
    : { sourcePort: message.readUInt16BE(0), port: message.readUInt16BE(2) }

/** What an SCTP message says, without IP header; null: not whole. */
export function readSctp(message: Buffer): SctpMessage | null {
  const ports = portsIn(message)
  if (ports === null || !hasGoodChecksum(message)) return null
  const chunk = message.subarray(COMMON_HEADER)
  const length = chunk.readUInt16BE(2)
  if (length < CHUNK_HEADER || length > chunk.length) return null
  return { ...ports, tag: message.readUInt32BE(4), answer: answerIn(chunk.subarray(0, length)) }
}

/**
 * The INIT that an ICMP error quotes. Without its initiate tag, which nobody can guess, anybody
 * could have sent the error (RFC 9260 section 10, rules ICMP6 and ICMP7): null.
 */
export function quotedInit(message: Buffer): (SctpPorts & { tag: number }) | null {
  if (message.length < COMMON_HEADER + CHUNK_HEADER + 4) return null
  if (message.readUInt32BE(4) !== 0 || message[COMMON_HEADER] !== INIT) return null
  return { ...portsIn(message)!, tag: message.readUInt32BE(COMMON_HEADER + CHUNK_HEADER) }
}

function answerIn(chunk: Buffer): SctpMessage['answer'] {
  const [type, flags] = [chunk[0]!, chunk[1]!]
  if (type === ABORT) {
    // Section 8.4: an ABORT for an INIT has the tag that it offered, and no T bit.
    if ((flags & T_BIT) !== 0) return { kind: 'strange', what: 'an ABORT with a reflected tag' }
    return { kind: 'abort', causes: parametersIn(chunk.subarray(CHUNK_HEADER)) }
  }
  if (type !== INIT_ACK) return { kind: 'strange', what: `a chunk of type ${type}` }
  if (chunk.length < INIT_LENGTH) return { kind: 'strange', what: 'an INIT ACK that is too short' }
  const peerTag = chunk.readUInt32BE(4)
  // Section 3.3.3: neither may be 0, and the cookie is not optional.
  const hasStreams = chunk.readUInt16BE(12) > 0 && chunk.readUInt16BE(14) > 0
  if (peerTag === 0 || !hasStreams)
    return { kind: 'strange', what: 'an INIT ACK without tag or streams' }
  if (!parametersIn(chunk.subarray(INIT_LENGTH)).includes(STATE_COOKIE))
    return { kind: 'strange', what: 'an INIT ACK without state cookie' }
  return { kind: 'initAck', peerTag }
}

/** Types of parameters, or codes of error causes, up to the first that does not fit. */
function parametersIn(octets: Buffer): number[] {
  const types: number[] = []
  for (let at = 0; at + 4 <= octets.length;) {
    const length = octets.readUInt16BE(at + 2)
    if (length < 4 || at + length > octets.length) break
    types.push(octets.readUInt16BE(at))
    // The length does not count the padding (section 3.2.1).
    at += (length + 3) & ~3
  }
  return types
}

function packetOf({ sourcePort, port }: SctpPorts, tag: number, chunkOctets: number): Buffer {
  const packet = Buffer.alloc(COMMON_HEADER + chunkOctets)
  packet.writeUInt16BE(sourcePort, 0)
  packet.writeUInt16BE(port, 2)
  packet.writeUInt32BE(tag, 4)
  return packet
}

function withChecksum(packet: Buffer): Buffer {
  packet.writeInt32LE(checksumOf(packet), 8)
  return packet
}

/**
 * A sender on this machine (a container) leaves 0, for a network card to fill in. So may others that
 * agreed on it (RFC 9653); it is the tag that says whose answer it is.
 */
const hasGoodChecksum = (message: Buffer): boolean =>
  message.readInt32LE(8) === 0 || message.readInt32LE(8) === checksumOf(message)

/** Over the packet with zeros for the checksum, RFC 9260 appendix A. */
function checksumOf(packet: Buffer): number {
  const v = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const head = crc32c.zeros4(crc32c.update(crc32c.INITIAL, v, 0, 8))
  return crc32c.finish(crc32c.update(head, v, COMMON_HEADER, packet.length))
}
