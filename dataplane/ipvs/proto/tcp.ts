/**
 * TCP (ip_vs_proto_tcp.c). No sequence numbers are followed: any RST or FIN of the right addresses
 * moves the state. While the SYN-flood defence `secure_tcp` is on, a second set of tables believes
 * a client only when the server's answer was seen.
 */
import type { Packet } from '../../packet.js'
import { NOOUTPUT } from '../../shared/conn-record.js'
import { TCP_STATES, type TcpState } from '../../shared/conn-states.js'
import * as ipProtocol from '../../wire/ip-protocol.js'
import * as tcp from '../../wire/tcp.js'
import type { Connections } from '../conn.js'
import { Direction, Gate, REUSE_FIN_WAIT, type Protocol } from './protocol.js'
import { Timeouts } from './timeouts.js'
import { transitions } from './transitions.js'

const TIMEOUTS_S = {
  NONE: 2,
  ESTABLISHED: 900,
  SYN_SENT: 120,
  SYN_RECV: 60,
  FIN_WAIT: 120,
  TIME_WAIT: 120,
  CLOSE: 10,
  CLOSE_WAIT: 60,
  LAST_ACK: 30,
  LISTEN: 120,
  SYNACK: 120,
} satisfies Record<TcpState, number>

/** Short for TCP_STATES, in the same order. */
const SHORT = ['NO', 'ES', 'SS', 'SR', 'FW', 'TW', 'CL', 'CW', 'LA', 'LI', 'SA'] as const
const STATES = SHORT.length
const EVENTS = 4
/** Third direction of the tables: the server's packets do not pass here (DR, tunnel). */
const INPUT_ONLY = 2

