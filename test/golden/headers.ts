/**
 * Reads headers for the fixtures that play the host around the dataplane. On purpose it shares
 * nothing with the dataplane's own parser.
 */
import * as address from '../../dataplane/wire/address.js'

export interface Headers {
  family: 4 | 6
  protocol: number
  src: string
  dst: string
  ttl: number
  tos: number
  /** Octets of the datagram; what is behind is padding. */
  total: number
  /** Where the transport header starts. */
  l4: number
  dontFragment: boolean
  fragmentOffset: number
  moreFragments: boolean
  /** Of TCP, UDP and SCTP where they can be read. */
  ports: { src: number; dst: number } | null
}

const HAS_PORTS = [6, 17, 132]
const FRAGMENT = 44
/** Hop-by-hop, routing, destination options: length in units of eight octets behind the first. */
const EXTENSIONS = [0, 43, 60]

/** Null for what is cut short or no IP at all. */
export function readHeaders(ip: Uint8Array): Headers | null {
  const b = Buffer.from(ip.buffer, ip.byteOffset, ip.byteLength)
  if (b.length < 20) return null
  return b[0]! >>> 4 === 4 ? read4(b) : b[0]! >>> 4 === 6 ? read6(b) : null
}

function read4(b: Buffer): Headers | null {
  const l4 = (b[0]! & 15) * 4
  const total = b.readUInt16BE(2)
  if (l4 < 20 || total < l4 || total > b.length) return null
  const fragment = b.readUInt16BE(6)
  const protocol = b[9]!
  const fragmentOffset = (fragment & 0x1fff) * 8
  return {
    family: 4,
    protocol,
    src: address.format4(b.readInt32BE(12)),
    dst: address.format4(b.readInt32BE(16)),
    ttl: b[8]!,
    tos: b[1]!,
    total,
    l4,
    dontFragment: (fragment & 0x4000) !== 0,
    fragmentOffset,
    moreFragments: (fragment & 0x2000) !== 0,
    ports: fragmentOffset === 0 ? readPorts(b, protocol, l4, total) : null,
  }
}

function read6(b: Buffer): Headers | null {
  if (b.length < 40) return null
  const total = 40 + b.readUInt16BE(4)
  if (total > b.length) return null
  let protocol = b[6]!
  let l4 = 40
  let fragmentOffset = 0
  let moreFragments = false
  while (EXTENSIONS.includes(protocol) || protocol === FRAGMENT) {
    if (l4 + 8 > total) return null
    if (protocol === FRAGMENT) {
      const word = b.readUInt16BE(l4 + 2)
      fragmentOffset = word & 0xfff8
      moreFragments = (word & 1) !== 0
    }
    const octets = protocol === FRAGMENT ? 8 : (b[l4 + 1]! + 1) * 8
    protocol = b[l4]!
    l4 += octets
    if (fragmentOffset !== 0) break
  }
  return {
    family: 6,
    protocol,
    src: formatIpv6(b, 8),
    dst: formatIpv6(b, 24),
    ttl: b[7]!,
    tos: (b.readUInt16BE(0) >>> 4) & 0xff,
    total,
    l4,
    dontFragment: true,
    fragmentOffset,
    moreFragments,
    ports: fragmentOffset === 0 ? readPorts(b, protocol, l4, total) : null,
  }
}

function readPorts(b: Buffer, protocol: number, l4: number, total: number): Headers['ports'] {
  if (!HAS_PORTS.includes(protocol) || l4 + 4 > total) return null
  return { src: b.readUInt16BE(l4), dst: b.readUInt16BE(l4 + 2) }
}

const formatIpv6 = (b: Buffer, at: number): string =>
  address.format6(
    b.readInt32BE(at),
    b.readInt32BE(at + 4),
    b.readInt32BE(at + 8),
    b.readInt32BE(at + 12),
  )
