/** What the readers of capture files have in common. */

/** Link types (https://www.tcpdump.org/linktypes.html) that are understood. */
export const LinkType = {
  ethernet: 1,
  /** DLT_RAW as some systems write it into files. */
  rawBsd: 12,
  rawOpenBsd: 14,
  raw: 101,
  cooked: 113,
  ipv4: 228,
  ipv6: 229,
  cooked2: 276,
} as const

/** One packet of a capture, as it stands in the file. */
export interface CapturedPacket {
  /** From 1, as tcpdump and Wireshark count. */
  readonly number: number
  /** Octet of the file at which its record starts. */
  readonly position: number
  /** Since 1970; null where the file does not say (simple packet blocks). */
  readonly timeNs: bigint | null
  readonly linkType: number
  /** Name of the interface it was captured on, where the file says. */
  readonly interfaceName: string | null
  /** Captured octets. */
  readonly bytes: Uint8Array
  /** Octets that the packet had on the wire: more than captured when it was cut (snaplen). */
  readonly wireOctets: number
}

/** The file cannot be read (any further). */
export class CaptureError extends Error {
  /** Octet of the file, null when none was reached. */
  readonly position: number | null

  constructor(message: string, position: number | null, options?: ErrorOptions) {
    super(position === null ? message : `at octet ${position}: ${message}`, options)
    this.position = position
  }
}

/** No capture program writes larger packets; a larger length is a broken file. */
export const PACKET_OCTETS_MAX = 1 << 24
