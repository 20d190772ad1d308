/** UDP (ip_vs_proto_udp.c): one state that every packet refreshes; never counted as active. */
import type { Packet } from '../../packet.js'
import { UDP_STATES } from '../../shared/conn-states.js'
import * as ipProtocol from '../../wire/ip-protocol.js'
import * as udp from '../../wire/udp.js'
import type { Connections } from '../conn.js'
import { Direction, Gate, type Protocol } from './protocol.js'
import { Timeouts } from './timeouts.js'

export class Udp implements Protocol {
  readonly name = 'UDP'
  readonly number = ipProtocol.UDP
  readonly states = UDP_STATES
  readonly #conns: Connections
  readonly #timeouts = new Timeouts(UDP_STATES, { UDP: 300 })

  constructor(conns: Connections) {
    this.#conns = conns
  }

  timeoutS(state: string): number | undefined {
    return this.#timeouts.get(state)
  }
  setTimeoutS(state: string, timeoutS: number): boolean {
    return this.#timeouts.set(state, timeoutS)
  }

  gate({ l4, end }: Packet): Gate {
    return end - l4 < udp.MIN_LENGTH ? Gate.drop : Gate.schedule
  }

  isNewConnection(): boolean {
    return false
  }
  isReuseExpected(): boolean {
    return false
  }
  isReset(): boolean {
    return false
  }

  setState(c: number, direction: Direction): void {
    this.#conns.records.setTimeoutTicks(c, this.#timeouts.ticks[0]!)
    if (direction === Direction.output) this.#conns.assureControl(c)
  }
}
