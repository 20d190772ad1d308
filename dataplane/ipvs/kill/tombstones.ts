/**
 * Ending a connection from the middle. IPVS follows no sequence numbers, and a reset counts only
 * with exactly the number that its receiver expects (RFC 5961 section 3.2; any other draws a
 * challenge ACK at best). So numbers are taken from where they are known for certain:
 *
 * - The next packet of an end says what it expects: it is answered with a reset that carries the
 *   packet's own acknowledgement number. That is always right.
 * - The other end is sent a reset with the packet's sequence number at the same time, which is right
 *   unless something is under way between them; then its own next packet settles it.
 * - An end that is silent is provoked: an acknowledgement out of its window makes it answer at once.
 *   Where the server's packets do not pass here (DR, tunnel), the client is reset first; what the
 *   server then answers to the probe reaches the client's host, whose reset comes through here.
 *
 * Until all is said, the killed connection stays as a tombstone in state CLOSE, without its real
 * server's active count and without its template. A SYN or INIT of the same addresses replaces it.
 *
 * SCTP needs no number but a tag: the one on the client's packets is remembered (RFC 9260 8.5.1).
 * UDP has nobody to tell: the entry goes, and the next datagram is scheduled anew.
 */
import { Counter } from '../../counters.js'
import type { Packet } from '../../packet.js'
import {
  CLIENT_TOLD,
  FWD_MASK,
  HELPED,
  HINTED,
  KILLED,
  MASQ,
  NO_CPORT,
  SERVER_TOLD,
  TEMPLATE,
} from '../../shared/conn-record.js'
import { SCTP_STATES, TCP_STATES } from '../../shared/conn-states.js'
import { SCTP, TCP } from '../../wire/ip-protocol.js'
import * as sctp from '../../wire/sctp.js'
import * as tcp from '../../wire/tcp.js'
import type { Connections } from '../conn.js'
import type { ConnSlab } from '../conn-slab.js'
import type { HostStack } from '../host-stack.js'
import type { Protocols } from '../proto/index.js'
import { End, type Farewell } from './farewell.js'

/** After this the first new probe, each later one after three times as long; then it is over. */
const FIRST_TICKS = 60
const LAST_TICKS = 540
/** SCTP's heartbeats come every 30 s and a bit (RFC 9260 section 8.3): one of them shall be met. */
const SCTP_TICKS = 6100
const BOTH_TOLD = CLIENT_TOLD | SERVER_TOLD

const TCP_CLOSE = TCP_STATES.indexOf('CLOSE')
const SCTP_CLOSED = SCTP_STATES.indexOf('CLOSED')
/** Both ends know that it is over, or one of them does not exist yet. */
const TCP_OVER = ['TIME_WAIT', 'CLOSE', 'LISTEN'].map(s => TCP_STATES.indexOf(s as 'CLOSE'))

export interface TombstonesOptions {
  conns: Connections
  protocols: Protocols
  farewell: Farewell
  hostStack: HostStack
  counters: Float64Array
}

export class Tombstones {
  readonly #o: TombstonesOptions
  readonly #conns: Connections
  readonly #records: ConnSlab

  constructor(options: TombstonesOptions) {
    this.#o = options
    this.#conns = options.conns
    this.#records = options.conns.records
    options.conns.onKilledDue = c => this.#due(c)
  }

  /** Ends `c`, not a template, and tells both ends. */
  kill(c: number): void {
    const protocol = this.#records.protocol(c)
    this.#o.counters[Counter.killed]!++
    if (!this.#hasEnds(c, protocol)) {
      this.#conns.remove(c)
      return
    }
    this.#bury(c, protocol)
    if (protocol === TCP) this.#provoke(c)
    else this.#abort(c)
  }

