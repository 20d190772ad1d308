/**
 * The packets by which a connection is ended from the middle: TCP resets, SCTP ABORTs, and the
 * probe that makes an idle end of TCP tell its numbers. Each goes to one end in the name of the
 * other: to the client from the virtual endpoint, to the real server by the connection's method.
 */
import type { Driver } from '../../driver/driver.js'
import { NextHop } from '../../net/network.js'
import type { Output } from '../../output.js'
import { Flow, type Packet } from '../../packet.js'
import { BYPASS, FWD_MASK } from '../../shared/conn-record.js'
import { Verdict } from '../../verdict.js'
import * as checksum from '../../wire/checksum.js'
import { SCTP, TCP } from '../../wire/ip-protocol.js'
import * as sctp from '../../wire/sctp.js'
import * as tcp from '../../wire/tcp.js'
import type { Clients } from '../clients.js'
import type { Connections } from '../conn.js'
import type { ConnSlab } from '../conn-slab.js'
import type { HostStack } from '../host-stack.js'
import { originate } from '../originate.js'
import type { Transmit } from '../xmit/transmit.js'

/** The ends of a connection. */
export const End = { client: 0, server: 1 } as const
export type End = (typeof End)[keyof typeof End]

export interface FarewellOptions {
  driver: Driver
  output: Output
  conns: Connections
  clients: Clients
  transmit: Transmit
  hostStack: HostStack
  /** A uniform integer in [0, bound]. */
  random: (bound: number) => number
}

export class Farewell {
  readonly #o: FarewellOptions
  readonly #records: ConnSlab
  /** From whoever gets the packet to whoever it seems to come from: `originate` answers it. */
  readonly #flow = new Flow()
  readonly #source = new Int32Array(4)

  constructor(options: FarewellOptions) {
    this.#o = options
    this.#records = options.conns.records
  }

  /** A reset that is believed when `seq` is what that end expects next (RFC 9293 3.10.7.4). */
  reset(c: number, end: End, seq: number): void {
    this.#tcp(c, end, tcp.RST, seq, 0)
  }

  /**
   * An acknowledgement with numbers of nowhere: an end with a connection answers at once with an
   * acknowledgement of its own (RFC 9293 3.10.7.4, first check), one without with a reset. It
   * carries nothing that could be taken for data.
   */
  probe(c: number, end: End): void {
    const { random } = this.#o
    this.#tcp(c, end, tcp.ACK, random(0xffffffff) | 0, random(0xffffffff) | 0)
  }

  /** `reflected`: the tag is what that end sends, not what it expects (RFC 9260 8.5.1). */
  abort(c: number, end: End, tag: number, reflected: boolean): void {
    const pkt = this.#originate(c, end, SCTP, sctp.MIN_LENGTH + sctp.CHUNK_LENGTH)
    if (pkt === null) return
    const { view, l4 } = pkt
    sctp.setSrcPort(view, l4, this.#flow.dstPort)
    sctp.setDstPort(view, l4, this.#flow.srcPort)
    sctp.setVerificationTag(view, l4, tag)
    const flags = reflected ? sctp.T_BIT : 0
    sctp.writeChunk(view, l4 + sctp.MIN_LENGTH, sctp.ABORT, flags, sctp.CHUNK_LENGTH)
    sctp.setChecksum(view, l4, sctp.computeChecksum(view, l4, pkt.end))
    this.#send(pkt, c, end)
  }

  #tcp(c: number, end: End, flags: number, seq: number, ack: number): void {
    const pkt = this.#originate(c, end, TCP, tcp.MIN_LENGTH)
    if (pkt === null) return
    const { view, l4 } = pkt
    tcp.setSrcPort(view, l4, this.#flow.dstPort)
    tcp.setDstPort(view, l4, this.#flow.srcPort)
    tcp.setSeq(view, l4, seq)
    tcp.setAck(view, l4, ack)
    tcp.setOffsetFlags(view, l4, 0x5000 | flags)
    tcp.setWindow(view, l4, 0)
    tcp.setUrgent(view, l4, 0)
    tcp.setChecksum(view, l4, 0)
    tcp.setChecksum(view, l4, checksum.transport(pkt))
    this.#send(pkt, c, end)
  }

  #originate(c: number, end: End, protocol: number, octets: number): Packet | null {
    const records = this.#records
    const f = this.#flow
    const toClient = end === End.client
    f.family = records.family(c)
    f.protocol = protocol
    for (let i = 0; i < 4; i++) {
      this.#source[i] = toClient ? records.vaddr(c, i) : records.caddr(c, i)
    }
    f.src0 = toClient ? records.caddr(c, 0) : records.vaddr(c, 0)
    f.src1 = toClient ? records.caddr(c, 1) : records.vaddr(c, 1)
    f.src2 = toClient ? records.caddr(c, 2) : records.vaddr(c, 2)
    f.src3 = toClient ? records.caddr(c, 3) : records.vaddr(c, 3)
    f.srcPort = toClient ? records.cport(c) : records.vport(c)
    f.dstPort = toClient ? records.vport(c) : records.cport(c)
    const origin = {
      protocol,
      octets,
      tos: 0,
      identification: 0,
      dontFragment: true,
      options: null,
    }
    const pkt = originate(this.#o.driver, f, this.#source, origin)
    if (pkt === null) return null
    pkt.flow.srcPort = f.dstPort
    pkt.flow.dstPort = f.srcPort
    return pkt
  }

  #send(pkt: Packet, c: number, end: End): void {
    const { output, clients, transmit, conns, hostStack } = this.#o
    if (end === End.client) {
      output.send(pkt, clients.towards(c))
      return
    }
    const dest = conns.destOf(c)
    // Nobody is to be told that our own packet found no way.
    const bypass = (this.#records.flags(c) & FWD_MASK) === BYPASS
    if (!bypass && transmit.towards(c, dest).kind === NextHop.unreachable) return
    if (transmit.send(pkt, c, dest) === Verdict.local) hostStack.deliver(pkt)
  }
}
