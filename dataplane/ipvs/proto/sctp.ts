/**
 * SCTP (ip_vs_proto_sctp.c). The first chunk of a packet is the event; an ABORT bundled behind
 * COOKIE ECHO or COOKIE ACK counts instead of it.
 */
import type { Packet } from '../../packet.js'
import { NOOUTPUT } from '../../shared/conn-record.js'
import { SCTP_STATES, type SctpState } from '../../shared/conn-states.js'
import * as ipProtocol from '../../wire/ip-protocol.js'
import * as sctp from '../../wire/sctp.js'
import type { Connections } from '../conn.js'
import { Direction, Gate, type Protocol } from './protocol.js'
import { Timeouts } from './timeouts.js'
import { transitions } from './transitions.js'

const TIMEOUTS_S = {
  NONE: 2,
  INIT1: 4,
  INIT: 61,
  'C-SENT': 61,
  'C-REPLIED': 61,
  'C-WAIT': 61,
  COOKIE: 61,
  'C-ECHOED': 61,
  ESTABLISHED: 900,
  'S-SENT': 61,
  'S-RECEIVED': 61,
  'S-ACK-SENT': 61,
  REJECTED: 4,
  CLOSED: 61,
} satisfies Record<SctpState, number>

/** Short for SCTP_STATES, in the same order. */
// prettier-ignore
const SHORT = [
  'NO', 'I1', 'IN', 'CS', 'CR', 'CW', 'CO', 'CE', 'ES', 'SS', 'SR', 'SA', 'RJ', 'CL',
] as const
const STATES = SHORT.length
const EVENTS = 10
/** Third direction of the tables: the server's packets do not pass here (DR, tunnel). */
const INPUT_ONLY = 2

const ESTABLISHED = SCTP_STATES.indexOf('ESTABLISHED')
const CLOSED = SCTP_STATES.indexOf('CLOSED')

/** Row of the tables by chunk type, RFC 9260 section 3.2; SACK, HEARTBEAT and unknown ones are data. */
const EVENT_OF_CHUNK = new Uint8Array(256)
EVENT_OF_CHUNK[sctp.INIT] = 1
EVENT_OF_CHUNK[sctp.INIT_ACK] = 2
EVENT_OF_CHUNK[sctp.COOKIE_ECHO] = 3
EVENT_OF_CHUNK[sctp.COOKIE_ACK] = 4
EVENT_OF_CHUNK[sctp.SHUTDOWN] = 5
EVENT_OF_CHUNK[sctp.SHUTDOWN_ACK] = 6
EVENT_OF_CHUNK[sctp.SHUTDOWN_COMPLETE] = 7
EVENT_OF_CHUNK[sctp.ERROR] = 8
EVENT_OF_CHUNK[sctp.ABORT] = 9

// prettier-ignore
const TABLE = transitions(SHORT, EVENTS, [
  [ // INPUT              NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL   <- from
    /* data             */ 'ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    /* init             */ 'I1 IN IN CS CR CW CO CE ES SS SR SA IN IN',
    /* initAck          */ 'CW CW CW CS CR CO CO CE ES SS SR SA RJ CL',
    /* cookieEcho       */ 'CR IN IN CR CR CW CO CE ES SS SR SA RJ CL',
    /* cookieAck        */ 'ES I1 IN CS CR CW CO ES ES SS SR SA RJ CL',
    /* shutdown         */ 'SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL',
    /* shutdownAck      */ 'CL IN IN CS CR CW CO CE ES CL SR CL RJ CL',
    /* shutdownComplete */ 'CL CL CL CS CR CW CO CE ES SS SR CL RJ CL',
    /* error            */ 'CL I1 IN CS CR CW CO CL ES SS SR SA RJ CL',
    /* abort            */ 'CL CL CL CL CL RJ CL CL CL CL CL CL CL CL',
  ],
  [ // OUTPUT             NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL   <- from
    /* data             */ 'ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    /* init             */ 'CW CW CW CW CW CW CW CW ES CW CW CW CW CW',
    /* initAck          */ 'CS CS CS CS CR CW CO CE ES SS SR SA RJ CL',
    /* cookieEcho       */ 'CE CE CE CE CE CE CE CE ES SS SR SA RJ CL',
    /* cookieAck        */ 'ES ES ES ES ES ES ES ES ES SS SR SA RJ CL',
    /* shutdown         */ 'SS SS SS SS SS SS SS SS SS SS SR SA RJ CL',
    /* shutdownAck      */ 'SA SA SA SA SA CW CO CE ES SA SA SA RJ CL',
    /* shutdownComplete */ 'CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    /* error            */ 'CL CL CL CL CL CW CO CE ES SS SR SA RJ CL',
    /* abort            */ 'CL RJ CL CL CL CL CL CL CL CL CL CL CL CL',
  ],
  [ // INPUT-ONLY         NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL   <- from
    /* data             */ 'ES I1 IN CS CR ES CO CE ES SS SR SA RJ CL',
    /* init             */ 'I1 IN IN IN IN IN CO CE ES SS SR SA IN IN',
    /* initAck          */ 'CE CE CE CE CE CE CO CE ES SS SR SA RJ CL',
    /* cookieEcho       */ 'ES ES ES ES ES ES CO CE ES SS SR SA RJ CL',
    /* cookieAck        */ 'ES I1 IN ES ES CW ES ES ES SS SR SA RJ CL',
    /* shutdown         */ 'SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL',
    /* shutdownAck      */ 'CL IN IN CS CR CW CO CE CL CL SR CL RJ CL',
    /* shutdownComplete */ 'CL CL CL CL CL CW CO CE ES SS CL CL RJ CL',
    /* error            */ 'CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    /* abort            */ 'CL CL CL CL CL RJ CL CL CL CL CL CL CL CL',
  ],
])