const ESTABLISHED = TCP_STATES.indexOf('ESTABLISHED')
const FIN_WAIT = TCP_STATES.indexOf('FIN_WAIT')
const TIME_WAIT = TCP_STATES.indexOf('TIME_WAIT')
const CLOSE = TCP_STATES.indexOf('CLOSE')
const LISTEN = TCP_STATES.indexOf('LISTEN')
const ACTIVE = TCP_STATES.map(state =>
  ['ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'SYNACK'].includes(state),
)

/** Row of the tables for each value of the flags FIN, SYN, RST and ACK; -1: none of them is set. */
const EVENT_OF_FLAGS = Int8Array.from({ length: 256 }, (_, flags) => {
  if ((flags & tcp.RST) !== 0) return 3
  if ((flags & tcp.SYN) !== 0) return 0
  if ((flags & tcp.FIN) !== 0) return 1
  return (flags & tcp.ACK) !== 0 ? 2 : -1
})

// prettier-ignore
const NORMAL = transitions(SHORT, EVENTS, [
  [ // INPUT NO ES SS SR FW TW CL CW LA LI SA   <- from
    /* syn */ 'SR ES ES SR SR SR SR SR SR SR SR',
    /* fin */ 'CL CW SS TW TW TW CL CW LA LI TW',
    /* ack */ 'ES ES SS ES FW TW CL CW CL LI ES',
    /* rst */ 'CL CL CL SR CL CL CL CL LA LI SR',
  ],
  [ // OUTPUT NO ES SS SR FW TW CL CW LA LI SA
    /* syn */ 'SS ES SS SR SS SS SS SS SS LI SR',
    /* fin */ 'TW FW SS TW FW TW CL TW LA LI TW',
    /* ack */ 'ES ES SS ES FW TW CL CW LA ES ES',
    /* rst */ 'CL CL SS CL CL TW CL CL CL CL CL',
  ],
  [ // INPUT-ONLY
    //         NO ES SS SR FW TW CL CW LA LI SA
    /* syn */ 'SR ES ES SR SR SR SR SR SR SR SR',
    /* fin */ 'CL FW SS TW FW TW CL CW LA LI TW',
    /* ack */ 'ES ES SS ES FW TW CL CW CL LI ES',
    /* rst */ 'CL CL CL SR CL CL CL CL LA LI CL',
  ],
])

// prettier-ignore
const SECURE = transitions(SHORT, EVENTS, [
  [ // INPUT NO ES SS SR FW TW CL CW LA LI SA   <- from
    /* syn */ 'SR ES ES SR SR SR SR SR SR SR SA',
    /* fin */ 'CL CW SS TW TW TW CL CW LA LI SA',
    /* ack */ 'ES ES SS SR FW TW CL CW CL LI SA',
    /* rst */ 'CL CL CL SR CL CL CL CL LA LI CL',
  ],
  [ // OUTPUT NO ES SS SR FW TW CL CW LA LI SA
    /* syn */ 'SS ES SS SA SS SS SS SS SS LI SA',
    /* fin */ 'TW FW SS TW FW TW CL TW LA LI TW',
    /* ack */ 'ES ES SS ES FW TW CL CW LA ES ES',
    /* rst */ 'CL CL SS CL CL TW CL CL CL CL CL',
  ],
  [ // INPUT-ONLY
    //         NO ES SS SR FW TW CL CW LA LI SA
    /* syn */ 'SA ES ES SR SA SA SA SA SA SA SA',
    /* fin */ 'CL FW SS TW FW TW CL CW LA LI TW',
    /* ack */ 'ES ES SS ES FW TW CL CW CL LI ES',
    /* rst */ 'CL CL CL SR CL CL CL CL LA LI CL',
  ],
])

export class Tcp implements Protocol {
  readonly name = 'TCP'
  readonly number = ipProtocol.TCP
  readonly states = TCP_STATES
  /** The secure_tcp defence is in effect. */
  secure = false
  /** sloppy_tcp: any packet but RST may open a connection. */
  sloppy = false
  readonly #conns: Connections
  readonly #timeouts = new Timeouts(TCP_STATES, TIMEOUTS_S)

  constructor(conns: Connections) {
    this.#conns = conns
  }

  timeoutS(state: string): number | undefined {
    return this.#timeouts.get(state)
  }
  setTimeoutS(state: string, timeoutS: number): boolean {
    return this.#timeouts.set(state, timeoutS)
  }

  /** SYN+ACK opens a connection too: IPVS does not look at ACK. */
  gate({ view, l4, end }: Packet): Gate {
    if (end - l4 < tcp.MIN_LENGTH) return Gate.drop
    const flags = tcp.flags(view, l4)
    if ((flags & tcp.RST) !== 0) return Gate.accept
    return (flags & tcp.SYN) !== 0 || this.sloppy ? Gate.schedule : Gate.accept
  }

  isNewConnection({ view, l4 }: Packet): boolean {
    return (tcp.flags(view, l4) & tcp.SYN) !== 0
  }

  isReuseExpected(c: number, connReuseMode: number): boolean {
    const { records } = this.#conns
    // Templates and FTP must keep steering it.
    if (records.control(c) !== 0) return false
    const state = records.state(c)
    if (state === TIME_WAIT || state === CLOSE) return true
    const isOneWay = (records.flags(c) & NOOUTPUT) !== 0
    return (connReuseMode & REUSE_FIN_WAIT) !== 0 && state === FIN_WAIT && isOneWay
  }

  isReset({ view, l4 }: Packet): boolean {
    return (tcp.flags(view, l4) & tcp.RST) !== 0
  }

  /** A connection that a helper expects (ip_vs_tcp_conn_listen); its activity stays as it is. */
  listen(c: number): void {
    this.#conns.records.setState(c, LISTEN)
    this.#conns.records.setTimeoutTicks(c, this.#timeouts.ticks[LISTEN]!)
  }

  setState(c: number, direction: Direction, { view, l4 }: Packet): void {
    const { records } = this.#conns
    const flags = records.flags(c)
    let column: number = direction
    if ((flags & NOOUTPUT) !== 0) {
      if (direction === Direction.output) records.setFlags(c, flags & ~NOOUTPUT)
      else column = INPUT_ONLY
    }
    const event = EVENT_OF_FLAGS[tcp.flags(view, l4)]!
    const from = records.state(c)
    const table = this.secure ? SECURE : NORMAL
    const next = event < 0 ? CLOSE : table[(column * EVENTS + event) * STATES + from]!
    if (next !== from) {
      this.#conns.setActive(c, ACTIVE[next]!)
      if (next === ESTABLISHED) this.#conns.assureControl(c)
      records.setState(c, next)
    }
    records.setTimeoutTicks(c, this.#timeouts.ticks[next]!)
  }
}
