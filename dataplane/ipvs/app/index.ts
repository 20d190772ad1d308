/**
 * The helpers, and what is done for each of them to every packet of their connections
 * (ip_vs_app.c, and the parts of ip_vs_proto_tcp.c that call it): the checksum is verified, the
 * helper sees the payload, sequence numbers are adjusted, and what changed gets a new checksum.
 */
import { Counter } from '../../counters.js'
import { segment } from '../../gso.js'
import { IPV4, type Packet } from '../../packet.js'
import type { Emit } from '../../piece.js'
import * as checksum from '../../wire/checksum.js'
import * as virtioNet from '../../wire/virtio-net.js'
import { Direction } from '../proto/protocol.js'
import { FTP, type Application } from './application.js'
import { Expectations } from './expectations.js'
import { Ftp, type FtpOptions } from './ftp.js'
import { payloadOf, setTcpChecksum } from './payload.js'
import { SequenceAdjust } from './sequence-adjust.js'
import type { Tcp } from '../proto/tcp.js'

export type ApplicationsOptions = Omit<FtpOptions, 'expectations' | 'sequence'> & { tcp: Tcp }

export class Applications {
  /** By the number in a connection's record; 0 is no helper. */
  readonly #applications: readonly (Application | null)[]
  readonly #o: ApplicationsOptions
  readonly #sequence: SequenceAdjust

  constructor(options: ApplicationsOptions) {
    const { conns, tcp, counters, rows } = options
    this.#o = options
    this.#sequence = new SequenceAdjust(rows)
    const expectations = new Expectations(conns, tcp, counters)
    const applications: (Application | null)[] = [null]
    applications[FTP] = new Ftp({ ...options, expectations, sequence: this.#sequence })
    this.#applications = applications
  }

  /**
   * A client's packet of a connection that has a helper, not yet translated. Answers with the
   * packet to go on with, which may be another one, or null: dropped, and counted.
   */
  in(pkt: Packet, c: number): Packet | null {
    return this.#pass(pkt, c, Direction.input)
  }

  /** The same for a real server's packet. */
  out(pkt: Packet, c: number): Packet | null {
    return this.#pass(pkt, c, Direction.output)
  }

  /**
   * Hands on the packets that an offload frame stands for, each with a complete checksum: a helper
   * reads and changes them one by one. False when it ran out of buffers, which the driver counts.
   */
  segments(pkt: Packet, emit: Emit): boolean {
    this.#o.counters[Counter.segmented]!++
    const { mark } = pkt
    return segment(pkt, this.#o.take, piece => {
      piece.mark = mark
      emit(piece)
    })
  }

  /** Cuts a packet that a helper made larger than the MTU into TCP segments. */
  split(pkt: Packet, mtuOctets: number, emit: Emit): boolean {
    const offload = pkt.l2 - virtioNet.LENGTH
    const type = pkt.flow.family === IPV4 ? virtioNet.GSO_TCPV4 : virtioNet.GSO_TCPV6
    virtioNet.setGsoType(pkt.view, offload, type)
    virtioNet.setGsoSize(pkt.view, offload, mtuOctets - (payloadOf(pkt) - pkt.l3))
    pkt.pieces = null
    return this.segments(pkt, emit)
  }

  #pass(pkt: Packet, c: number, direction: Direction): Packet | null {
    if (!this.#isSound(pkt)) {
      this.#o.counters[Counter.badTransportChecksum]!++
      return null
    }
    const application = this.#applications[this.#o.conns.records.app(c)] ?? null
    if (application === null) return pkt
    const whole = direction === Direction.input ? application.in(pkt, c) : application.out(pkt, c)
    if (whole !== null && this.#sequence.apply(whole, c, direction)) setTcpChecksum(whole)
    return whole
  }

  /** Whether the checksum is right; one that is left to the hardware is completed. */
  #isSound(pkt: Packet): boolean {
    if (virtioNet.needsChecksum(pkt.view, pkt.l2 - virtioNet.LENGTH)) return checksum.complete(pkt)
    return checksum.isTransportGood(pkt)
  }
}