export class Sctp implements Protocol {
  readonly name = 'SCTP'
  readonly number = ipProtocol.SCTP
  readonly states = SCTP_STATES
  /** sloppy_sctp: any first chunk but ABORT may open a connection. */
  sloppy = false
  readonly #conns: Connections
  readonly #timeouts = new Timeouts(SCTP_STATES, TIMEOUTS_S)

  constructor(conns: Connections) {
    this.#conns = conns
  }

  timeoutS(state: string): number | undefined {
    return this.#timeouts.get(state)
  }
  setTimeoutS(state: string, timeoutS: number): boolean {
    return this.#timeouts.set(state, timeoutS)
  }

  gate(pkt: Packet): Gate {
    const type = firstChunkType(pkt)
    if (type < 0) return Gate.drop
    if (this.sloppy) return type === sctp.ABORT ? Gate.accept : Gate.schedule
    return type === sctp.INIT ? Gate.schedule : Gate.accept
  }

  isNewConnection(pkt: Packet): boolean {
    return firstChunkType(pkt) === sctp.INIT
  }

  isReuseExpected(c: number): boolean {
    const { records } = this.#conns
    return records.control(c) === 0 && records.state(c) === CLOSED
  }

  isReset(pkt: Packet): boolean {
    return firstChunkType(pkt) === sctp.ABORT
  }

  setState(c: number, direction: Direction, pkt: Packet): void {
    const type = eventChunkType(pkt)
    if (type < 0) return
    const { records } = this.#conns
    const flags = records.flags(c)
    if (direction === Direction.input && !isReflected(type)) {
      records.setServerTag(c, sctp.verificationTag(pkt.view, pkt.l4))
    }
    let column: number = direction
    if ((flags & NOOUTPUT) !== 0) {
      if (direction === Direction.output) records.setFlags(c, flags & ~NOOUTPUT)
      else column = INPUT_ONLY
    }
    const from = records.state(c)
    const next = TABLE[(column * EVENTS + EVENT_OF_CHUNK[type]!) * STATES + from]!
    if (next !== from) {
      this.#conns.setActive(c, next === ESTABLISHED)
      if (next === ESTABLISHED) this.#conns.assureControl(c)
      records.setState(c, next)
    }
    records.setTimeoutTicks(c, this.#timeouts.ticks[next]!)
  }
}

/** Whether its tag may not be the receiver's own: 0 (INIT), or the sender's (RFC 9260 8.5.1). */
const isReflected = (type: number): boolean =>
  type === sctp.INIT || type === sctp.ABORT || type === sctp.SHUTDOWN_COMPLETE

/** Type of the first chunk, or -1 when there is no room for one. */
function firstChunkType({ view, l4, end }: Packet): number {
  const chunk = l4 + sctp.MIN_LENGTH
  return end - chunk < sctp.CHUNK_LENGTH ? -1 : sctp.chunkType(view, chunk)
}

function eventChunkType(pkt: Packet): number {
  const type = firstChunkType(pkt)
  if (type !== sctp.COOKIE_ECHO && type !== sctp.COOKIE_ACK) return type
  const { view, l4, end } = pkt
  const octets = sctp.chunkLength(view, l4 + sctp.MIN_LENGTH)
  if (octets < sctp.CHUNK_LENGTH) return type
  const second = l4 + sctp.MIN_LENGTH + ((octets + 3) & ~3)
  const hasAbort = end - second >= sctp.CHUNK_LENGTH && sctp.chunkType(view, second) === sctp.ABORT
  return hasAbort ? sctp.ABORT : type
}