  /**
   * A client's packet for a killed connection. False when it is to go on as any other: an end that
   * gives up tells the other by it.
   */
  fromClient(pkt: Packet, c: number): boolean {
    if (this.#givesUp(pkt, c)) return false
    const told = this.#refuse(pkt, c, CLIENT_TOLD)
    if ((told & (SERVER_TOLD | HINTED)) !== 0) return true
    this.#hint(pkt, c, End.server)
    // The server's answers will not pass here, but what the client's host answers to them will.
    if (!this.#isMasq(c) && pkt.flow.protocol === TCP) this.#o.farewell.probe(c, End.server)
    return true
  }

  /** A real server's packet for a killed connection; false as above. */
  fromServer(pkt: Packet, c: number): boolean {
    if (this.#givesUp(pkt, c)) return false
    const told = this.#refuse(pkt, c, SERVER_TOLD)
    // A helper has moved the numbers of this direction.
    const helped = (this.#records.flags(c) & HELPED) !== 0
    if (!helped && (told & (CLIENT_TOLD | HINTED)) === 0) this.#hint(pkt, c, End.client)
    return true
  }

  /** Nobody is asked any more: whoever had these addresses begins anew. */
  settle(c: number): void {
    this.#records.setFlags(c, this.#records.flags(c) | BOTH_TOLD)
  }

  #hasEnds(c: number, protocol: number): boolean {
    const records = this.#records
    if ((records.flags(c) & (NO_CPORT | TEMPLATE)) !== 0) return false
    if (protocol === TCP) return !TCP_OVER.includes(records.state(c))
    return protocol === SCTP && records.state(c) !== SCTP_CLOSED
  }

  #bury(c: number, protocol: number): void {
    const records = this.#records
    const conns = this.#conns
    conns.setActive(c, false)
    conns.controlDel(c)
    records.setFlags(c, records.flags(c) | KILLED)
    records.setState(c, protocol === TCP ? TCP_CLOSE : SCTP_CLOSED)
    const ticks = protocol === TCP ? FIRST_TICKS : SCTP_TICKS
    records.setTimeoutTicks(c, ticks)
    conns.wheel.arm(c, ticks)
  }

  /** Asks those ends for their numbers that were not told yet. */
  #provoke(c: number): void {
    const flags = this.#records.flags(c)
    if ((flags & CLIENT_TOLD) === 0) this.#o.farewell.probe(c, End.client)
    // One that answers to the client alone is asked once the client will refuse the answer.
    const hears = this.#isMasq(c) || (flags & CLIENT_TOLD) !== 0
    if ((flags & SERVER_TOLD) === 0 && hears) this.#o.farewell.probe(c, End.server)
  }

  #abort(c: number): void {
    const tag = this.#records.serverTag(c)
    if (tag === 0) return
    this.#o.farewell.abort(c, End.client, tag, true)
    this.#o.farewell.abort(c, End.server, tag, false)
  }

  /** The timer of a killed connection; true when it runs again. */
  #due(c: number): boolean {
    const records = this.#records
    const ticks = records.timeoutTicks(c)
    if (ticks >= LAST_TICKS || (records.flags(c) & BOTH_TOLD) === BOTH_TOLD) return false
    this.#provoke(c)
    records.setTimeoutTicks(c, ticks * 3)
    this.#conns.wheel.arm(c, ticks * 3)
    return true
  }

  /** Whether the packet itself ends the connection. */
  #givesUp(pkt: Packet, c: number): boolean {
    const protocol = this.#o.protocols.get(pkt.flow.protocol)
    if (protocol === null || !protocol.isReset(pkt)) return false
    this.settle(c)
    return true
  }

  /** Refuses the packet by its own numbers. Returns the flags from before. */
  #refuse(pkt: Packet, c: number, told: number): number {
    const before = this.#records.flags(c)
    this.#o.counters[Counter.killedPacket]!++
    this.#o.hostStack.refuse(pkt)
    this.#records.setFlags(c, before | told | HINTED)
    return before
  }

  /** Ends the other end by the numbers of its peer's packet. */
  #hint(pkt: Packet, c: number, end: End): void {
    const { view, l4 } = pkt
    if (pkt.flow.protocol === TCP) this.#o.farewell.reset(c, end, tcp.seq(view, l4))
    else this.#o.farewell.abort(c, end, sctp.verificationTag(view, l4), false)
  }

  #isMasq(c: number): boolean {
    return (this.#records.flags(c) & FWD_MASK) === MASQ
  }
}
