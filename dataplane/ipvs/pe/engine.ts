import type { Packet } from '../../packet.js'

/** Octets of a packet that an engine found; one is kept and filled again for each packet. */
export class Excerpt {
  /** Number of the engine that found them (shared/pe-record.ts). */
  engine = 0
  view: DataView = new DataView(new ArrayBuffer(0))
  at = 0
  length = 0

  /** Word `i` of the octets, big-endian, zero behind the last. */
  word(i: number): number {
    const at = this.at + 4 * i
    const left = this.length - 4 * i
    if (left >= 4) return this.view.getInt32(at)
    let word = 0
    for (let k = 0; k < left; k++) word |= this.view.getUint8(at + k) << (24 - 8 * k)
    return word
  }
}

/**
 * Keeps together, in place of client addresses, what a field of the packets says belongs together
 * (struct ip_vs_pe). The client's network stays part of what a template is found by.
 */
export interface PersistenceEngine {
  readonly name: string
  /** Writes the field's octets to `found`. False when the packet has none, and must be dropped. */
  read(pkt: Packet, found: Excerpt): boolean
  /** Whether a datagram that a real server sends of its own accord is a new connection too. */
  readonly startsFromServer: boolean
}
