/**
 * Keeps both ends of a TCP connection in step after a helper changed the length of a payload.
 * Follows nf_conntrack_seqadj.c, which does this for IPVS's FTP: of each sender the last place
 * where its stream changed (P), and by how much it is shifted before (B) and behind it (A).
 *
 *     its own packets        seq += seq after P ? A : B
 *     the other end's        ack -= ack - B after P ? A : B, SACK blocks likewise
 *
 * The rewritten segment itself starts at P, so it keeps its number. One place is enough as long as
 * everything before the change before the last one has been acknowledged, which holds for a
 * protocol that waits for its replies.
 */
import type { Packet } from '../../packet.js'
import { CORRECTIONS, WORDS } from '../../shared/app-record.js'
import * as seq from '../../wire/seq.js'
import * as tcp from '../../wire/tcp.js'
import type { Direction } from '../proto/protocol.js'

/** Words of one sender's corrections. */
const EACH = 3
const AT = 0
const BEFORE = 1
const AFTER = 2

const OPTION_END = 0
const OPTION_NONE = 1
const OPTION_SACK = 5
const BLOCK_OCTETS = 8

export class SequenceAdjust {
  readonly #rows: Int32Array

  constructor(rows: Int32Array) {
    this.#rows = rows
  }

  /** Notes that the segment at `sequence`, as its sender counts, grew by `octets` (or shrank). */
  note(c: number, direction: Direction, sequence: number, octets: number): void {
    if (octets === 0) return
    const rows = this.#rows
    const at = placeOf(c, direction)
    const after = rows[at + AFTER]!
    // Not twice for a retransmission.
    if (rows[at + BEFORE] !== after && !seq.isAfter(sequence, rows[at + AT]!)) return
    rows[at + AT] = sequence
    rows[at + BEFORE] = after
    rows[at + AFTER] = after + octets
  }

  /** Shifts the numbers of a packet that goes in that direction. False when it stays as it is. */
  apply({ view, l4, end }: Packet, c: number, direction: Direction): boolean {
    const rows = this.#rows
    const own = placeOf(c, direction)
    const other = placeOf(c, (1 - direction) as Direction)
    if ((rows[own + BEFORE]! | rows[own + AFTER]!) !== 0) {
      const sequence = tcp.seq(view, l4)
      const isBehind = seq.isAfter(sequence, rows[own + AT]!)
      tcp.setSeq(view, l4, seq.add(sequence, rows[own + (isBehind ? AFTER : BEFORE)]!))
    } else if ((rows[other + BEFORE]! | rows[other + AFTER]!) === 0) {
      return false
    }
    if ((tcp.flags(view, l4) & tcp.ACK) !== 0) {
      tcp.setAck(view, l4, this.#unshifted(other, tcp.ack(view, l4)))
      this.#adjustSack(view, l4, Math.min(end, l4 + tcp.headerLength(view, l4)), other)
    }
    return true
  }

  /** A number of the shifted stream, as its sender counts. */
  #unshifted(at: number, number: number): number {
    const rows = this.#rows
    const before = rows[at + BEFORE]!
    const isBehind = seq.isAfter(seq.add(number, -before), rows[at + AT]!)
    return seq.add(number, -(isBehind ? rows[at + AFTER]! : before))
  }

  /** RFC 2018 section 3: each block is the first number received and the one behind the last. */
  #adjustSack(view: DataView, l4: number, end: number, other: number): void {
    let at = l4 + tcp.MIN_LENGTH
    while (at < end) {
      const kind = view.getUint8(at)
      if (kind === OPTION_END) return
      if (kind === OPTION_NONE) {
        at++
        continue
      }
      if (end - at < 2) return
      const octets = view.getUint8(at + 1)
      if (octets < 2 || octets > end - at) return
      if (kind === OPTION_SACK) {
        for (let edge = at + 2; edge + BLOCK_OCTETS <= at + octets; edge += BLOCK_OCTETS) {
          view.setInt32(edge, this.#unshifted(other, view.getInt32(edge)))
          view.setInt32(edge + 4, this.#unshifted(other, view.getInt32(edge + 4)))
        }
      }
      at += octets
    }
  }
}

const placeOf = (c: number, sender: Direction): number => c * WORDS + CORRECTIONS + sender * EACH
